"""What an export carries of livepatch: the real files of the engine and the runtime, as needed."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from .runtime.extension import Extension
from .shaking import shaken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.abc import Traversable

    from .runtime.changes import Change
    from .runtime.webui import Webui

FOLDER = "_livepatch"
"""The folder of an extension's package that they are in."""

_RUNTIME = "livepatch.exporting.runtime"
_ENGINE_IMPORT = re.compile(r"^(\s*)from livepatch\.engine\b", re.MULTILINE)
_ENGINE_MODULE = re.compile(r"^import livepatch\.engine as (\w+)$", re.MULTILINE)
# Copies in one process share their layers, stacks and changes: one calls methods of another's.
_SHARED = (f"{FOLDER}/engine/layers", f"{FOLDER}/engine/plan")


def carried_files(used: Iterable[type[Change | Webui]]) -> dict[str, str]:
    """The files that an extension needs, by their paths in its package.

    Args:
        used: the classes that it uses: the kinds of its changes, and its webui.
    """
    return dict(_carried(frozenset(used)))


def home_of(used: type[Change | Webui]) -> str:
    """The module of the carried folder that has a class."""
    return used.__module__.rpartition(".")[2]


@functools.lru_cache(maxsize=16)
def _carried(used: frozenset[type[Change | Webui]]) -> dict[str, str]:
    wanted = [(f"{FOLDER}/extension.py", "Extension")]
    wanted += [(f"{FOLDER}/{home_of(cls)}.py", cls.__name__) for cls in used]
    called = [name for name in dir(Extension) if not name.startswith("_")]
    return shaken(_all_files(), wanted, called, _SHARED)


@functools.cache
def _all_files() -> dict[str, str]:
    runtime = {}
    for path, text in _python_files(_RUNTIME, FOLDER):
        text = _ENGINE_MODULE.sub(r"from . import engine as \1", text)
        runtime[path] = _ENGINE_IMPORT.sub(r"\1from .engine", text)
    return {**dict(_python_files("livepatch.engine", f"{FOLDER}/engine")), **runtime}


def _python_files(package: str, folder: str) -> Iterator[tuple[str, str]]:
    return _files_below(files(package), folder)


def _files_below(place: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".py"):
            yield f"{path}/{entry.name}", entry.read_text(encoding="utf-8")
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _files_below(entry, f"{path}/{entry.name}")
