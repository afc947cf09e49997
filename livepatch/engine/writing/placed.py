"""A definition that is compiled as if it stood in the target's place, and the function it makes.

Its code finds the module's names as its globals and the target's closure cells around it, so it can
run in the target itself, at no cost per call.
"""

from __future__ import annotations

import ast
from types import CellType
from typing import TYPE_CHECKING, Any

from ..reading.compiled import future_flags
from ..reading.parsing import parse
from .placing import (
    NEW,
    Place,
    Settled,
    enclose,
    factory_in,
    make,
    new_code,
    own_future_flags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, FunctionType

    from ..naming.functions import Target
    from .names import FunctionNode


class PlacedDefinition:
    """A definition that is compiled in the target's place, but has not run yet.

    Every name that it does not bind itself is one of the place. Where that is not so, see
    :class:`~.resolved.ResolvedDefinition`.

    Args:
        asked: the user's request in words, the first line of an error.
        definition: the ``def``, of any name; it is changed.
        filename: the file that its lines are of.
        target: the function that it shall take the place of.
        original: a function with the target's own code, whatever layers lie over the target now.
        imports: the imports that stand above it, those from ``__future__`` among them.
        closure: closure cells around the definition by name; default: those of the target.
        further: further ones. Its code does not fit the target then: calls go through a trampoline.

    Attributes:
        place: where it is compiled.
        code: the new function's code, to see its kind.
    """

    def __init__(
        self,
        asked: str,
        definition: FunctionNode,
        filename: str,
        target: Target,
        original: FunctionType,
        *,
        imports: Sequence[ast.stmt] = (),
        closure: Mapping[str, CellType] | None = None,
        further: Mapping[str, CellType] | None = None,
    ) -> None:
        self.asked = asked
        self.filename = filename
        self.target = target
        self.original = original
        self.imports = imports
        definition.decorator_list = []
        self.place = self._place(closure)
        self.place.cells.update(further or {})
        self.place.flags |= own_future_flags(imports)
        self._find_names(definition)
        mention(definition, original.__code__.co_freevars)
        self._compiled = self._compile(enclose(definition, self.place))
        self.code = new_code(self._compiled)

    def build(self) -> FunctionType:
        """Make the function: default values and annotations are evaluated."""
        original = self.original
        made: FunctionType = make(self._factory(), self.place)
        made.__name__, made.__qualname__ = original.__name__, original.__qualname__
        made.__module__ = original.__module__
        return made

    def _factory(self) -> CodeType:
        """The code that makes the function, with everything in it decided."""
        return self._settled(self.filename)

    def _settled(self, filename: str) -> CodeType:
        return Settled(
            inner=NEW,
            name=self.original.__code__.co_name,
            qualified_name=self.original.__qualname__,
            constants=self._constants(),
            filename=filename,
        ).code(factory_in(self._compiled))

    def _find_names(self, definition: FunctionNode) -> None:
        """Point names in the definition to where they are found, where that is not the place."""

    def _constants(self) -> Mapping[int, object]:
        """What stands for the stand-ins in the compiled definition."""
        return {}

    def _place(self, closure: Mapping[str, CellType] | None) -> Place:
        code = self.original.__code__
        own = zip(code.co_freevars, self.original.__closure__ or (), strict=True)
        cells = dict(own) if closure is None else dict(closure)
        owner = self.target.owner_class
        if owner is not None:
            cells.setdefault("__class__", CellType(owner))
        class_name = owner.__name__ if owner else None
        return Place(self._module(owner), cells, class_name, future_flags(code))

    def _module(self, owner: type | None) -> dict[str, Any]:  # noqa: ARG002
        """The names that it sees as its globals."""
        return self.original.__globals__

    def _compile(self, tree: ast.Module) -> CodeType:
        code: CodeType = compile(tree, self.filename, "exec", self.place.flags, dont_inherit=True)
        return code


def mention(definition: FunctionNode, free_variables: tuple[str, ...]) -> None:
    """Keep the target's free variables in a code that does not use them.

    Then the code fits the target's closure. The compiler drops the branch and keeps the variables;
    of names that the code binds itself nothing is left.
    """
    if not free_variables:
        return
    statement = parse(f"if 0: ({', '.join(free_variables)},)").body[0]
    for node in ast.walk(statement):
        if hasattr(node, "lineno"):
            ast.copy_location(node, definition.body[-1])
    definition.body.append(statement)
