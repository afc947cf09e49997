"""Which files of several some of them need: what their imports lead to, and no others."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def needed_files(files: Mapping[str, str], wanted: Iterable[str]) -> set[str]:
    """The files that some need, themselves included.

    Args:
        files: Python files by their paths, ``folder/name.py``; imports among them are relative.
        wanted: the paths to begin with.

    Example:
        >>> files = {"a.py": "from .b import c", "b.py": "c = 1", "d.py": ""}
        >>> sorted(needed_files(files, ["a.py"]))
        ['a.py', 'b.py']
    """
    needed: set[str] = set()
    waiting = list(wanted)
    while waiting:
        path = waiting.pop()
        if path not in needed and path in files:
            needed.add(path)
            waiting += _packages_around(path)
            waiting += _imported(path, files[path])
    return needed


def _packages_around(path: str) -> Iterator[str]:
    folders = path.split("/")[:-1]
    for depth in range(1, len(folders) + 1):
        yield "/".join([*folders[:depth], "__init__.py"])


def _imported(path: str, text: str) -> Iterator[str]:
    """The paths that the imports of a file may name: a module, or something in one."""
    folder = path.split("/")[:-1]
    for node in _run_at_import(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            around = folder[: len(folder) - node.level + 1]
            module = [*around, *(node.module.split(".") if node.module else [])]
            for name in ("", *(alias.name for alias in node.names)):
                dotted = "/".join([*module, name] if name else module)
                yield f"{dotted}.py"
                yield f"{dotted}/__init__.py"


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every node, but those of imports that only a type checker follows."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _run_at_import(child)
