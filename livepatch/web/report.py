"""A live stack as a table: what requests go through, and what is only declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.reports.places import place_column
from livepatch.reports.report import Report
from livepatch.reports.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layer import MiddlewareLayer

LONGEST_OPTIONS = 60


def middleware_table(path: str, layers: Sequence[MiddlewareLayer]) -> Report[MiddlewareLayer]:
    """The middlewares of a stack, outermost first.

    Args:
        path: whose stack it is.
        layers: the middlewares; those that are only declared come last.

    Returns:
        A report of the layers.
    """
    numbered = {id(layer): str(number) for number, layer in enumerate(_live(layers))}
    columns: list[Column[MiddlewareLayer]] = [
        Column("", lambda layer: numbered.get(id(layer), "-")),
        Column("middleware", lambda layer: layer.name),
        Column("live", _is_live),
        Column("declared", _is_declared),
        Column("options", _options),
        Column("owner", lambda layer: layer.owner),
        place_column("where", lambda layer: layer.place),
    ]
    title = f"{path[:1].upper()}{path[1:]}, outermost first"
    return Report(title, layers, columns, "no layer")


def _live(layers: Sequence[MiddlewareLayer]) -> list[MiddlewareLayer]:
    return [layer for layer in layers if layer.state in ("active", "at the first request")]


def _is_live(layer: MiddlewareLayer) -> str:
    state = layer.state
    return {"active": "yes", "declared only": "no"}.get(state, str(state))


def _is_declared(layer: MiddlewareLayer) -> str:
    if layer.kind == "framework":
        return "by the framework"
    return "yes" if layer.is_declared else "no"


def _options(layer: MiddlewareLayer) -> str:
    named = [f"{name}={value!r}" for name, value in layer.options.items()]
    shown = ", ".join([*map(repr, layer.positional), *named])
    return shown if len(shown) <= LONGEST_OPTIONS else f"{shown[: LONGEST_OPTIONS - 1]}…"
