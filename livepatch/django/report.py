"""The apps of a Django server as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from livepatch.reports.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.reports.table import Columns


@dataclass(frozen=True)
class AppRow:
    """One app.

    Attributes:
        label: its label.
        name: its dotted name.
        state: ``loaded``, ``disabled`` or ``unloaded``.
        version: what it says of itself; empty where it says nothing.
        url_prefix: where its URLs begin; None where the project itself includes them.
        tables: the names of its tables.
        needs: the apps that it says it needs.
        needed_by: the labels of the loaded apps that need it.
        owner: who made it so: the project, or who loaded, disabled or reloaded it.
    """

    label: str
    name: str
    state: str
    version: str
    url_prefix: str | None
    tables: tuple[str, ...]
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    owner: str


def apps_table(rows: Sequence[AppRow]) -> Report[AppRow]:
    """The apps in Django's order; those that were unloaded come last.

    Args:
        rows: the apps.

    Returns:
        A report of them.

    Example:
        >>> print(apps_table([AppRow("a", "my.a", "loaded", "", None, (), (), (), "the project")]))
        Apps of Django
        app  state   version  URLs  tables  needs  needed by  by           package
        a    loaded                 0                         the project  my.a
    """
    columns: Columns[AppRow] = {
        "app": lambda row: row.label,
        "state": lambda row: row.state,
        "version": lambda row: row.version,
        "URLs": lambda row: "" if row.url_prefix is None else f"/{row.url_prefix}",
        "tables": lambda row: str(len(row.tables)),
        "needs": lambda row: ", ".join(row.needs),
        "needed by": lambda row: ", ".join(row.needed_by),
        "by": lambda row: row.owner,
        "package": lambda row: row.name,
    }
    return Report("Apps of Django", rows, columns, "none")


@dataclass(frozen=True)
class Implementation:
    """Something that an app hands to others by name.

    Attributes:
        kind: ``signal``, ``pluggy hook`` or ``entry point``.
        point: the signal, the hook or the group.
        name: what is called there, or the entry point's name.
        app: the app's label; of what belongs to none its top-level package.
        place: ``file:line`` of its code.
    """

    kind: str
    point: str
    name: str
    app: str
    place: str


def implementations_table(rows: Sequence[Implementation]) -> Report[Implementation]:
    """Who implements what.

    Args:
        rows: the implementations.

    Returns:
        A report of them.
    """
    columns: Columns[Implementation] = {
        "kind": lambda row: row.kind,
        "point": lambda row: row.point,
        "what": lambda row: row.name,
        "app": lambda row: row.app,
        "where": lambda row: row.place,
    }
    return Report("Who implements what", rows, columns, "nothing of it")
