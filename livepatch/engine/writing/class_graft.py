"""Compiles the text of a class as if it stood in the place of a class of the webui.

The new class is an object of its own, made once; what it holds is merged into the old one, method
by method, so that the webui's instances change. Its methods are compiled to fit there: the class's
name is the webui's class, private names are that class's, and the free variables agree with those
of the old methods.
"""

from __future__ import annotations
import __future__

import ast
import sys
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..reading.descriptors import called_by
from ..reading.sources import place
from ..reading.texts import name_of, texts
from ..switching.state import clone
from .graft import dedented, mention, parse_one
from .placing import (
    Place,
    Settled,
    compile_text,
    enclose,
    factory_in,
    future_flags,
    make,
    own_future_flags,
    unused_name,
)
from .resolution import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType


def graft_class(
    asked: str,
    text: str,
    target_class: type,
    namespace: dict[str, Any],
    *,
    original_function: Callable[[FunctionType], FunctionType] = clone,
    dry_run: bool = False,
) -> tuple[type, tuple[str, ...]]:
    """A new class from a text, made in the place of a class of the webui.

    Args:
        asked: the user's request in words.
        text: imports, then one ``class`` of any name; its decorators run on the new class.
        target_class: the class whose place it takes.
        namespace: the notebook's names.
        original_function: answers a function with the webui's own code of one of the class's
            methods, for a method that the notebook saved under a name; default: what it runs now.
        dry_run: check and describe it without running anything; the class is the target itself.

    Returns:
        The new class, and what the answer has to say of it.

    Raises:
        PatchRefused: the text does not compile, is not one class, or raised.
    """
    graft = ClassGraft(asked, text, target_class, namespace, original_function)
    return (target_class if dry_run else graft.build()), graft.uses.facts()


class ClassGraft:
    """The text of a class, compiled in the place of a class of the webui, but not run yet.

    Its arguments are those of :func:`graft_class`.
    """

    def __init__(
        self,
        asked: str,
        text: str,
        target_class: type,
        namespace: dict[str, Any],
        original_function: Callable[[FunctionType], FunctionType],
    ) -> None:
        self.asked = asked
        self.source = dedented(text)
        self.target_class = target_class
        self.namespace = namespace
        name = target_class.__name__
        self.imports, definition = parse_one(
            asked, self.source, (ast.ClassDef,), "class", f"write one class: class {name}: …"
        )
        assert isinstance(definition, ast.ClassDef)
        path = f"{target_class.__module__}.{target_class.__qualname__}"
        self.filename = name_of(self.source, path)
        self.methods = dict(_methods(target_class))
        self.place = self._place(definition.name)
        definition.name = name  # private names are those of the old class
        resolution = Resolution(
            self.place,
            namespace,
            self.imports,
            original_of=lambda _, value, is_notebooks: self._saved(  # noqa: ARG005
                value, original_function
            ),
        )
        resolution.redirect(definition)
        self.uses = resolution.uses
        self.constants = resolution.constants
        for method in definition.body:
            old = self.methods.get(getattr(method, "name", ""))
            if old is not None and isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                mention(method, old.__code__.co_freevars)
        self._compiled = self._compile(enclose(definition, self.place))

    def build(self) -> type:
        """Run the imports in the namespace and make the class."""

        def settled(filename: str) -> CodeType:
            return Settled(
                inner=unused_name(self.target_class.__name__),
                name=self.target_class.__name__,
                qualified_name=self.target_class.__qualname__,
                constants=self.constants(),
                filename=filename,
            ).code(factory_in(self._compiled))

        try:
            if self.imports:
                exec(self._compile(ast.Module([*self.imports], [])), self.namespace)
            factory = texts.keep(self.filename, self.source, settled)
            made = make(factory, self.place)
        except PatchRefused:
            raise
        except Exception as error:
            raise PatchRefused(
                self.asked,
                f"making the new class raised {type(error).__name__}: {error}",
                "mend that and run the cell again",
            ) from error
        if not isinstance(made, type):
            raise PatchRefused(
                self.asked,
                f"the decorators of the new class made a {type(made).__name__} of it",
                "use decorators that answer a class",
            )
        return made

    def _place(self, own_name: str) -> Place:
        module = getattr(sys.modules.get(self.target_class.__module__), "__dict__", None)
        for method in self.methods.values():
            if module is None or method.__module__ == self.target_class.__module__:
                module = method.__globals__
                break
        if module is None:
            raise PatchRefused(
                self.asked,
                f"the module {self.target_class.__module__} of {place(self.target_class)} is not "
                f"loaded, and no method of the class leads to it",
                "replace its methods one by one",
            )
        cells = {
            name: cell
            for method in self.methods.values()
            for name, cell in zip(
                method.__code__.co_freevars, method.__closure__ or (), strict=True
            )
            if not name.startswith("__class")  # made with the class, like __classdict__
        }
        for name in {own_name, self.target_class.__name__}:
            if module.get(name) is not self.target_class:
                cells[name] = CellType(self.target_class)
        flags = 0
        if module.get("annotations") is __future__.annotations:
            flags = __future__.annotations.compiler_flag
        for method in self.methods.values():
            if method.__globals__ is module:
                flags |= future_flags(method.__code__)
        return Place(module, cells, None, flags | own_future_flags(self.imports))

    def _compile(self, tree: ast.Module) -> CodeType:
        lines = self.source.splitlines()
        return compile_text(self.asked, tree, self.filename, self.place.flags, lines)

    def _saved(
        self, value: object, original_function: Callable[[FunctionType], FunctionType]
    ) -> FunctionType | None:
        """The webui's code where the notebook saved a method of the class."""
        if isinstance(value, FunctionType) and value in self.methods.values():
            return original_function(value)
        return None


def _methods(owner: type) -> Iterator[tuple[str, FunctionType]]:
    """The functions that were written in a class's body, below descriptors."""
    for name, value in vars(owner).items():
        below = called_by(value)
        function = value if below is None else below
        if isinstance(function, FunctionType):
            yield name, function
