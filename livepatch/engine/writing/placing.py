"""Compiles definitions as if they stood in the target's place, and makes the function there.

The definition is compiled inside whatever stands around its place: parameters of an outer function
are its closure variables, a class around it mangles private names and gives ``super()`` its
``__class__``. Of all that, only the innermost factory runs, with the target's real closure cells;
so what it makes fits the target by construction and is never touched again. (Python 3.13 makes
calls of a function slower for good once its code or its defaults were assigned, and never
specialises those that ``types.FunctionType`` made: cpython gh-117045.)
"""

from __future__ import annotations
import __future__

import ast
import inspect
import re
import sys
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..reading.compiled import FUTURE_FLAGS
from ..reading.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# No text can have such names of its own.
NEW = "<livepatch new>"
_PLACE = "<livepatch place>"
_FACTORY = "<livepatch factory>"


@dataclass
class Place:
    """Where a text is compiled.

    Attributes:
        module: the globals of its functions.
        cells: the closure variables around it.
        class_name: the class whose private names it shares.
        flags: the compiler's, of the module's ``from __future__`` imports.
        around: further names: those of the module where the user reads the code of a function that
            was made elsewhere, in globals of its own.
    """

    module: dict[str, Any]
    cells: dict[str, CellType] = field(default_factory=dict)
    class_name: str | None = None
    flags: int = 0
    around: dict[str, Any] = field(default_factory=dict)

    @property
    def with_annotations(self) -> bool:
        """Whether annotations are evaluated there, instead of kept as text."""
        return not self.flags & __future__.annotations.compiler_flag


def own_future_flags(imports: Sequence[ast.stmt]) -> int:
    """The compiler flags that the ``from __future__`` imports of a text ask for."""
    names = {
        alias.name
        for statement in imports
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        for alias in statement.names
    }
    flags: int = sum(getattr(__future__, name).compiler_flag for name in names)
    return flags & FUTURE_FLAGS


def compile_text(
    asked: str, tree: ast.Module, filename: str, flags: int, lines: list[str]
) -> CodeType:
    """Compile a tree; what does not compile is an error of three lines.

    Raises:
        PatchRefused: it does not compile.
    """
    try:
        code: CodeType = compile(tree, filename, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise does_not_compile(asked, error, lines) from None
    return code


def does_not_compile(asked: str, error: Exception, lines: list[str]) -> PatchRefused:
    """The three lines for a text that is no Python."""
    if not isinstance(error, SyntaxError) or not error.lineno:
        found = f"the text does not compile: {error}"
        return PatchRefused(asked, found, "fix it and run the cell again")
    line = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
    return PatchRefused(
        asked,
        f"line {error.lineno} of the text does not compile: {error.msg}: {line}",
        "fix that line and run the cell again",
    )


def enclose(
    definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, place: Place
) -> ast.Module:
    """A factory around a definition, inside what stands around the place."""
    if isinstance(definition, ast.ClassDef):
        definition.name = unused_name(definition.name)
    else:
        definition.name = NEW
    result: ast.stmt = ast.Return(ast.Name(definition.name, ast.Load()))
    around: ast.stmt = _function(_FACTORY, [], [definition, result])
    if place.class_name is not None:
        holder = parse("class X: pass").body[0]
        assert isinstance(holder, ast.ClassDef)
        holder.name, holder.body = unused_name(place.class_name), [around]
        around = holder
    parameters = [name for name in place.cells if name != "__class__" or place.class_name is None]
    outer = _function(_PLACE, parameters, [around])
    return ast.fix_missing_locations(ast.Module([outer], []))


def _function(name: str, parameters: list[str], body: list[ast.stmt]) -> ast.FunctionDef:
    definition = parse("def f(): pass").body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.name, definition.body = name, body
    definition.args.args = [ast.arg(parameter) for parameter in parameters]
    return definition


def unused_name(class_name: str) -> str:
    """A name that mangles as a class's name does, and that keeps that name free for the class.

    The compiler strips leading underscores when it mangles.
    """
    bare = re.match(r"\w*", class_name.lstrip("_"))
    return f"{'_' * 40}{bare.group() if bare else ''}"


def code_named(code: CodeType, name: str) -> CodeType:
    """The code of that name inside another."""
    for constant in code.co_consts:
        if inspect.iscode(constant):
            try:
                return constant if constant.co_name == name else code_named(constant, name)
            except LookupError:
                continue
    raise LookupError(name)


def new_code(code: CodeType) -> CodeType:
    """The code of the function that a factory will make."""
    return code_named(code, NEW)


@dataclass
class Settled:
    """What in a compiled factory is decided only before it runs.

    Attributes:
        inner: the name that the definition was compiled under.
        name, qualified_name: those that it shall have.
        constants: objects for the stand-ins among the constants.
        filename: where the text is found.
    """

    inner: str
    name: str
    qualified_name: str
    constants: Mapping[int, object]
    filename: str

    def code(self, code: CodeType) -> CodeType:
        """The code, and those nested in it, with all of that in place."""
        changes: dict[str, Any] = {
            "co_consts": tuple(map(self._constant, code.co_consts)),
            "co_filename": self.filename,
            "co_name": code.co_name.replace(self.inner, self.name),
        }
        if sys.version_info >= (3, 11):
            changes["co_qualname"] = self._qualified(code.co_qualname)
        return code.replace(**changes)

    def _constant(self, constant: Any) -> Any:
        if inspect.iscode(constant):
            return self.code(constant)
        if type(constant) is int:
            return self.constants.get(constant, constant)
        if type(constant) is str and self.inner in constant:
            # The name of a class; qualified names too, those of functions until 3.10.
            return self.name if constant == self.inner else self._qualified(constant)
        return constant

    def _qualified(self, name: str) -> str:
        before, found, rest = name.rpartition(self.inner)
        return f"{self.qualified_name}{rest}" if found and before.startswith(_PLACE) else name


def make(factory: CodeType, place: Place) -> Any:
    """Run a factory in its place: with the module's globals and the real closure cells."""
    # From 3.14 on a class notes in a cell which of its annotations ran (PEP 649); classes inside
    # its methods are handed that cell too.
    given = {"__conditional_annotations__": CellType(set()), **place.cells}
    cells = tuple(given[name] for name in factory.co_freevars)
    return FunctionType(factory, place.module, _FACTORY, None, cells)()


def factory_in(code: CodeType) -> CodeType:
    """The innermost factory of a compiled text: what stands around it never runs."""
    return code_named(code, _FACTORY)
