"""What an export carries of livepatch: the real files of the engine and the runtime, as needed."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from .runtime.extension import Extension
from .shaking import shaken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.abc import Traversable

    from livepatch.adapters.runtime import WebuiRuntime

    from .runtime.changes import Change

FOLDER = "_livepatch"
"""The folder of an extension's package that they are in."""

_HOMES = {
    "livepatch.exporting.runtime": "",
    "livepatch.engine": "engine/",
    "livepatch.adapters": "adapters/",
}
"""Our packages that are carried, and their folders there."""
_OTHERS = "webuis/"
"""The folder of what adapters of other packages give."""
_IMPORT = re.compile(rf"^(\s*)from ({'|'.join(map(re.escape, _HOMES))})\b(\.?)", re.MULTILINE)
_ENGINE_MODULE = re.compile(r"^import livepatch\.engine as (\w+)$", re.MULTILINE)
# Copies in one process share their layers, stacks and changes: one calls methods of another's.
_SHARED = (f"{FOLDER}/engine/layers", f"{FOLDER}/engine/plan")


def carried_files(used: Iterable[type[Change | WebuiRuntime]]) -> dict[str, str]:
    """The files that an extension needs, by their paths in its package.

    Args:
        used: the classes that it uses: the kinds of its changes, and its webui.
    """
    return dict(_carried(frozenset(used)))


def home_of(used: type[Change | WebuiRuntime]) -> str:
    """The module of the carried folder that has a class."""
    module = used.__module__
    for package, folder in _HOMES.items():
        if module.startswith(f"{package}."):
            return f"{folder}{module[len(package) + 1 :]}".replace("/", ".")
    return f"{_OTHERS}{module.rpartition('.')[2]}".replace("/", ".")


@functools.lru_cache(maxsize=16)
def _carried(used: frozenset[type[Change | WebuiRuntime]]) -> dict[str, str]:
    all_files = dict(_our_files())
    wanted = [(f"{FOLDER}/extension.py", "Extension")]
    for cls in used:
        path = f"{FOLDER}/{home_of(cls).replace('.', '/')}.py"
        if path not in all_files:
            all_files.update(_files_beside(cls.__module__))
        wanted.append((path, cls.__name__))
    called = [name for name in dir(Extension) if not name.startswith("_")]
    return shaken(all_files, wanted, called, _SHARED)


@functools.cache
def _our_files() -> dict[str, str]:
    found: dict[str, str] = {}
    for package, folder in _HOMES.items():
        for path, text in _python_files(package, f"{FOLDER}/{folder}".rstrip("/")):
            found[path] = _as_carried(path, text)
    return found


def _files_beside(module: str) -> dict[str, str]:
    """The file of another package's module, and its neighbours."""
    own = sys.modules[module]
    file = Path(inspect.getsourcefile(own) or "")
    neighbours = sorted(file.parent.glob("*.py")) if own.__package__ else []
    beside = {one.stem: one for one in neighbours if one.stem != "__init__"}
    folder = f"{FOLDER}/{_OTHERS}"
    found = {f"{folder}__init__.py": '"""What an adapter of another package knows."""\n'}
    for name, one in {**beside, module.rpartition(".")[2]: file}.items():
        path = f"{folder}{name}.py"
        found[path] = _as_carried(path, one.read_text(encoding="utf-8"))
    return found


def _as_carried(path: str, text: str) -> str:
    """A file's text with the imports of what is carried too made relative."""
    dots = "." * path.count("/")
    text = _ENGINE_MODULE.sub(rf"from {dots} import engine as \1", text)

    def relative(found: re.Match[str]) -> str:
        indent, package, more = found.groups()
        folder = _HOMES[package].rstrip("/")
        return f"{indent}from {dots}{folder}{more if folder else ''}"

    return _IMPORT.sub(relative, text)


def _python_files(package: str, folder: str) -> Iterator[tuple[str, str]]:
    return _files_below(files(package), folder)


def _files_below(place: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".py"):
            yield f"{path}/{entry.name}", entry.read_text(encoding="utf-8")
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _files_below(entry, f"{path}/{entry.name}")
