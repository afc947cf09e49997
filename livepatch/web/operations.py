"""Changes of a thing of the webui, as a list of operations that each belong to a layer.

The webui's own state is the *base*. What requests see is the base with the operations that are on,
worked out again at every change and shown at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from livepatch.engine import PatchRefused
from livepatch.engine.answers import answer
from livepatch.engine.changing.change import apply, open_step
from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import Placement
from livepatch.engine.reading.sources import source_of

from .changes import WebChange

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable


@dataclass(eq=False)
class OperationLayer:
    """One change: what the verbs answer.

    ``str(layer)`` is the answer line of the verb that changed it last.

    Attributes:
        holder: what it is a change of.
        target: the thing in words, such as ``GET /path``.
        owner: whose change it is.
        verb: what it does.
        function: the function it brought; None where it brought none.
    """

    holder: OperationList
    target: str
    owner: str
    verb: str
    function: Any = None
    answer: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The verb: one owner has one change of a kind on a thing."""
        return self.verb

    @property
    def state(self) -> str:
        """``active``, ``off``, ``stale`` (what it is about is there no more) or ``removed``."""
        with registry.lock:
            operation = self.holder.operation_of(self)
            if operation is None:
                return "removed"
            if not operation.on:
                return "off"
            return "active" if self.holder.has_effect(operation) else "stale"

    @property
    def source(self) -> str | None:
        """The text of its function, where it can be had."""
        return source_of(self.function) if callable(self.function) else None

    def remove(self) -> None:
        """Take this change back; the others stay. One that is gone already stays gone."""
        with registry.lock:
            if self.holder.operation_of(self) is not None:
                rest = tuple(o for o in self.holder.plan if o.layer is not self)
                self.holder.apply("take back", self, rest)
                self.answer = answer(
                    f"took back: {self.verb} {self.target}", f"{self.owner}'s", *when_seen()
                )

    def off(self) -> None:
        """Leave this change out without losing it."""
        self._switch(on=False)

    def on(self) -> None:
        """Make this change true again."""
        self._switch(on=True)

    def _switch(self, *, on: bool) -> None:
        with registry.lock:
            operation = self.holder.operation_of(self)
            verb = "switch on" if on else "switch off"
            if operation is None:
                raise PatchRefused(
                    f"{verb} {self.verb} {self.target}",
                    f"this change ({self.whose()}) has been taken back",
                    "lp.undo() brings back the change that was taken back last",
                )
            if operation.on is not on:
                switched = operation.switched(on=on)
                plan = tuple(switched if o is operation else o for o in self.holder.plan)
                self.holder.apply(verb, self, plan)
            done = "switched on" if on else "switched off"
            self.answer = answer(
                f"{done}: {self.verb} {self.target}", f"{self.owner}'s", *when_seen()
            )

    def whose(self) -> str:
        """The change in words: its owner and what it does."""
        return f"{self.owner}'s {self.name!r}"

    def __str__(self) -> str:
        return self.answer or f"{self.verb} {self.target} · {self.owner}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.verb} {self.target} · {self.owner} · {self.state}>"


class Operation(NamedTuple):
    """What a layer does.

    Attributes:
        slot: what it is about, by identity.
        new: what it puts there.
        before: of a list, the slot that it puts something before; None: the end.
    """

    slot: Any
    new: Any = None
    before: Any = None


OperationPlacement = Placement[OperationLayer, Operation]
Operations = tuple[OperationPlacement, ...]


class OperationList(ABC):
    """Something of the webui with operations on it.

    Attributes:
        path: what it is, in words.
        plan: every operation that is true.
        published: the operations that requests see; behind the plan inside a transaction.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.plan: Operations = ()
        self.published: Operations = ()

    @abstractmethod
    def refresh(self) -> None:
        """Look at the webui as it is now: it changes on its own account too."""

    def look_again(self, _verb: str) -> None:
        """Look at the webui as it is now, for a change."""
        self.refresh()

    def is_published(self) -> bool:
        """Whether the webui still has what was published last: what it lost is its own affair."""
        return True

    @abstractmethod
    def publish(self, shown: Operations) -> None:
        """Let the requests that come from now on see these operations."""

    @abstractmethod
    def has_effect(self, operation: OperationPlacement) -> bool:
        """Whether the webui shows what the operation does."""

    def apply(
        self, verb: str, layer: OperationLayer, plan: Operations, call: str | None = None
    ) -> None:
        """Make a plan true, as one change.

        Args:
            verb: what is done, for the journal.
            layer: the layer that it is about.
            plan: the operations afterwards.
            call: the equivalent Python call.
        """
        apply(WebChange(self, plan, verb, layer, call))

    def operation_of(self, layer: OperationLayer) -> OperationPlacement | None:
        """What a layer does here; None once it was taken back."""
        return next((o for o in self.plan if o.layer is layer), None)

    def earlier(self, slot: Any, owner: str, verb: str) -> OperationPlacement | None:
        """The operation of an identity: on that slot, of that owner, of that verb."""
        identity = (owner, verb)
        on_it = (o for o in self.plan if o.patch.slot is slot)
        return next((o for o in on_it if (o.layer.owner, o.layer.verb) == identity), None)

    def own_layers(self) -> list[OperationLayer]:
        """Our layers, in the order they were made."""
        return [operation.layer for operation in self.plan]

    def way_back(self) -> WebChange:
        """The change that takes everything of ours back."""
        return WebChange(self, (), "restore", None)

    def take_plan(self, plan: Operations) -> None:
        """Take a plan as true; while there is one, everybody knows of it."""
        self.plan = plan
        if plan:
            registry.changed[id(self)] = self
        else:
            registry.changed.pop(id(self), None)


def renewed(
    before: Iterable[Any], now: Iterable[Any], known_by: Callable[[Any], Hashable]
) -> dict[int, Any]:
    """What stands for what, where the webui has made everything anew: by the former's identity.

    Args:
        before: the things of before.
        now: those of now.
        known_by: what a thing is known by; of several with the same the first stands for the first.

    Example:
        >>> a, b, c = "Old", "old", "new"
        >>> renewed([a, b], [c, "OLD"], str.lower) == {id(a): "OLD"}
        True
    """
    found: dict[Hashable, list[Any]] = {}
    for thing in now:
        found.setdefault(known_by(thing), []).append(thing)
    again: dict[int, Any] = {}
    for thing in before:
        candidates = found.get(known_by(thing))
        if candidates:
            again[id(thing)] = candidates.pop(0)
    return again


def when_seen() -> list[str]:
    """What an answer line has to say of when requests see a change."""
    return ["requests see it when the transaction ends"] if open_step() is not None else []
