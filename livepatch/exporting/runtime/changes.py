"""The changes of an extension, as its ``changes.py`` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import livepatch.engine as engine
from livepatch.engine.changing.change import transaction
from livepatch.engine.layers.laying import Wanted, lay
from livepatch.engine.layers.override_stacks import stack_of
from livepatch.engine.naming.targets import ClassTarget, Target, find
from livepatch.engine.writing.graft import Graft

from .originals import digest, original_source
from .webui import attribute_of, forget_what_was_computed, version_of_webui

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .definitions import Definition

Undo = Any  # a function without arguments


class Skipped(Exception):
    """A change does not fit this webui; it is left out and the others are made."""


@dataclass(frozen=True)
class ApplyContext:
    """What a change can see of its extension.

    Attributes:
        owner: whose the changes are.
        names: the namespace with the extension's own functions, classes and values.
        definitions: those that are compiled in the place of their targets.
        app: the webui's app, where there is one.
        made_with: the versions it was made with.
        verify: whether the originals have to be those that it was made against.
    """

    owner: str
    names: dict[str, Any]
    definitions: Sequence[Definition]
    app: Any
    made_with: dict[str, str | None]
    verify: bool = True


class Change(ABC):
    """One change of the webui, which can be taken back."""

    @property
    @abstractmethod
    def about(self) -> str:
        """What it changes, for people."""

    @abstractmethod
    def apply(self, context: ApplyContext) -> Undo:
        """Make it true.

        Returns:
            What takes it back.

        Raises:
            Skipped: it does not fit this webui.
        """


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

    def apply(self, context: ApplyContext) -> Undo:
        """Lay it over its target."""
        asked = f"{context.owner}: {self.about}"
        target = find(asked, self.target)
        if context.verify:
            self._check(target, context)
        name = f"{self.verb} {self.name}" if self.name != self.verb else self.verb
        wanted = Wanted(self.verb, name, context.owner, context.names, self.guard)
        with transaction(recorded=False):
            layer = lay(asked, target, self._new(asked, target, context), wanted)
        forget_what_was_computed()

        def undo() -> None:
            with transaction(recorded=False):
                layer.remove()
            forget_what_was_computed()

        return undo

    def _check(self, target: Any, context: ApplyContext) -> None:
        source = original_source(target)
        if self.original is None or source is None or digest(source) == self.original:
            return
        then, now = context.made_with.get("version"), version_of_webui()
        raise Skipped(
            f"{self.target} is not what it was: made against {_version(then)} "
            f"(source {self.original}), this is {_version(now)} (source {digest(source)})"
        )

    def _new(self, asked: str, target: Any, context: ApplyContext) -> Any:
        if self.is_value:
            return eval(str(self.new), context.names)  # the text of a literal
        if isinstance(self.new, str):
            return context.names[self.new]
        definition = context.definitions[self.new - 1]
        if isinstance(target, ClassTarget) or not isinstance(target, Target):
            return self._future_text() + definition.text
        stack = stack_of(target)
        stack.check(asked, lambda: True)
        imports = [*self._future_imports(), *definition.imports]
        graft = Graft(
            asked,
            definition.text,
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
        import ast

        return ast.parse(self._future_text()).body


def _version(version: str | None) -> str:
    return f"version {version}" if version else "a version that says nothing of itself"


@dataclass(frozen=True)
class Hook(Change):
    """A function of another extension's module that is not called while this one is on."""

    module: str
    name: str

    @property
    def about(self) -> str:
        """Module and name."""
        return f"mute {self.module}.{self.name}"

    def apply(self, context: ApplyContext) -> Undo:  # noqa: ARG002
        """Take it out of the module."""
        module = attribute_of(self.module)
        if module is None or self.name not in vars(module):
            raise Skipped(f"{self.module} has no {self.name}")
        taken = vars(module)[self.name]
        delattr(module, self.name)

        def undo() -> None:
            if self.name not in vars(module):
                setattr(module, self.name, taken)

        return undo


def only_once(undo: Callable[[], None]) -> Callable[[], None]:
    """A way back that can be called again without an effect."""
    done: list[bool] = []

    def once() -> None:
        if not done:
            done.append(True)
            undo()

    return once


__all__ = ["ApplyContext", "Change", "Hook", "Layer", "Skipped", "engine", "only_once"]
