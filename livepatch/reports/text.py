"""Reports as plain text."""

from __future__ import annotations

from livepatch.engine.shown import shown


def text_table(headings: list[str], rows: list[list[str]]) -> str:
    """Columns of equal width, two spaces apart.

    Example:
        >>> print(text_table(["name", "state"], [["a", "active"]]))
        name  state
        a     active
    """
    table = [headings, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)
