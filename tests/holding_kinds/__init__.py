"""Every way of holding a function that we know, each with a small program that does it.

The tests replace and restore the function in each of them; the benchmark does the same with other
tools. Only the standard library is needed, but for the rows that say so.
"""

from __future__ import annotations

from . import (
    bindings,
    classes,
    decorated,
    descriptors,
    frameworks,
    functions,
    handlers,
    hooks,
    libraries,
    limits,
    made_classes,
    references,
    special_methods,
    threads,
    values,
)
from .table import KINDS, LIMITS, Kind, Limit, Program

__all__ = ["KINDS", "LIMITS", "Kind", "Limit", "Program"]
_rooms = (
    handlers,
    hooks,
    classes,
    made_classes,
    descriptors,
    frameworks,
    libraries,
    functions,
    decorated,
    limits,
    references,
    bindings,
    special_methods,
    threads,
    values,
)
