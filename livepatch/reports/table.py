"""The one table that every report is shown as: text for a terminal, HTML for a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from livepatch.engine.shown import shown

from .html import BORDER, CODE, QUIET, TEXT, breakable, escape, html_paragraph

if TYPE_CHECKING:
    from types import ModuleType
    from typing import TypeAlias

Item = TypeVar("Item")


@dataclass(frozen=True)
class Column(Generic[Item]):
    """One column of a table.

    Attributes:
        heading: what stands above it.
        cell: what it says of an item; ``str`` of that is shown.
        is_number: whether it holds numbers, which end at the right.
        html: the cell as HTML, where that is more than its text.
        html_heading: likewise the heading.
    """

    heading: str
    cell: Callable[[Item], object]
    is_number: bool = False
    html: Callable[[Item], str] | None = None
    html_heading: str | None = None


if TYPE_CHECKING:
    Columns: TypeAlias = Mapping[str, Callable[[Item], object]] | Sequence[Column[Item]]


names_told: ContextVar[list[Mapping[str, ModuleType]] | None]
names_told = ContextVar("livepatch.names", default=None)
"""While the cells of a table are made: the names of modules, once the webui was asked for them."""


def columns_of(columns: Columns[Item]) -> tuple[Column[Item], ...]:
    """The columns, where they may be given as headings with what each says of an item."""
    if isinstance(columns, Mapping):
        return tuple(Column(heading, cell) for heading, cell in columns.items())
    return tuple(columns)


def cells_of(columns: Sequence[Column[Item]], items: Sequence[Item]) -> list[list[str]]:
    """The cells as text, a list for each item."""
    token = names_told.set([])
    try:
        return [[str(column.cell(item)) for column in columns] for item in items]
    finally:
        names_told.reset(token)


def text_table(headings: Sequence[str], rows: list[list[str]], numbers: Sequence[int] = ()) -> str:
    """Columns of equal width, two spaces apart.

    Args:
        headings: what stands above each column.
        rows: the cells of each row.
        numbers: the columns, counted from 0, that end at the right.

    Example:
        >>> print(text_table(["name", "calls"], [["a", "7"]], numbers=[1]))
        name  calls
        a         7
    """
    table = [headings, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(widths[column]) if column in numbers else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def text_of(columns: Sequence[Column[Item]], items: Sequence[Item]) -> str:
    """The table of some items as text."""
    numbers = [number for number, column in enumerate(columns) if column.is_number]
    return text_table([column.heading for column in columns], cells_of(columns, items), numbers)


def html_of(title: str, columns: Sequence[Column[Item]], items: Sequence[Item], empty: str) -> str:
    """The table of some items as HTML with a caption, or the caption and why there is none."""
    if not items:
        return html_paragraph(f"{title}: {empty}")
    head = "".join(
        f'<th scope="col" style="{_style(column)}">'
        f"{escape(column.heading) if column.html_heading is None else column.html_heading}</th>"
        for column in columns
    )
    # A style for each cell: what a notebook that is not trusted keeps of HTML has no style sheets.
    openings = [f'<td style="{_style(column)};font-family:{CODE}">' for column in columns]
    body = "".join(
        f"<tr>{''.join(map(_cell, openings, columns, row, [item] * len(row)))}</tr>"
        for item, row in zip(items, cells_of(columns, items), strict=True)
    )
    return (
        f'<table style="border-collapse:collapse;color:{TEXT}">'
        f'<caption style="caption-side:top;text-align:left;color:{QUIET}">{escape(title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(opening: str, column: Column[Item], text: str, item: Item) -> str:
    inside = breakable(text) if column.html is None else column.html(item)
    return f"{opening}{inside}</td>"


def _style(column: Column[Item]) -> str:
    align = "right" if column.is_number else "left"
    return f"text-align:{align};padding:2px 10px 2px 0;border-bottom:1px solid {BORDER}"
