"""Finds a name of a text: in the target's module, in the notebook, or among the builtins."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from types import CellType
from typing import TYPE_CHECKING, Any, Protocol

from ..answers import Caution
from .names import AROUND, LOCALS, NOTEBOOK, SAVED, VALUES, ForeignNames, Names, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .placing import Place


@dataclass
class Uses:
    """Which names a graft takes from where."""

    notebook: set[str] = field(default_factory=set)
    around: set[str] = field(default_factory=set)
    clashes: set[str] = field(default_factory=set)
    nowhere: set[str] = field(default_factory=set)
    saved: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> tuple[str, ...]:
        """What the answer line says of it."""
        told: dict[str, Iterable[str]] = {
            "uses your {}": self.notebook,
            "{} is the surrounding module's": self.around,
            "{} is the webui's own code": self.saved,
            "{} is the module's, not yours": self.clashes,
            "{} is defined nowhere yet": self.nowhere,
        }
        return tuple(
            (Caution if names is self.nowhere else str)(text.format(_listed(names)))
            for text, names in told.items()
            if names
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


class OriginalOf(Protocol):
    """What a name of the notebook means that leads to the target; None where it does not."""

    def __call__(self, name: str, value: object, /, *, is_notebooks: bool) -> object:
        """Tell it of a name, its value, and whether the name is the notebook's for the text."""


class Resolution:
    """Decides for every name that a text does not bind whose it is.

    Args:
        place: where the text is compiled.
        namespace: the notebook's names.
        imports: the text's own imports: they run in the notebook.
        namespace_first: whether a name that both have is the notebook's.
        original_of: what a name of the notebook means that leads to the target, as a function does
            that the notebook saved; None for any other value. Under the patch, such a name would
            lead back to the patch.
        itself: the name by which the text calls what it defines, where the place has none.
        values: further values by name, for ``value_named``.

    Attributes:
        uses: what was found out so far.
    """

    def __init__(
        self,
        place: Place,
        namespace: dict[str, Any],
        imports: Sequence[ast.stmt],
        *,
        namespace_first: bool = False,
        original_of: OriginalOf = lambda _name, _value, is_notebooks: None,  # noqa: ARG005
        itself: str | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        self.place = place
        self.namespace = namespace
        self.namespace_first = namespace_first
        self.original_of = original_of
        self.itself = itself
        self.values = values or {}
        self.uses = Uses()
        self._imported = {
            (alias.asname or alias.name).partition(".")[0]
            for statement in imports
            for alias in statement.names  # type: ignore[attr-defined]
        }

    def redirect(self, definition: ast.AST) -> None:
        """Point the names in a definition to where they are found."""
        visitor = ForeignNames(
            {"__class__", *self.place.cells},
            self._holder_of,
            self._holder_of_global,
            with_annotations=self.place.with_annotations,
            class_name=self.place.class_name,
        )
        visitor.redirect(definition)

    def constants(self) -> dict[int, object]:
        """What stands for the stand-ins in the compiled text."""
        made: dict[int, object] = {
            SAVED: Names(self.uses.saved),
            VALUES: Names(self.values),
            LOCALS: Names({"locals": locals}),
        }
        # Making them takes a while, and most texts use none.
        if self.uses.notebook:
            made[NOTEBOOK] = names_of(self.namespace, self.uses.notebook)
        if self.uses.around:
            made[AROUND] = names_of(self.place.around, self.uses.around)
        return made

    def _holder_of(self, name: str) -> int | None:
        module = self.place.module
        if name == self.itself:
            self.place.cells.setdefault(name, CellType())
            return None
        value = self.namespace.get(name)
        is_notebooks = self._is_notebooks(name)
        if name in self.namespace and name not in self._imported:
            original = self.original_of(name, value, is_notebooks=is_notebooks)
            if original is not None:
                self.uses.saved[name] = original
                return SAVED
        if name in self._imported or is_notebooks:
            self.uses.notebook.add(name)
            return NOTEBOOK
        if name in self.place.around and name not in module:
            self.uses.around.add(name)
            return AROUND
        if name in module:
            if name in self.namespace and value is not module[name]:
                self.uses.clashes.add(name)
        elif not hasattr(builtins, name):
            if "*" in self._imported:  # the import runs in the notebook, when all else is decided
                self.uses.notebook.add(name)
                return NOTEBOOK
            self.uses.nowhere.add(name)
        return None

    def _holder_of_global(self, name: str) -> int | None:
        """Whose a name is that the text declares as global: it is written where it is read."""
        is_own = name in self.namespace
        if name in self.place.module and not (is_own and self.namespace_first):
            return None
        if is_own or self.namespace_first:
            self.uses.notebook.add(name)
            return NOTEBOOK
        self.uses.nowhere.add(name)
        return None

    def _is_notebooks(self, name: str) -> bool:
        """Whether a name that the text does not bind is the notebook's."""
        if name not in self.namespace:
            return False
        if self.namespace_first:
            return True
        if name in self.place.module or name in self.place.around:
            return False
        # A name of a builtin counts where the user gave it a meaning: IPython has an `open` and an
        # `input` of its own in every notebook.
        value = self.namespace[name]
        own_module = self.namespace.get("__name__")
        return not hasattr(builtins, name) or (
            not callable(value)
            or getattr(value, "__globals__", None) is self.namespace
            or getattr(value, "__module__", None) == own_module
        )


def value_named(name: str) -> ast.expr:
    """An expression for one of a resolution's values."""
    return ast.Attribute(ast.Constant(VALUES), name, ast.Load())
