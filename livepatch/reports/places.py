"""Places of code in tables: short, as the webui's people know its files; the whole on hover."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from .html import breakable, escape
from .table import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Item

_PACKAGES = ("site-packages", "dist-packages")


def place_column(heading: str, cell: Callable[[Item], object]) -> Column[Item]:
    """A column of places: ``file:line``, or a file or folder.

    Args:
        heading: what stands above it.
        cell: the place that belongs to an item, with the whole path.
    """

    def html(item: Item) -> str:
        whole = str(cell(item))
        return f'<span title="{escape(whole)}">{breakable(short_place(whole))}</span>'

    return Column(heading, lambda item: short_place(str(cell(item))), html=html)


def short_place(place: str) -> str:
    """A path without what is above the webui's folder or an installed package.

    Of a line of the webui's, or of its extensions', the file is enough: what stands beside it says
    whose it is.

    Example:
        >>> short_place("/env/lib/python3.11/site-packages/starlette/middleware/gzip.py:45")
        'starlette/middleware/gzip.py:45'
    """
    for folder in _PACKAGES:
        _, found, inside = place.rpartition(f"{os.sep}{folder}{os.sep}")
        if found:
            return inside
    for folder in _folders():
        if place.startswith(folder):
            inside = place[len(folder) :]
            return os.sep.join(inside.split(os.sep)[_from_file(inside) :])
    return place


def _from_file(inside: str) -> int:
    """Where the file begins among the parts of a place: that of a package has a name with it."""
    if not re.search(r"\.py:\d+$", inside):
        return 0
    return -2 if "__init__.py:" in inside else -1


def _folders() -> tuple[str, ...]:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    webui = [os.path.dirname(os.path.abspath(main))] if isinstance(main, str) else []
    standard = os.path.dirname(os.__file__)
    return tuple(os.path.join(folder, "") for folder in (*webui, standard) if len(folder) > 1)
