"""Tells whether two functions differ only in where they were written."""

from __future__ import annotations

import ast
import inspect
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..reading.cells import content
from ..reading.sources import definition_of
from ..switching.codes import global_names
from ..writing.class_shape import are_equal, is_constant

if TYPE_CHECKING:
    from types import CodeType


def is_same_function(mine: FunctionType, theirs: FunctionType) -> bool:
    """Whether two functions are written the same and mean the same: nothing has to change."""
    if mine is theirs:
        return True
    if _bare(mine.__code__) != _bare(theirs.__code__):
        return False
    if _are_made_up(mine, theirs):
        return True
    if mine.__globals__ is not theirs.__globals__:
        used = global_names(theirs.__code__)
        if not used.isdisjoint(mine.__globals__.keys() | theirs.__globals__.keys()):
            return False
    held = zip(mine.__closure__ or (), theirs.__closure__ or (), strict=False)
    names = zip(mine.__code__.co_freevars, held, strict=False)
    if not all(_same_held(content(a), content(b)) for name, (a, b) in names if name != "__class__"):
        return False
    return _same_defaults(mine, theirs)


def _are_made_up(mine: FunctionType, theirs: FunctionType) -> bool:
    """Whether a maker of classes wrote both, from fields that are the same."""
    makers = [f.__code__.co_filename.split(" ")[:2] for f in (mine, theirs)]
    is_special = mine.__name__.startswith("__")
    return is_special and makers[0] == makers[1] and makers[0][0] in ("<string>", "<attrs")


def _same_held(mine: object, theirs: object) -> bool:
    if isinstance(mine, FunctionType) and isinstance(theirs, FunctionType):
        return is_same_function(mine, theirs)
    is_empty = type(mine) is type(theirs) and type(mine) in (set, dict, list) and not mine
    return mine is theirs or (is_empty and not theirs) or _same_constants(mine, theirs)


def _same_constants(mine: object, theirs: object) -> bool:
    return is_constant(mine) and is_constant(theirs) and are_equal(mine, theirs)


def _same_defaults(mine: FunctionType, theirs: FunctionType) -> bool:
    ours, others = (
        [*(f.__defaults__ or ()), *sorted((f.__kwdefaults__ or {}).items())] for f in (mine, theirs)
    )
    if len(ours) == len(others) and all(map(_same_held, ours, others)):
        return True
    # Values that are made anew each time, such as a list: they are the same if written the same.
    written = [getattr(definition_of(f), "args", None) for f in (mine, theirs)]
    if None in written or any(map(is_constant, ours)) != any(map(is_constant, others)):
        return False
    return [ast.dump(d) for d in _defaults_in(written[0])] == [
        ast.dump(d) for d in _defaults_in(written[1])
    ]


def _defaults_in(arguments: Any) -> list[ast.expr]:
    return [d for d in (*arguments.defaults, *arguments.kw_defaults) if d is not None]


def _bare(code: CodeType) -> CodeType:
    """A code without the place where it was written, to compare."""
    constants = tuple(_bare(c) if inspect.iscode(c) else c for c in code.co_consts)
    changes: dict[str, Any] = {"co_firstlineno": 1, "co_linetable": b"", "co_consts": constants}
    changes["co_flags"] = code.co_flags & ~inspect.CO_NESTED
    if sys.version_info >= (3, 11):
        changes["co_qualname"] = code.co_name
    return code.replace(**changes)
