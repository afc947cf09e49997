"""Reads how and where a module's own source text binds a name.

Read from the file, not from the running objects: so it can be told from what somebody else put
there since.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.engine.reading.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# Decorators that leave the function as it is, or put it into a descriptor we can look into.
_TRANSPARENT = re.compile(
    r"(\w+\.)*(staticmethod|classmethod|property|abstractmethod|override|final|overload"
    r"|\w+\.(setter|getter|deleter))"
)


@dataclass
class Binding:
    """How one body, a module's or a class's, binds a name.

    Attributes:
        definitions: its ``def`` and ``class`` statements of that name, in ``if`` and ``try`` too.
        imports: what ``from module import name`` names, with the dots before the module.
        is_assigned: whether anything else binds it: an assignment, a loop, ``import name``.
    """

    definitions: list[Definition] = field(default_factory=list)
    imports: list[tuple[int, str, str]] = field(default_factory=list)
    is_assigned: bool = False

    @property
    def is_plain_definition(self) -> bool:
        """Whether a ``def`` or ``class``, as it is written, is all that there is."""
        return bool(
            self.definitions
            and not self.imports
            and not self.is_assigned
            and all(_is_transparent(d) for node in self.definitions for d in node.decorator_list)
        )


@dataclass
class Written:
    """A module's source text, parsed.

    Attributes:
        tree: its syntax tree.
        stars: the modules of its ``from module import *``, with their dots.
        rebinds: names that some function of it binds anew in the module (``global``), and
            attributes that it sets on anything.
        is_dynamic: whether it may bind names that its text does not show: ``globals()``, ``exec``,
            ``setattr`` with a computed name.
    """

    tree: ast.Module
    stars: list[tuple[int, str]] = field(default_factory=list)
    rebinds: set[str] = field(default_factory=set)
    is_dynamic: bool = False
    _bindings: dict[tuple[str, ...], Binding | None] = field(default_factory=dict)

    def binding(self, classes: Sequence[str], name: str) -> Binding | None:
        """How a name is bound, in the module or in a class of it.

        Args:
            classes: the class's qualified name, in parts; empty for the module.
            name: the name.

        Returns:
            None where there is no such class in the text, or more than one.
        """
        asked = (*classes, name)
        if asked not in self._bindings:
            self._bindings[asked] = self._binding(classes, name)
        return self._bindings[asked]

    def _binding(self, classes: Sequence[str], name: str) -> Binding | None:
        cls = self.class_of(classes)
        if classes and cls is None:
            return None
        binding = Binding()
        for statement in _statements(cls.body if cls else self.tree.body):
            _note(statement, name, binding)
        return binding

    def class_of(self, classes: Sequence[str]) -> ast.ClassDef | None:
        """The class statement of a qualified name, if there is exactly one."""
        body: Sequence[ast.stmt] = self.tree.body
        found: ast.ClassDef | None = None
        for name in classes:
            named = [s for s in _statements(body) if isinstance(s, ast.ClassDef) and s.name == name]
            if len(named) != 1:
                return None
            found = named[0]
            body = found.body
        return found


def read(filename: str) -> bytes | None:
    """A source file's text as it lies on disk; None where there is none."""
    if not filename.endswith((".py", ".pyw")):
        return None
    try:
        return Path(filename).read_bytes()
    except OSError:
        return None


def mentions(text: bytes, name: str) -> bool:
    """Whether a name stands anywhere in a text."""
    return name.encode() in text


def imports(text: bytes, package: str) -> bool:
    """Whether a text imports a package or something from it: as cheap, and never too seldom.

    Example:
        >>> imports(b"from torch.nn import Module", "torch")
        True
    """
    name = package.encode()
    if name not in text:
        return False
    return (
        re.search(rb"(?:from|import)[ \t]+(?:[^\n#]*,[ \t]*)?%s\b" % re.escape(name), text)
        is not None
    )


def written_in(filename: str) -> Written | None:
    """A module's source; None where it cannot be read or does not compile."""
    try:
        return _parse(filename, Path(filename).stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


@functools.lru_cache(maxsize=64)  # not more: a syntax tree takes 10 to 20 times its text
def _parse(filename: str, _changed: int) -> Written:
    written = Written(parse(Path(filename).read_bytes()))
    for node in ast.walk(written.tree):
        if isinstance(node, ast.Global):
            written.rebinds |= set(node.names)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            written.rebinds.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            written.stars.append((node.level, node.module or ""))
        elif isinstance(node, ast.Call):
            _note_call(node, written)
        elif isinstance(node, ast.Subscript) and ast.unparse(node) == "sys.modules[__name__]":
            written.is_dynamic = True
    return written


def _note_call(node: ast.Call, written: Written) -> None:
    called = node.func.id if isinstance(node.func, ast.Name) else ""
    if called in ("globals", "exec"):
        written.is_dynamic = True
    elif called == "setattr" and len(node.args) == 3:
        holder, name = node.args[:2]
        if isinstance(name, ast.Constant):
            written.rebinds.add(str(name.value))
        elif not (isinstance(holder, ast.Name) and holder.id == "self"):
            written.is_dynamic = True


def _note(statement: ast.stmt, name: str, binding: Binding) -> None:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        if statement.name == name:
            binding.definitions.append(statement)
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) != name:
                continue
            if isinstance(statement, ast.ImportFrom):
                binding.imports.append((statement.level, statement.module or "", alias.name))
            else:
                binding.is_assigned = True
    elif any(_binds(node, name) for node in _outside_functions(statement)):
        binding.is_assigned = True


def _binds(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id == name and not isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.ExceptHandler) and node.name == name


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement of a scope, also those in its ``if``, ``try``, ``with`` and loops."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, part, []))
        for clause in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
            yield from _statements(clause.body)


def _outside_functions(statement: ast.AST) -> Iterator[ast.AST]:
    """The nodes of one statement, without those of the statements inside it."""
    yield statement
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, (ast.stmt, ast.Lambda)):
            yield from _outside_functions(child)


def _is_transparent(decorator: ast.expr) -> bool:
    return _TRANSPARENT.fullmatch(ast.unparse(decorator)) is not None
