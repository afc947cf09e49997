"""Where a middleware comes from: its place in a file, and who owns it."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.layers import owners
from livepatch.engine.layers.owners import NOTEBOOK
from livepatch.engine.reading.sources import place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

EXTENSION_FOLDERS = ("extensions", "extensions-builtin", "custom_nodes", "plugins")
# Who stands between the user and us: a magic is called by IPython, and that by the cell.
PASSED_OVER = frozenset({__name__.partition(".")[0], "IPython", "contextlib"})


def place_of(cls: Any, options: Mapping[str, Any]) -> str:
    """``file:line`` of a middleware: of the dispatch function where that is what it runs."""
    code = _code_of(cls, options)
    for _ in range(3):
        try:
            return place(code)
        except SystemError:
            # Python parses the file of a class; in two threads at once that may fail, and does
            # not the next time (cpython gh-106905).
            continue
    return _file_of(code)


def owner_of(cls: Any, options: Mapping[str, Any]) -> str:
    """Who owns a middleware that the webui brought: an extension, a package, or the webui.

    Example:
        >>> import json
        >>> owner_of(json.JSONDecoder, {})
        'package json'
    """
    code = _code_of(cls, options)
    module = str(getattr(code, "__module__", None) or "")
    if module in registry.notebook_modules:
        return NOTEBOOK
    parts = PurePath(_file_of(code)).parts
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


def name_of(cls: Any, options: Mapping[str, Any]) -> str:
    """The name of a middleware; of ``@app.middleware("http")`` that of its function."""
    code = _code_of(cls, options)
    return str(getattr(code, "__qualname__", None) or type(code).__name__).rpartition(".")[2]


def _file_of(code: Any) -> str:
    try:
        return inspect.getsourcefile(code) or inspect.getfile(code)
    except (TypeError, OSError):
        return "built in"


def _code_of(cls: Any, options: Mapping[str, Any]) -> Any:
    dispatch = options.get("dispatch")
    code = dispatch if callable(dispatch) else cls
    while isinstance(code, functools.partial):
        code = code.func
    return code
