"""Definitions in a file that is read and never run: they are compiled in the place of targets."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Definition:
    """One ``def`` or ``class``, with the imports that stand above it.

    Attributes:
        node: the definition, with the lines and columns of its file.
        imports: the imports between it and the definition before.
        filename: its file.
        lines: those of the file.
    """

    node: Any
    imports: Sequence[ast.stmt]
    filename: str
    lines: Sequence[str]

    def as_text(self) -> str:
        """Imports and definition as text, dedented."""
        return "".join(_text(part, self.lines) for part in (*self.imports, self.node))


def definitions_in(filename: str, holder: str | None = None) -> list[Definition]:
    """The definitions of a file, in their order.

    Args:
        filename: the file.
        holder: the function in whose body they stand; default: the top level of the file.
    """
    source = Path(filename).read_text(encoding="utf-8")
    body = ast.parse(source, filename).body
    if holder is not None:
        body = next(s.body for s in body if isinstance(s, ast.FunctionDef) and s.name == holder)
    lines = source.splitlines(keepends=True)
    return list(_definitions(body, lines, filename))


def _definitions(body: Sequence[ast.stmt], lines: list[str], filename: str) -> Iterator[Definition]:
    imports: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            imports.append(statement)
        elif isinstance(statement, DEFINITIONS):
            yield Definition(statement, tuple(imports), filename, lines)
            imports = []


def _text(statement: Any, lines: Sequence[str]) -> str:
    decorators = getattr(statement, "decorator_list", ())
    first = min([statement.lineno, *(d.lineno for d in decorators)])
    block = "".join(lines[first - 1 : statement.end_lineno])
    return indented(block, -statement.col_offset)


def indented(text: str, columns: int) -> str:
    r"""A text moved to the right, or with a negative number to the left.

    Lines that begin inside a string stay as they are.

    Example:
        >>> indented('x = 1', 4)
        '    x = 1\n'
    """
    text = text if text.endswith("\n") else f"{text}\n"
    inside = _lines_in_strings(text)
    moved = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if number in inside or not line.strip():
            moved.append(line)
        elif columns >= 0:
            moved.append(" " * columns + line)
        else:
            # A comment may stand further to the left than the code.
            moved.append(line[min(-columns, len(line) - len(line.lstrip())) :])
    return "".join(moved)


def _lines_in_strings(text: str) -> set[int]:
    """The numbers of the lines that begin inside a string."""
    shift = 0
    if text[:1] in (" ", "\t"):
        text, shift = f"if 1:\n{text}", 1
    try:
        tree = ast.parse(text)
    except SyntaxError:
        # A part of something, such as the cases of a match: nothing in it is moved by columns
        # that dedent would not move as well.
        tree = ast.parse(textwrap.dedent(text))
    inside: set[int] = set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        )
        if is_text and node.end_lineno != node.lineno:  # type: ignore[attr-defined]
            inside.update(range(node.lineno + 1, node.end_lineno + 1))  # type: ignore[attr-defined]
    return {number - shift for number in inside}
