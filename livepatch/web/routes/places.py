"""Finds the place of a route among the routes of a router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.plan.places import number_among

from .walk import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .list import RouteLayer, RouteList


def inside(asked: str, path: str, at: Row) -> str:
    """A path as the router has it that the other route belongs to."""
    if not path.startswith(at.prefix):
        found = f"{at.label} belongs to a router below {at.prefix}, and {path} is not below it"
        raise PatchRefused(asked, found, f"add({at.prefix + path!r}, …), or another place")
    return path[len(at.prefix) :]


def slot_at(asked: str, cells: Sequence[Any], index: int) -> Any:
    """The slot at a number among the routes of a router; None: behind the last."""
    number = number_among(asked, len(cells), index, "index=0 is matched first")
    return cells[number].slot if number < len(cells) else None


def what_follows(routes: RouteList, layer: RouteLayer) -> list[str]:
    """What an answer line says of where a route is matched; nothing where the path decides."""
    if not routes.goes_by_order:
        return []
    cells = routes.cells()
    position = [cell.slot for cell in cells].index(layer)
    if position + 1 == len(cells):
        return ["matched last"]
    following = Row.of_cell(routes, cells[position + 1], "")
    return [f"matched before {following.label}"]
