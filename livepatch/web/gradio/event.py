"""One event of a running Gradio page, and what it asks of the events around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from livepatch.engine.reading.sources import place
from livepatch.looking.callables import owner_of, undecorated
from livepatch.web.operations import OperationLayer

from .functions import describe, streams

if TYPE_CHECKING:
    from collections.abc import Iterable

    from livepatch.web.operations import OperationPlacement

    from .list import EventLayer, EventList


@dataclass(frozen=True, eq=False)
class LiveEvent:
    """One event of a running page, as it is at this moment.

    Attributes:
        table: the events it was found among.
        index: the number that clients call it by (``fn_index``).
        event: Gradio's own object.
    """

    table: EventTable
    index: int
    event: Any

    @property
    def api_name(self) -> str | None:
        """The name that clients call it by, as ``/predict``; None: it has none."""
        name = getattr(self.event, "api_name", None)
        if name is None:
            name = self._entry.get("api_name")
        return f"/{name}" if isinstance(name, str) and name not in ("", "false") else None

    @property
    def label(self) -> str:
        """How it is named here: its API name, else ``event 3``."""
        return self.api_name or f"event {self.index}"

    @property
    def targets(self) -> tuple[str, ...]:
        """What triggers it: ``button 'Go'.click``."""
        return tuple(self._trigger(*target) for target in self._triggers())

    @property
    def inputs(self) -> tuple[str, ...]:
        """The components that it reads, in words."""
        return tuple(describe(block) for block in self.event.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The components that it changes, in words."""
        return tuple(describe(block) for block in self.event.outputs)

    @property
    def function(self) -> Any:
        """The function that it runs; None: it runs in the browser only. Of a muted one, which."""
        events = self.table.events
        if events.is_foreign(self.event):
            return self.event.fn
        replaced = [o for o in self._operations if o.on and o.layer.verb == "replace"]
        return replaced[-1].patch.new if replaced else events.own_function(self.event)

    @property
    def streams(self) -> bool:
        """Whether its function is a generator, whose values clients get one after the other."""
        return streams(self.function)

    @property
    def muted(self) -> bool:
        """Whether it does nothing at present."""
        return any(o.on and o.layer.verb == "mute" for o in self._operations)

    @cached_property
    def place(self) -> str:
        """``file:line`` of the function."""
        return "" if self.function is None else place(undecorated(self.function))

    @cached_property
    def owner(self) -> str:
        """Whose function it is: ours, an extension's, a package's or the webui's."""
        replaced = [o for o in self._operations if o.on and o.layer.verb == "replace"]
        if replaced:
            return replaced[-1].layer.owner
        return "webui" if self.function is None else owner_of(undecorated(self.function))

    @property
    def layers(self) -> tuple[OperationLayer, ...]:
        """What livepatch did to it."""
        return tuple(operation.layer for operation in self._operations)

    def replace(self, function: Any) -> EventLayer:
        """Let it run another function. See :meth:`Events.replace`."""
        return self.table.replace(self, function)

    def mute(self) -> EventLayer:
        """Let it do nothing. See :meth:`Events.mute`."""
        return self.table.mute(self)

    def unmute(self) -> EventLayer:
        """Let a muted event run again. See :meth:`Events.unmute`."""
        return self.table.unmute(self)

    def is_meant_by(self, reference: Any) -> bool:
        """Whether someone who gives this means it."""
        if isinstance(reference, str):
            return reference in (self.label, (self.api_name or "")[1:] or self.label, *self.targets)
        if isinstance(reference, LiveEvent):
            return reference.event is self.event
        if isinstance(reference, OperationLayer):
            return any(o.layer is reference for o in self._operations)
        return callable(reference) and bool(reference == self.function)

    def matches(self, pattern: str) -> bool:
        """Whether its name, its trigger or its function contains something."""
        name = str(getattr(self.function, "__qualname__", ""))
        return any(pattern.lower() in word.lower() for word in (self.label, *self.targets, name))

    @property
    def _operations(self) -> list[OperationPlacement]:
        return [o for o in self.table.events.plan if o.patch.slot is self.event]

    @property
    def _entry(self) -> dict[str, Any]:
        """What the page says of it: before Gradio 4.30 the event itself knew less."""
        told = getattr(self.table.events.blocks, "dependencies", None)
        known = isinstance(told, list) and self.index < len(told)
        return cast("dict[str, Any]", told[self.index]) if told and known else {}

    def _triggers(self) -> Iterable[tuple[int | None, str]]:
        """The component of each trigger, by its number, and what happens to it."""
        targets = getattr(self.event, "targets", None)
        if targets is not None:
            return cast("Iterable[tuple[int | None, str]]", targets)
        told = self._entry.get("targets", ())
        if "trigger" not in self._entry:
            return cast("Iterable[tuple[int | None, str]]", told)
        # Before Gradio 4: one trigger of all of its components, or of none.
        return [(number, self._entry["trigger"]) for number in told or (None,)]

    def _trigger(self, number: int | None, name: str) -> str:
        block = self.table.events.blocks.blocks.get(number)
        return name if block is None else f"{describe(block)}.{name}"

    def __str__(self) -> str:
        return f"{self.label} · {', '.join(self.targets)} · {self.owner} · {self.place}"

    def __repr__(self) -> str:
        return f"<LiveEvent {self.label} · {self.owner}>"


class EventTable(ABC):
    """The events of a page, which change one of them.

    Attributes:
        events: the page's events and what was done to them.
    """

    events: EventList

    @abstractmethod
    def replace(self, event: LiveEvent, function: Any) -> EventLayer:
        """Let an event run another function."""

    @abstractmethod
    def mute(self, event: LiveEvent) -> EventLayer:
        """Let an event do nothing."""

    @abstractmethod
    def unmute(self, event: LiveEvent) -> EventLayer:
        """Let a muted event run again."""
