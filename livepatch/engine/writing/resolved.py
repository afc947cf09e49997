"""A definition in the target's place that uses names from elsewhere: the notebook's, above all."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..naming.unwrapping import is_generated
from ..reading.namespaces import namespace_of
from ..reading.sources import place
from .placed import PlacedDefinition
from .resolution import Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CellType, FunctionType

    from ..naming.functions import Target
    from .names import FunctionNode


class ResolvedDefinition(PlacedDefinition):
    """A definition compiled in the target's place, whose other names are found in a namespace.

    Args:
        asked: the user's request in words, the first line of an error.
        definition: the ``def``, of any name; it is changed.
        filename: the file that its lines are of.
        target: the function that it shall take the place of.
        original: a function with the target's own code, whatever layers lie over the target now.
        namespace: the notebook's names: what the module lacks is read from here when it is used.
        imports: the imports that stand above it; they run in the namespace.
        closure: closure cells around the definition by name; default: those of the target.
        namespace_first: whether a name that both have is the notebook's.
        values: values for the ``resolution.value_named`` in it.

    Attributes:
        uses: which names it takes from where.
        own_name: the name by which it calls itself, where the place has none of that name.
    """

    def __init__(
        self,
        asked: str,
        definition: FunctionNode,
        filename: str,
        target: Target,
        original: FunctionType,
        namespace: dict[str, Any],
        *,
        imports: Sequence[ast.stmt] = (),
        closure: Mapping[str, CellType] | None = None,
        namespace_first: bool = False,
        values: dict[str, Any] | None = None,
    ) -> None:
        self.namespace = namespace
        self._namespace_first = namespace_first
        self._values = values
        super().__init__(
            asked, definition, filename, target, original, imports=imports, closure=closure
        )

    def _find_names(self, definition: FunctionNode) -> None:
        place, target = self.place, self.target
        place.around = names_around(self.original, target.owner_class)
        # In a class a function does not see itself by its name.
        sees_itself = target.owner_class is None and definition.name not in (
            place.module.keys() | place.cells.keys()
        )
        self.own_name = definition.name if sees_itself else None
        self._resolution = Resolution(
            place,
            self.namespace,
            self.imports,
            namespace_first=self._namespace_first,
            original_of=self._original_of,
            itself=self.own_name,
            values=self._values,
        )
        self._resolution.redirect(definition)
        self.uses = self._resolution.uses

    def _original_of(self, name: str, value: object, *, is_notebooks: bool) -> object:  # noqa: ARG002
        """What a name means that leads to the target; None where it does not."""
        return None

    def _module(self, owner: type | None) -> dict[str, Any]:
        return _names_of_module(self.asked, self.original, owner)

    def _constants(self) -> Mapping[int, object]:
        return self._resolution.constants()

    def build(self) -> FunctionType:
        """Run the imports in the namespace and make the function."""
        if self.imports:
            exec(self._compile(ast.Module([*self.imports], [])), self.namespace)
        made = super().build()
        if self.own_name in self.place.cells:
            self.place.cells[self.own_name].cell_contents = made
        return made


def names_around(original: FunctionType, owner: type | None) -> dict[str, Any]:
    """What new code sees besides, of a function that a library made for a module or a class there.

    The ``_replace`` of a named tuple has the globals of ``collections``; what was executed has a
    namespace of its own.
    """
    name = owner.__module__ if owner is not None else original.__module__
    if owner is None and not is_generated(original):
        return {}
    module = sys.modules.get(name or "")
    return {} if module is None else namespace_of(module)


def _names_of_module(asked: str, original: FunctionType, owner: type | None) -> dict[str, Any]:
    """The globals of new code: the module's, also for a function that a library generated.

    The ``__new__`` of a named tuple has globals of its own, without any builtins.
    """
    module = sys.modules.get(getattr(owner, "__module__", ""))
    if module is not None and is_generated(original):
        return vars(module)
    if original.__globals__.get("__builtins__", vars) == {}:
        raise PatchRefused(
            asked,
            f"it was generated, and sees only its own names ({place(original)})",
            f"name it through its class: package.module.{original.__qualname__}",
        )
    return original.__globals__
