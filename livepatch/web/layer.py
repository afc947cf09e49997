"""A middleware in a live stack, what it asks of the stack, and the order of several."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from livepatch.engine.plan.plan import Placement
from livepatch.engine.reading.sources import source_of
from livepatch.looking.callables import name_of, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from livepatch.engine.answers import AnswerLine

    from .chain import Slot
    from .links import Link

Kind = Literal["added", "webui", "framework"]
State = Literal["active", "off", "declared only", "at the first request", "removed"]


def what_works(cls: Any, options: Mapping[str, Any]) -> Any:
    """What does a middleware's work: its class, or of ``@app.middleware("http")`` the function."""
    dispatch = options.get("dispatch")
    return dispatch if callable(dispatch) else cls


@dataclass(eq=False)
class MiddlewareLayer:
    """One middleware of a running app.

    ``str(layer)`` is the answer line of the verb that changed it last.

    Attributes:
        stack: the live stack it belongs to.
        cls: its class, or the function that makes it; for aiohttp the middleware function itself.
        options: the keyword arguments it was made with.
        owner: who brought it: the notebook, a module, an extension, a package, the webui.
        kind: ``added`` through livepatch, the ``webui``'s own, or of its ``framework``.
        instance: the middleware itself; None until the app has built its stack.
        positional: further positional arguments it was made with.
    """

    stack: Stack
    cls: Any
    options: Mapping[str, Any]
    owner: str
    kind: Kind
    instance: Any = None
    positional: tuple[Any, ...] = ()
    answer: str = ""
    spec: Any = field(default=None, repr=False)
    slot: Slot | None = field(default=None, repr=False)
    links: tuple[Link, ...] = field(default=(), repr=False)

    verb = "middleware"

    @property
    def name(self) -> str:
        """The name of its class, or of the function that does its work."""
        return name_of(what_works(self.cls, self.options)).rpartition(".")[2]

    @property
    def place(self) -> str:
        """``file:line`` of its code."""
        return place_of(what_works(self.cls, self.options))

    @property
    def source(self) -> str | None:
        """The text of its class, where it can be had."""
        return source_of(self.cls)

    @property
    def target(self) -> str:
        """The stack it belongs to, in words."""
        return self.stack.path

    @property
    def state(self) -> State:
        """``active``, ``off``, ``removed``; or what is declared and not (yet) live."""
        return self.stack.state_of(self)

    @property
    def is_declared(self) -> bool:
        """Whether the app's own list of middleware has it too."""
        return self.stack.declares_layer(self)

    def take_over(self, other: MiddlewareLayer) -> None:
        """Stand for what another layer stood for: the webui has made its app anew.

        Args:
            other: a layer of the new app, which nobody knows yet.
        """
        self.cls, self.options, self.positional = other.cls, other.options, other.positional
        self.instance, self.spec, self.links = other.instance, other.spec, other.links
        self.slot = None

    def remove(self) -> None:
        """Take it out of the stack; a layer that is gone already stays gone."""
        if self.state != "removed":
            self.stack.remove(self)

    def off(self) -> None:
        """Let requests pass it by, without losing it."""
        self.stack.switch(self, on=False)

    def on(self) -> None:
        """Let requests go through it again."""
        self.stack.switch(self, on=True)

    def whose(self) -> str:
        """The layer in words: its owner and its name."""
        return f"{self.owner}'s {self.name!r}"

    def __str__(self) -> str:
        return self.answer or f"{self.name} · {self.owner} · {self.place}"

    def __repr__(self) -> str:
        return f"<MiddlewareLayer {self.name} · {self.owner} · {self.state}>"


class Stack(ABC):
    """The live stack that a middleware belongs to.

    Attributes:
        path: what it is, in words.
    """

    path: str

    @abstractmethod
    def state_of(self, layer: MiddlewareLayer) -> State:
        """The state of a layer of this stack."""

    @abstractmethod
    def declares_layer(self, layer: MiddlewareLayer) -> bool:
        """Whether the app's own list of middleware has a layer."""

    @abstractmethod
    def remove(self, layer: MiddlewareLayer) -> AnswerLine:
        """Take a middleware out of the running app."""

    @abstractmethod
    def switch(self, layer: MiddlewareLayer, *, on: bool) -> None:
        """Let requests pass a layer by, or go through it again."""


class KnownLayers:
    """The layers of a stack by what they stand for: the middleware, or what declares it.

    It keeps none of them: a layer is known for as long as it is placed, can come back by an undo or
    a redo, or the user holds it. What a layer stands for lives as long as the layer, so that no
    other object gets its ``id()``.
    """

    def __init__(self) -> None:
        self._by_id: weakref.WeakValueDictionary[int, MiddlewareLayer] = (
            weakref.WeakValueDictionary()
        )

    def of(self, thing: Any) -> MiddlewareLayer | None:
        """The layer that stands for a thing; None where none is known."""
        layer = self._by_id.get(id(thing))
        is_its = layer is not None and any(
            thing is known for known in (layer.instance, layer.cls, layer.spec)
        )
        return layer if is_its else None

    def know(self, layer: MiddlewareLayer, thing: Any) -> None:
        """Let a layer stand for a thing that it holds."""
        self._by_id[id(thing)] = layer

    def give_instance(self, layer: MiddlewareLayer, instance: Any) -> None:
        """Let a layer stand for another middleware than before."""
        if self.of(layer.instance) is layer:
            del self._by_id[id(layer.instance)]
        layer.instance = instance
        self.know(layer, instance)


MiddlewarePlacement = Placement[MiddlewareLayer, None]
Placements = tuple[MiddlewarePlacement, ...]
