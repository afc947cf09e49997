"""Names of a package that are imported when they are asked for (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def on_demand(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package whose names come when they are asked for first.

    No module of the package may have the name of one of its functions: whoever imports the module
    would put it in the function's place.

    Args:
        package: the package's ``__name__``.
        homes: the names, by the module below the package that has them.

    Example:
        >>> get = on_demand("xml", {".dom.minidom": ("parseString",)})
        >>> get("parseString").__name__
        'parseString'
        >>> get("nothing")
        Traceback (most recent call last):
        AttributeError: module 'xml' has no attribute 'nothing'
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(importlib.import_module(home_of[name], package), name)
        setattr(sys.modules[package], name, found)
        return found

    return get
