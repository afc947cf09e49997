"""The extensions of a webui as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.reports.places import place_column
from livepatch.reports.report import Report
from livepatch.reports.table import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from livepatch.registries import Registration

    from .installed import InstalledExtension

MOST_EVENTS = 6


def extensions_table(title: str, rows: Sequence[InstalledExtension]) -> Report[InstalledExtension]:
    """The extensions with what each has registered and what is patched of it.

    Args:
        title: what is listed.
        rows: the extensions.

    Returns:
        A report of the extensions.
    """
    cells: dict[str, Callable[[InstalledExtension], object]] = {
        "extension": lambda row: row.name,
        "state": _state,
        "version": lambda row: row.version,
        "callbacks": lambda row: _events(row.callbacks),
        "hooks": lambda row: _events(row.hooks),
        "middleware": lambda row: ", ".join(layer.name for layer in row.middleware),
        "routes": lambda row: _few([route.path for route in row.routes]),
        "patches": lambda row: str(len(row.patches) or ""),
        "modules": lambda row: str(len(row.modules or ()) or ""),
        "files": lambda row: str(len(row.files) or ""),
        "scripts": lambda row: str(len(row.scripts) or ""),
        "start ms": lambda row: "" if row.start is None else f"{row.start:.0f}",
        "run ms": lambda row: "" if row.run is None else f"{row.run:.2f}",
        "": lambda row: ", ".join(row.facts),
    }
    for heading, get in list(cells.items()):
        if rows and not any(get(row) for row in rows):
            del cells[heading]  # nobody has any of it, or nobody noted it
    columns = [Column(heading, get) for heading, get in cells.items()]
    columns.append(place_column("folder", lambda row: str(row.path or "")))
    return Report(title, rows, columns, "none is known")


def _state(row: InstalledExtension) -> str:
    state = "on" if row.enabled else "off in the webui"
    return f"{state}, the webui's own" if row.builtin else state


def _events(registrations: Sequence[Registration]) -> str:
    """What it is registered for, each event once, muted ones marked."""
    events: dict[str, str] = {}
    for registration in registrations:
        mark = " (muted)" if registration.state == "off" else ""
        events[registration.event] = f"{registration.event}{mark}"
    shown = list(events.values())[:MOST_EVENTS]
    more = len(events) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _few(names: Sequence[str]) -> str:
    more = len(names) - MOST_EVENTS
    return ", ".join(names[:MOST_EVENTS]) + (f" and {more} more" if more > 0 else "")
