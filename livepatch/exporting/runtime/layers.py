"""Layers of every kind, over whatever a name leads to."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from livepatch.engine.changing.change import transaction
from livepatch.engine.layers.installing import Wanted, install
from livepatch.engine.layers.override_stacks import stack_of
from livepatch.engine.naming.targets import ClassTarget, Target, find
from livepatch.engine.writing.graft import Graft

from .changes import ApplyContext, Change, Undo
from .originals import check_original, original_source


@dataclass(frozen=True)
class Layer(Change):
    """A layer over a function, a class or a value.

    Attributes:
        verb: ``replace``, ``wrap``, ``before`` …
        target: its dotted name.
        new: the number of a definition, or a name; of a plain value, its text.
        original: the hash of the source that it was made against; None where there is none.
        name: tells it from other layers on that target.
        guard: after how many failures it is switched off; 0: never.
        future: the ``from __future__`` imports of its text.
    """

    verb: str
    target: str
    new: int | str
    original: str | None = None
    name: str = "replace"
    guard: int = 0
    future: tuple[str, ...] = ()
    is_value: bool = False

    @property
    def about(self) -> str:
        """Verb and target."""
        return f"{self.verb} {self.target}"

    @property
    def awaited(self) -> str:
        """The target."""
        return self.target

    def apply(self, context: ApplyContext) -> Undo:
        """Lay it over its target."""
        asked = f"{context.owner}: {self.about}"
        target = find(asked, self.target)
        if context.verify:
            check_original(self.target, self.original, original_source(target), context)
        name = f"{self.verb} {self.name}" if self.name != self.verb else self.verb
        wanted = Wanted(self.verb, name, context.owner, context.names, self.guard)
        with transaction(recorded=False):
            layer = install(asked, target, self._new(asked, target, context), wanted)
        context.webui.forget_what_was_computed()

        def undo() -> None:
            with transaction(recorded=False):
                layer.remove()
            context.webui.forget_what_was_computed()

        return undo

    def _new(self, asked: str, target: Any, context: ApplyContext) -> Any:
        if self.is_value:
            return eval(str(self.new), context.names)  # the text of a literal
        if isinstance(self.new, str):
            return context.names[self.new]
        definition = context.definitions[self.new - 1]
        if isinstance(target, ClassTarget) or not isinstance(target, Target):
            return self._future_text() + definition.as_text()
        stack = stack_of(target)
        stack.check(asked, lambda: True)
        imports = [*self._future_imports(), *definition.imports]
        graft = Graft(
            asked,
            definition.as_text(),
            target,
            stack.model_of(target.function),
            context.names,
            parsed=(definition.node, definition.filename),
            imports=imports,
        )
        return graft.build()

    def _future_text(self) -> str:
        return f"from __future__ import {', '.join(self.future)}\n" if self.future else ""

    def _future_imports(self) -> Any:
        return ast.parse(self._future_text()).body
