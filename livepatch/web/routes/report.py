"""The routes of an app as a table, in the order of matching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.looking.callables import target_of
from livepatch.reports.places import place_column
from livepatch.reports.report import Report
from livepatch.reports.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .route import LiveRoute


def routes_table(path: str, routes: Sequence[LiveRoute]) -> Report[LiveRoute]:
    """The routes of an app; of several that fit a request the first wins.

    Args:
        path: whose routes.
        routes: the routes.

    Returns:
        A report of the routes.
    """
    columns: list[Column[LiveRoute]] = [
        Column("", lambda route: route.position),
        Column("method", _method),
        Column("path", lambda route: route.path or "/"),
        Column("name", lambda route: route.name or ""),
        Column("owner", lambda route: route.owner),
        Column("remark", _remark),
        Column("function", lambda route: target_of(route.endpoint)),
        place_column("where", lambda route: route.place),
    ]
    title = f"{path[:1].upper()}{path[1:]}, in the order of matching"
    return Report(title, routes, columns, "no route")


def _method(route: LiveRoute) -> str:
    words = {"websocket": "WS", "mount": "MOUNT", "host": "HOST"}
    return words.get(route.kind) or ",".join(route.methods) or "ANY"


def _remark(route: LiveRoute) -> str:
    """What was done to a route, and whether it is reached."""
    done = [f"{layer.verb} by {layer.owner}" for layer in route.layers if layer.state == "active"]
    if route.shadowed_by is not None:
        done.append(f"never reached: {route.shadowed_by} wins")
    return ", ".join(done)
