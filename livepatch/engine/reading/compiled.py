"""Tells whether a code object was compiled from a given definition.

A file may be edited while the program runs: what stands at a function's line by then can be
another function. So a definition is compiled once more, and the two codes are compared in all but
their places in the text.
"""

from __future__ import annotations
import __future__

import ast
import bisect
import dis
import inspect
import re
from types import CodeType
from typing import TYPE_CHECKING, Any

from .parsing import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# Compiler flags that a `from __future__ import` of the target's module switched on; the one of
# nested_scopes is CO_NESTED's and means something else by now.
FUTURE_FLAGS: int = sum(
    getattr(__future__, name).compiler_flag
    for name in __future__.all_feature_names
    if name != "nested_scopes"
)
_PLACE = "livepatch_place"
_SAME = (
    "co_name",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
)
# The others tell where a function stands, and whether it has a docstring.
_FLAGS = FUTURE_FLAGS | (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
# The compiler calls an attribute of a name otherwise, where the module has imported that name.
_EITHER = {"LOAD_METHOD": "LOAD_ATTR", "CALL_METHOD": "CALL_FUNCTION"}
_PASSED_OVER = frozenset(("PUSH_NULL", "NOP", "CACHE", "EXTENDED_ARG"))
_JUMPS = frozenset(dis.opname[code] for code in (*dis.hasjrel, *dis.hasjabs))


def future_flags(code: CodeType) -> int:
    """The compiler flags that a module's ``from __future__`` imports left in its code."""
    return code.co_flags & FUTURE_FLAGS


def is_compiled_from(code: CodeType, definition: Definition) -> bool:
    """Whether a code object is what a definition compiles to.

    Args:
        code: the code object of a function.
        definition: a definition in a text; it stays as it is.
    """
    if isinstance(definition, ast.Lambda) != (code.co_name == "<lambda>"):
        return False
    if not isinstance(definition, ast.Lambda) and definition.name != code.co_name:
        return False
    if _is_rewritten(code):
        return _parameters(definition) == code.co_varnames[: len(_parameters(definition))]
    return any(_are_the_same(code, other) for other in _compiled(code, definition))


def _compiled(code: CodeType, definition: Definition) -> Iterator[CodeType]:
    """The codes of that name that a definition compiles to in a place like that of a code."""
    statement: ast.stmt
    if isinstance(definition, ast.Lambda):
        statement = ast.copy_location(ast.Expr(definition), definition)
    else:
        # Its decorators are no part of the function's code.
        parts = {name: getattr(definition, name) for name in definition._fields}
        bare = type(definition)(**{**parts, "decorator_list": []})
        statement = ast.copy_location(bare, definition)
    free = [name for name in code.co_freevars if name != "__class__"]
    if free:
        outer = parse(f"def {_PLACE}(): pass").body[0]
        assert isinstance(outer, ast.FunctionDef)
        outer.args.args, outer.body = [ast.arg(name) for name in free], [statement]
        statement = outer
    class_name = _class_name(code)
    if class_name is not None:
        holder = parse("class X: pass").body[0]
        assert isinstance(holder, ast.ClassDef)
        holder.name, holder.body = class_name, [statement]
        statement = holder
    tree = ast.fix_missing_locations(ast.Module([statement], []))
    try:
        made: CodeType = compile(tree, code.co_filename, "exec", future_flags(code), True)
    except (SyntaxError, ValueError, RecursionError):
        return
    for around, is_there in ((class_name, class_name is not None), (_PLACE, bool(free))):
        if is_there:
            made = next(part for part in _direct(made) if part.co_name == around)
    for part in _direct(made):
        # Type parameters (PEP 695) have a code around the function's.
        inside = _direct(part) if part.co_name.startswith("<generic") else [part]
        yield from (one for one in inside if one.co_name == code.co_name)


def _class_name(code: CodeType) -> str | None:
    """The class in which a function stands: its private names carry that."""
    qualified = getattr(code, "co_qualname", None)  # from 3.11 on
    if qualified is not None:
        *around, _ = re.sub(r"[^.]+\.<locals>\.", "", qualified).split(".")
        if around and around[-1].isidentifier():
            return str(around[-1])
    else:
        for part in _nested(code):
            for name in part.co_names:
                private = re.fullmatch(r"_([^_]\w*?)__\w+", name)
                if private is not None and not name.endswith("__"):
                    return private.group(1)
    return "X" if "__class__" in code.co_freevars else None


def _direct(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in _direct(code):
        yield from _nested(part)


def _are_the_same(code: CodeType, other: CodeType) -> bool:
    return (
        all(getattr(code, part) == getattr(other, part) for part in _SAME)
        and code.co_flags & _FLAGS == other.co_flags & _FLAGS
        and len(code.co_consts) == len(other.co_consts)
        and all(map(_are_alike, code.co_consts, other.co_consts))
        and (code.co_code == other.co_code or _instructions(code) == _instructions(other))
    )


def _instructions(code: CodeType) -> list[tuple[str, object]]:
    """What a code does: its jumps lead to instructions, wherever those stand."""
    kept = [one for one in dis.get_instructions(code) if one.opname not in _PASSED_OVER]
    offsets = [one.offset for one in kept]
    return [
        (
            _EITHER.get(one.opname, one.opname.replace("_BORROW", "")),
            bisect.bisect_left(offsets, one.argval)
            if one.opname in _JUMPS
            else one.arg
            if one.opname in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES")
            else one.argval,
        )
        for one in kept
    ]


def _are_alike(one: Any, other: Any) -> bool:
    """Whether two constants are the same: 1, 1.0 and True are equal, and are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, CodeType):
        return _are_the_same(one, other)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_are_alike, one, other))
    if isinstance(one, (float, complex)):
        return repr(one) == repr(other)  # not-a-number is not equal to itself
    if isinstance(one, str):  # qualified names tell the place
        return bool(one.rpartition(".<locals>.")[2] == other.rpartition(".<locals>.")[2])
    return bool(one == other)


def _is_rewritten(code: CodeType) -> bool:
    """Whether something changed it as it was imported, as pytest does with what asserts.

    It uses names that no text can have; of such code the name and the parameters have to do.
    """
    return any(
        "@" in name for part in _nested(code) for name in (*part.co_names, *part.co_varnames)
    )


def _parameters(definition: Definition) -> tuple[str, ...]:
    arguments = definition.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return tuple(argument.arg for argument in listed)
