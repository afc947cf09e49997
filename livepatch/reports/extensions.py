"""The extensions of a webui as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_EVENTS = 6


def extensions_table(title: str, rows: Sequence[Any]) -> Report[Any]:
    """The extensions with what each has registered and what is patched of it.

    Args:
        title: what is listed.
        rows: each with ``name``, ``enabled``, ``builtin``, ``version``, ``path``, ``facts``,
            ``modules`` and, of what belongs to it, ``callbacks``, ``hooks``, ``middleware`` and
            ``patches``.

    Returns:
        A report of the extensions.
    """
    columns = {
        "extension": lambda row: row.name,
        "state": _state,
        "version": lambda row: row.version,
        "callbacks": lambda row: _events(row.callbacks),
        "hooks": lambda row: _events(row.hooks),
        "middleware": lambda row: ", ".join(layer.name for layer in row.middleware),
        "patches": lambda row: str(len(row.patches) or ""),
        "modules": lambda row: str(len(row.modules or ()) or ""),
        "": lambda row: ", ".join(row.facts),
        "folder": lambda row: str(row.path or ""),
    }
    return Report(title, rows, columns, "none is known")


def _state(row: Any) -> str:
    state = "on" if row.enabled else "off in the webui"
    return f"{state}, came along" if row.builtin else state


def _events(registrations: Sequence[Any]) -> str:
    """What it is registered for, each event once, muted ones marked."""
    events: dict[str, str] = {}
    for registration in registrations:
        mark = " (muted)" if registration.state == "off" else ""
        events[registration.event] = f"{registration.event}{mark}"
    shown = list(events.values())[:MOST_EVENTS]
    more = len(events) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
