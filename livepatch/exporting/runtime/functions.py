"""A replaced function, in the forms that its new code can have.

They need the least of the engine. What else a layer can be, and what else can be replaced, is in
``layers``.
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from types import CellType
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.change import apply
from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.function_stacks import function_stack_of
from livepatch.engine.layers.patch import Patch
from livepatch.engine.layers.stacks import Layer, LayerPlacement
from livepatch.engine.naming.functions import own_function
from livepatch.engine.reading.sources import text_at_line
from livepatch.engine.switching.kinds import kind_of
from livepatch.engine.switching.state import clone
from livepatch.engine.writing.placed import PlacedDefinition
from livepatch.engine.writing.resolved import ResolvedDefinition

from .changes import ApplyContext, Change, Skipped, Undo
from .originals import check_original

if TYPE_CHECKING:
    from types import FunctionType

    from livepatch.engine.naming.functions import Target


@dataclass(frozen=True)
class ReplacedFunction(Change):
    """Other code for a function that is written where its name says.

    Attributes:
        target: its dotted name.
        new: where the new code is.
        original: the hash of the source that it was made against; None where there is none.
        name: tells it from other layers on that target.
    """

    target: str
    new: Any
    original: str | None = None
    name: str = "replace"

    @property
    def about(self) -> str:
        """Verb and target."""
        return f"replace {self.target}"

    @property
    def awaited(self) -> str:
        """The target."""
        return self.target

    def apply(self, context: ApplyContext) -> Undo:
        """Lay it over the function."""
        asked = f"{context.owner}: {self.about}"
        target = own_function(asked, self.target)
        stack = function_stack_of(target)
        stack.check(asked, lambda: True)
        model = stack.model_of(target.function)
        if context.verify:
            check_original(self.target, self.original, text_at_line(model.__code__), context)
        function = self._function(asked, target, model, context)
        if kind_of(function.__code__) != kind_of(model.__code__):
            raise Skipped(f"it is a {kind_of(model.__code__)} by now")
        patch = Patch(function, partial(text_at_line, function.__code__), given=function)
        name = f"replace {self.name}" if self.name != "replace" else self.name
        with registry.lock:
            stack.add_caches(target.caches)
            known = stack.layer_of(None, context.owner, name)
            layer = known or Layer(None, target.path, context.owner, name, "replace")
            placement = LayerPlacement(layer, patch)
            apply(stack.with_placement(placement, "replace", target.function), recorded=False)
            layer.answer = f"replaced {target.path}"
        context.webui.forget_what_was_computed()

        def undo() -> None:
            with registry.lock:
                apply(*[stack.without(layer) for stack in layer.stacks], recorded=False)
            context.webui.forget_what_was_computed()

        return undo

    @abstractmethod
    def _function(
        self, asked: str, target: Target, model: FunctionType, context: ApplyContext
    ) -> FunctionType:
        """What calls shall run."""


class ReplaceBy(ReplacedFunction):
    """Replace a function by one of the extension's own, which ``new`` names."""

    def _function(
        self,
        asked: str,  # noqa: ARG002
        target: Target,  # noqa: ARG002
        model: FunctionType,  # noqa: ARG002
        context: ApplyContext,
    ) -> FunctionType:
        return clone(context.names[self.new])


@dataclass(frozen=True)
class Replace(ReplacedFunction):
    """Replace a function by a definition that is compiled in its place; ``new`` is its number.

    Every name in it that it does not bind itself is one of the place.

    Attributes:
        future: the ``from __future__`` imports of its text.
    """

    future: tuple[str, ...] = ()

    def _function(
        self, asked: str, target: Target, model: FunctionType, context: ApplyContext
    ) -> FunctionType:
        definition = context.definitions[self.new - 1]
        node, file, imports = definition.node, definition.filename, self._future_imports()
        return PlacedDefinition(asked, node, file, target, model, imports=imports).build()

    def _future_imports(self) -> list[ast.stmt]:
        if not self.future:
            return []
        return ast.parse(f"from __future__ import {', '.join(self.future)}").body


@dataclass(frozen=True)
class ReplaceUsing(Replace):
    """The same of a definition that uses functions, classes or modules of the extension.

    They are closure variables of the new code.

    Attributes:
        uses: their names; what the imports above the definition bind is among them.
    """

    uses: tuple[str, ...] = ()

    def _function(
        self, asked: str, target: Target, model: FunctionType, context: ApplyContext
    ) -> FunctionType:
        definition = context.definitions[self.new - 1]
        node, file, names = definition.node, definition.filename, context.names
        exec(compile(ast.Module([*definition.imports], []), file, "exec"), names)
        used = {name: CellType(names[name]) for name in self.uses if name in names}
        imports = self._future_imports()
        placed = PlacedDefinition(asked, node, file, target, model, imports=imports, further=used)
        return placed.build()


class ReplaceWithNames(Replace):
    """The same of a definition that uses any names of the extension; they are read at each call."""

    def _function(
        self, asked: str, target: Target, model: FunctionType, context: ApplyContext
    ) -> FunctionType:
        definition = context.definitions[self.new - 1]
        node, file = definition.node, definition.filename
        imports = [*self._future_imports(), *definition.imports]
        placed = ResolvedDefinition(
            asked, node, file, target, model, context.names, imports=imports
        )
        return placed.build()
