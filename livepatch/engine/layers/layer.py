"""Layers: one change each, known by what it is about, its owner and its name.

A layer lies on one stack, the one over its target's function; that of a class lies on the stacks of
all the methods that it changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..answers import answer
from ..changing.change import apply
from ..changing.registry import registry
from ..errors import PatchRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from .guard import Failure, Guard
    from .stacks import Stack

State = Literal["active", "off", "pending", "stale", "removed"]


@dataclass(eq=False)  # not frozen: that makes making one three times as long
class Patch:
    """What a layer puts in a target's place; nothing of it changes once it is laid.

    Attributes:
        function: what calls shall run; of a plain value, the value.
        text: its source text, or what finds it when it is asked for first, where it can be had.
        facts: what the answer line has to say of it.
        handle: the ``original`` that it gets as first argument, where it wants one: a function
            whose code leads to the layer below.
        describes: whether the target takes over its doc, annotations and signature; what only
            wraps keeps those of the layer below.
        guard: records its failures, where it is guarded.
        given: what the user gave: a text, a callable, a class or a value.
        namespace: the names of the place where it was written.
        order: counts the patches of the process, as they were made.
    """

    function: Any  # a FunctionType, or any value
    text: str | Callable[[], str | None] | None = None
    facts: tuple[str, ...] = ()
    handle: Any = None  # a FunctionType; mypy takes an optional one for a descriptor
    describes: bool = True
    guard: Guard | None = None
    given: Any = None
    namespace: dict[str, Any] | None = field(default=None, repr=False)
    order: int = 0

    @property
    def source(self) -> str | None:
        """Its source text, as it stood when it was asked for first: files change, it does not."""
        if callable(self.text):
            self.text = self.text()
        return self.text


class Placement(NamedTuple):
    """A layer's place in a stack: what it does there, and whether it is switched on."""

    layer: Layer
    patch: Patch
    on: bool = True


Placements = tuple[Placement, ...]


@dataclass(eq=False)
class Layer:
    """One change on one target.

    ``str(layer)`` is the answer line of the verb that changed it last.

    Attributes:
        about: the class whose methods it changes; None: one function or value.
        target: the target's dotted name.
        owner: who put it there: the notebook, a watched file, an extension, a module.
        name: tells the layers of one owner on one target apart.
        verb: the verb that made it.
        answer: the answer line.
    """

    about: type | None
    target: str
    owner: str
    name: str
    verb: str
    answer: str = field(default="", repr=False)

    @property
    def stacks(self) -> list[Stack]:
        """The stacks that it lies on now; none once it was removed."""
        return [s for s in registry.patched.copy().values() if s.placement_of(self) is not None]

    @property
    def placement(self) -> Placement | None:
        """Its place in its stack (of a class, in one of them), None once it was removed."""
        placements = (stack.placement_of(self) for stack in registry.patched.copy().values())
        return next((placement for placement in placements if placement is not None), None)

    @property
    def state(self) -> State:
        """``active``, ``off``, ``pending``, ``stale`` or ``removed``.

        A layer is stale when calls of its target do not reach it by now: the module was loaded
        again, the name was given to something else, or someone exchanged the function's code.
        """
        if self in registry.pending:
            return "pending"
        placement = self.placement
        if placement is None:
            return "removed"
        if not placement.on:
            return "off"
        return "active" if all(stack.is_reached() for stack in self.stacks) else "stale"

    @property
    def source(self) -> str | None:
        """The text of its new code, where it can be had."""
        placement = self.placement
        return placement.patch.source if placement else None

    @property
    def failures(self) -> list[Failure]:
        """What its guarded code raised lately, oldest first; see ``guard=True``."""
        placement = self.placement
        guard = placement.patch.guard if placement else None
        return list(guard.failures) if guard else []

    def remove(self) -> None:
        """Take this layer away; the others stay. A layer that is gone already stays gone.

        One that waits for a safe point waits no longer.
        """
        with registry.lock:
            if self._pending is not None:
                self._pending.cancel()
            elif stacks := self.stacks:
                apply(*[stack.without(self) for stack in stacks])
                self.answer = answer(f"removed {self.target}", self.whose())

    def off(self) -> None:
        """Switch this layer off without losing it."""
        self._set(on=False)

    def on(self) -> None:
        """Switch this layer on again; one that waits for a safe point is put there now."""
        self._set(on=True)

    def _set(self, *, on: bool) -> None:
        verb = "switch on" if on else "switch off"
        with registry.lock:
            pending = self._pending
            if pending is not None:
                pending.force() if on else pending.cancel()
                return
            placement = self.placement
            if placement is None:
                raise PatchRefused(
                    f"{verb} {self.target}",
                    f"this layer ({self.owner}'s {self.name!r}) was removed",
                    "lp.undo() brings a removed layer back",
                )
            if on and placement.patch.guard is not None:
                placement.patch.guard.count = 0
            if placement.on is not on:
                apply(*(stack.switched(self, on=on) for stack in self.stacks))
            self.answer = answer(f"switched {'on' if on else 'off'} {self.target}", self.whose())

    @property
    def _pending(self) -> Any:
        return registry.pending.get(self)

    def whose(self) -> str:
        """The layer in words: its owner and its name."""
        return f"{self.owner}'s {self.name!r}"

    def __str__(self) -> str:
        return self.answer

    def __repr__(self) -> str:
        return f"<Layer {self.target} · {self.owner} · {self.name} · {self.state}>"


def is_on(layer: Any, path: str) -> bool:
    """Whether a layer lies on the target of this name; of middleware and the like, is named so."""
    stacks = layer.stacks if isinstance(layer, Layer) else ()
    return path == layer.target or any(stack.path == path for stack in stacks)
