"""The routes of an app as a table, in the order of matching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.reports.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.reports.table import Columns

    from .route import LiveRoute


def routes_table(path: str, routes: Sequence[LiveRoute]) -> Report[LiveRoute]:
    """The routes of an app; of several that fit a request the first wins.

    Args:
        path: whose routes.
        routes: the routes.

    Returns:
        A report of the routes.
    """
    columns: Columns[LiveRoute] = {
        "": lambda route: route.position,
        "method": _method,
        "path": lambda route: route.path or "/",
        "name": lambda route: route.name or "",
        "function": _function,
        "owner": lambda route: route.owner,
        "where": lambda route: route.place,
        "remark": _remark,
    }
    title = f"{path[:1].upper()}{path[1:]}, in the order of matching"
    return Report(title, routes, columns, "no route")


def _method(route: LiveRoute) -> str:
    words = {"websocket": "WS", "mount": "MOUNT", "host": "HOST"}
    return words.get(route.kind) or ",".join(route.methods) or "ANY"


def _function(route: LiveRoute) -> str:
    endpoint = route.endpoint
    return str(getattr(endpoint, "__qualname__", None) or type(endpoint).__name__)


def _remark(route: LiveRoute) -> str:
    """What was done to a route, and whether it is reached."""
    done = [f"{layer.verb} by {layer.owner}" for layer in route.layers if layer.state == "active"]
    if route.shadowed_by is not None:
        done.append(f"never reached: {route.shadowed_by} wins")
    return ", ".join(done)
