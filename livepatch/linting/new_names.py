"""Whether an assignment to a module of the webui adds a name, which is no patch."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from livepatch.files.untrusted import Unreadable, read_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .source import PythonFile

MOST_REPOSITORIES = 50


def is_new_name(file: PythonFile, target: str, value: ast.expr) -> bool:
    """Whether a module has nothing of the name that a file gives something in it.

    The module's own source says so, where the extension lies in a webui. Elsewhere a class of the
    file that is put into a module under its own name counts as an addition: who replaces a class
    of the webui derives from it, and keeps it.

    Args:
        file: the file of the extension.
        target: the dotted name that it assigns to.
        value: what it assigns.
    """
    module, _, name = target.rpartition(".")
    known = _names_in_source(file.webui, module) if file.webui is not None else None
    if known is not None:
        return name not in known
    own = {node.name for node in file.tree.body if isinstance(node, ast.ClassDef)}
    is_under_its_own_name = isinstance(value, ast.Name) and value.id == name
    is_module = module.rpartition(".")[2][:1].islower()
    return is_module and is_under_its_own_name and name in own


def _names_in_source(webui: Path, module: str) -> set[str] | None:
    """The names that a module of a webui defines; None where that cannot be told."""
    for path in _places(webui, module):
        try:
            tree = ast.parse(read_untrusted(path))
        except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        names = {name for statement in tree.body for name in _bound(statement)}
        return None if "*" in names else names
    return None


def _places(webui: Path, module: str) -> Iterator[Path]:
    """Where the source of a module may lie: in the webui, or in what it brings along."""
    inner = module.replace(".", "/")
    try:
        brought = sorted((webui / "repositories").iterdir())[:MOST_REPOSITORIES]
    except OSError:
        brought = []
    for root in (webui, *brought):
        for path in (root / f"{inner}.py", root / inner / "__init__.py"):
            if path.is_file():
                yield path


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top level binds, in its branches too."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
