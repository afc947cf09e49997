"""A Python file of an extension, parsed, and what the names in it mean."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .findings import Finding
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .jobs import Role

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class PythonFile:
    """One Python file.

    Attributes:
        path: the file.
        shown: its path as findings show it.
        role: what the webui does with it.
        tree: its syntax.
        own: the top-level names of the extension's own modules.
        aliases: what the names that it imports mean, as dotted names.
        functions: its functions, those of classes too.
        texts: the strings that it gives to calls or has as keys of dictionaries.
        heavy: its functions and classes whose call takes long, and what in them does.
        webui: the folder of the webui that the extension lies in, where that is known.
    """

    path: Path
    shown: str
    role: Role
    tree: ast.Module
    own: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(default_factory=dict)
    functions: list[FunctionNode] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    heavy: dict[str, str] = field(default_factory=dict)
    webui: Path | None = None

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    self.aliases[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    self.aliases[alias.asname or alias.name] = f"{module}.{alias.name}"
            elif isinstance(node, FUNCTIONS):
                self.functions.append(node)
            given = node.args if isinstance(node, ast.Call) else getattr(node, "keys", ())
            self.texts.update(
                part.value
                for part in given
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )

    def name_of(self, node: ast.AST | None) -> str:
        """The dotted name that an expression stands for; empty where it is none.

        Example:
            >>> tree = ast.parse("from modules import shared as s; s.opts.x")
            >>> from pathlib import Path
            >>> PythonFile(Path(), "x.py", "module", tree).name_of(tree.body[1].value)
            'modules.shared.opts.x'
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.aliases.get(node.id, node.id), *reversed(parts)])

    def is_imported(self, node: ast.AST) -> bool:
        """Whether an expression begins with a name of somebody else's module."""
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.aliases:
            return False
        return not self.is_own(self.aliases[node.id])

    def is_own(self, name: str) -> bool:
        """Whether a dotted name leads to another file of the extension."""
        return name.startswith(".") or name.partition(".")[0] in self.own

    def finding(self, node: ast.AST | int, code: str, message: str) -> Finding:
        """A finding at a node, or at a line."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(self.shown, line, code, message, RULES[code].fix)


def calls_in(node: ast.AST) -> Iterator[ast.Call]:
    """The calls that happen when a statement runs: not those in functions that it defines."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, ast.Call):
            yield here
        inner: list[ast.AST] = []
        for child in ast.iter_child_nodes(here):
            if isinstance(child, FUNCTIONS):
                inner += child.decorator_list
            elif not isinstance(child, ast.Lambda):
                inner.append(child)
        waiting += reversed(inner)


def text_of(node: ast.AST) -> str:
    """An expression as text; ``…`` where it is nested too deeply for Python to write it."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return "…"


def body_of(function: FunctionNode) -> list[ast.stmt]:
    """A function's statements without its docstring."""
    body = function.body
    first = body[0] if body else None
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_doc else body
