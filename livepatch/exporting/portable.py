"""Functions that are pure Python of their own, as data that another process makes them from.

What such a function does is known from its text alone: it works on numbers, texts and
collections, and reaches nothing of the webui, no file and no other process. Only these are called
in the check of an export. Nothing is called here.
"""

from __future__ import annotations

import ast
import base64
import dis
import marshal
import sys
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.reading.cells import content

if TYPE_CHECKING:
    from collections.abc import Iterator

PURE_MODULES = frozenset(
    {"math", "cmath", "re", "string", "textwrap", "json", "itertools", "functools", "operator"}
    | {"collections", "statistics", "fractions", "decimal", "unicodedata"}
)
PURE_BUILTINS = frozenset(
    {"abs", "all", "any", "bool", "bytes", "chr", "dict", "divmod", "enumerate", "filter", "float"}
    | {"format", "frozenset", "hex", "int", "isinstance", "len", "list", "map", "max", "min", "oct"}
    | {"ord", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple"}
    | {"zip", "Exception", "IndexError", "KeyError", "TypeError", "ValueError", "ZeroDivisionError"}
)
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME")
_NOT_PURE = ("IMPORT_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR")
_DEEPEST = 5


class NotPure(Exception):
    """A function reaches what another process does not have."""


Used = list[tuple[dict[str, Any], str]]


def portable(function: object, used: Used, depth: int = 0) -> dict[str, Any]:
    """A function as data.

    Args:
        function: it.
        used: gets the globals that it reads, each with the namespace that has it.
        depth: how many functions lead to it.

    Raises:
        NotPure: it is not pure Python of its own.
    """
    if not isinstance(function, FunctionType) or depth > _DEEPEST:
        raise NotPure
    held = {}
    for name in _names_of(function.__code__):
        if name in function.__globals__:
            held[name] = _held(function.__globals__[name], used, depth)
            used.append((function.__globals__, name))
        elif name not in PURE_BUILTINS:
            raise NotPure
    try:
        code = marshal.dumps(function.__code__)
    except ValueError:  # livepatch has put something of this process into it
        raise NotPure from None
    return {
        "code": base64.b64encode(code).decode(),
        "called": function.__name__,
        "names": held,
        "cells": [_held(content(cell), used, depth) for cell in function.__closure__ or ()],
        "defaults": _literal(function.__defaults__),
        "kwdefaults": _literal(function.__kwdefaults__),
    }


def _held(value: object, used: Used, depth: int) -> dict[str, Any]:
    if isinstance(value, ModuleType):
        if value.__name__ in PURE_MODULES and sys.modules.get(value.__name__) is value:
            return {"module": value.__name__}
        raise NotPure
    if isinstance(value, FunctionType):
        return portable(value, used, depth + 1)
    return {"literal": _literal(value)}


def _literal(value: object) -> str:
    text = repr(value)
    try:
        again = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError):
        raise NotPure from None
    if type(again) is not type(value) or again != value or len(text) > 10_000:
        raise NotPure
    return text


def _names_of(code: CodeType) -> Iterator[str]:
    """The globals that code reads.

    Raises:
        NotPure: it writes some, imports, or looks behind the scenes.
    """
    for step in dis.get_instructions(code):
        if step.opname in _GLOBALS:
            yield str(step.argval)
        elif step.opname in _NOT_PURE:
            raise NotPure
    if any(name.startswith("_") for name in code.co_names):
        raise NotPure
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_of(constant)
