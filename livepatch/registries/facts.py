"""What a registered callable is called, where it stands, and the dotted name that leads to it."""

from __future__ import annotations

import functools
import sys
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from livepatch.engine.changing.events import modules_named
from livepatch.engine.reading.sources import source_of


def code_of(callback: Any) -> Any:
    """The function, class or callable below partials, bound methods and static methods."""
    while True:
        if isinstance(callback, functools.partial):
            callback = callback.func
        elif isinstance(callback, (MethodType, staticmethod, classmethod)):
            callback = callback.__func__
        else:
            return callback


def name_of(callback: Any) -> str:
    """The name a callable gives itself, or that of its class.

    Example:
        >>> name_of(functools.partial(print, end="")), name_of(functools.lru_cache())
        ('print', 'lru_cache.<locals>.decorating_function')
    """
    code = code_of(callback)
    return str(getattr(code, "__qualname__", None) or type(code).__qualname__)


def place_of(callback: Any) -> str:
    """``file:line`` of a callable's code, or what there is of it."""
    code = getattr(_function_of(callback), "__code__", None)
    if isinstance(code, CodeType):
        return f"{code.co_filename}:{code.co_firstlineno}"
    thing = code_of(callback)
    cls = thing if isinstance(thing, type) else type(thing)
    module = sys.modules.get(getattr(thing, "__module__", None) or cls.__module__)
    file = getattr(module, "__file__", None)
    return f"{file}" if file else "no Python code"


def file_of(callback: Any) -> str | None:
    """The file of a callable's code; None where it has none."""
    place = place_of(callback)
    file, _, line = place.rpartition(":")
    return file if line.isdigit() and file else None


def source(callback: Any) -> str | None:
    """The source text of a callable, where it can be had."""
    function = _function_of(callback)
    return source_of(function) if isinstance(function, FunctionType) else None


def path_of(callback: Any) -> str | None:
    """The dotted name by which ``lp.replace`` finds a callable; None where it has none.

    Example:
        >>> import textwrap
        >>> path_of(textwrap.dedent)
        'textwrap.dedent'
    """
    function = _function_of(callback)
    if not isinstance(function, (FunctionType, type)) or "<" in function.__qualname__:
        return None
    module = sys.modules.get(function.__module__ or "")
    namespace = getattr(function, "__globals__", None)
    if module is not None and "/" not in module.__name__ and vars(module) is namespace:
        return f"{module.__name__}.{function.__qualname__}"
    for name, known in modules_named().items():
        if vars(known) is namespace:
            return f"{name}.{function.__qualname__}"
    return None


def _function_of(callback: Any) -> Any:
    """The Python function that a call of it runs, as far as that can be told."""
    code = code_of(callback)
    if isinstance(code, (FunctionType, type, ModuleType)):
        return code
    wrapped = getattr(code, "__wrapped__", None)
    if isinstance(wrapped, FunctionType):
        return wrapped
    classes = (vars(cls) for cls in type(code).__mro__)
    called = next((names["__call__"] for names in classes if "__call__" in names), None)
    return called if isinstance(called, FunctionType) else code
