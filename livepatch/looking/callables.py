"""Facts of a callable, whatever it is wrapped in: its code, name, place and owner."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.layers import owners
from livepatch.engine.layers.function_stacks import patched_function
from livepatch.engine.layers.owners import NOTEBOOK
from livepatch.engine.naming.following import follow
from livepatch.engine.naming.own_name import dotted_name, name_leading_to
from livepatch.engine.reading.sources import place, source_of

if TYPE_CHECKING:
    from types import FrameType

EXTENSION_FOLDERS = ("extensions", "extensions-builtin", "custom_nodes", "plugins")
# Who stands between the user and us: a magic is called by IPython, and that by the cell.
PASSED_OVER = frozenset({__name__.partition(".")[0], "IPython", "contextlib"})


def code_of(callback: Any) -> Any:
    """The function, class or callable below partials, bound methods and static methods."""
    while True:
        if isinstance(callback, functools.partial):
            callback = callback.func
        elif isinstance(callback, (MethodType, staticmethod, classmethod)):
            callback = callback.__func__
        else:
            return callback


def undecorated(callback: Any) -> Any:
    """The function or class that its author wrote: below partials and decorators.

    Example:
        >>> import contextlib
        >>> undecorated(contextlib.contextmanager(print)) is print
        True
    """
    while isinstance(callback, functools.partial):
        callback = callback.func
    try:
        callback = inspect.unwrap(callback)
    except ValueError:  # a circle of __wrapped__
        return callback
    is_code = inspect.isroutine(callback) or isinstance(callback, type)
    return callback if is_code else type(callback)


def function_of(callback: Any) -> Any:
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


def own_code(function: Any) -> Any:
    """The code of a function without the layers of ours over it; None where it has none."""
    patched = patched_function(function) if isinstance(function, FunctionType) else None
    return getattr(function if patched is None else patched.original, "__code__", None)


def name_of(callback: Any) -> str:
    """The name a callable gives itself, or that of its class.

    Example:
        >>> name_of(functools.partial(print, end="")), name_of(functools.lru_cache())
        ('print', 'lru_cache.<locals>.decorating_function')
    """
    code = code_of(callback)
    return str(getattr(code, "__qualname__", None) or type(code).__qualname__)


def place_of(callback: Any) -> str:
    """``file:line`` of a callable's code, or what there is of it.

    Example:
        >>> place_of(functools.partial(print, end=""))
        'built in'
    """
    code = own_code(function_of(callback))
    if isinstance(code, CodeType):
        return place(code)
    thing = _in_source(callback)
    for _ in range(3):
        try:
            return place(thing)
        except SystemError:
            # Python parses the file of a class; in two threads at once that may fail, and does
            # not the next time (cpython gh-106905).
            continue
    return file_of(thing) or "built in"


def file_of(callback: Any) -> str | None:
    """The file of a callable's code; None where it has none."""
    code = own_code(function_of(callback))
    if isinstance(code, CodeType):
        return code.co_filename
    try:
        return inspect.getsourcefile(_in_source(callback)) or inspect.getfile(_in_source(callback))
    except (TypeError, OSError):
        return None


def text_of(callback: Any) -> str | None:
    """The source text of a callable, where it can be had."""
    function = function_of(callback)
    return source_of(function) if isinstance(function, FunctionType) else None


def path_of(callback: Any) -> str | None:
    """The dotted name by which ``lp.replace`` finds a callable; None where it has none.

    Example:
        >>> import textwrap
        >>> path_of(textwrap.dedent)
        'textwrap.dedent'
    """
    function = function_of(callback)
    if isinstance(function, FunctionType):
        path, is_named = name_leading_to(function)
        return path if is_named else None
    if not isinstance(function, type):
        return None
    path = dotted_name(function)
    found, _ = follow(path)
    return path if found is not None and found.value is function else None


def target_of(callback: Any) -> str:
    """What a table says of a callable: its target, or the name it gives itself if it has none.

    Example:
        >>> import textwrap
        >>> target_of(textwrap.dedent), target_of(functools.lru_cache())
        ('textwrap.dedent', 'lru_cache.<locals>.decorating_function')
    """
    return path_of(callback) or name_of(callback)


def owner_of(callback: Any) -> str:
    """Whose a callable of the webui is: an extension's, a package's, the notebook's, the webui's.

    Example:
        >>> import json
        >>> owner_of(json.JSONDecoder)
        'package json'
    """
    thing = _in_source(callback)
    module = str(getattr(thing, "__module__", None) or "")
    if module in registry.notebook_modules:
        return NOTEBOOK
    parts = PurePath(file_of(thing) or "").parts
    for folder in EXTENSION_FOLDERS:
        if folder in parts[:-1]:
            name = parts[parts.index(folder) + 1]
            return f"extension {name.removesuffix('.py')}"
    package = module.partition(".")[0]
    if {"site-packages", "dist-packages"} & set(parts) or package in sys.stdlib_module_names:
        return f"package {package}"
    return "webui"


def caller() -> str:
    """Who called livepatch: the notebook, or the name of the calling module."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "unknown"))
        if module.partition(".")[0] not in PASSED_OVER:
            return owners.owner_of(frame.f_globals)
        frame = frame.f_back
    return "unknown"


def _in_source(callback: Any) -> Any:
    """What of a callable stands in a file: itself, or the class of an instance."""
    code = code_of(callback)
    is_there = inspect.isroutine(code) or isinstance(code, (type, ModuleType))
    return code if is_there else type(code)
