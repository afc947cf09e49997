"""What the closure cells of a function hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CellType


def content(cell: CellType, otherwise: Any = None) -> Any:
    """What a closure cell holds.

    Args:
        cell: the cell.
        otherwise: the answer of an empty one: its variable has no value yet, or no more.

    Example:
        >>> from types import CellType
        >>> content(CellType(1)), content(CellType())
        (1, None)
    """
    try:
        return cell.cell_contents
    except ValueError:
        return otherwise
