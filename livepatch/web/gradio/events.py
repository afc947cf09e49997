"""The events of a running Gradio page: what users look at and change."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

from livepatch.engine import ForeignChange, PatchRefused, TargetNotFound
from livepatch.engine.answers import answer, counted
from livepatch.engine.changing.registry import registry
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import caller, undecorated
from livepatch.web.operations import Operation, OperationLayer, OperationPlacement, when_seen

from .event import EventTable, LiveEvent
from .functions import check_function, streams
from .list import EventLayer, EventList
from .report import events_table

if TYPE_CHECKING:
    from livepatch.reports import Report

Reference = Any  # an event, its API name, its function, or its position


class Events(EventTable, Sequence[LiveEvent]):
    """The events of a running Gradio page: a sequence that shows as a table.

    Get it by ``lp.events()``. It is indexed by position, by API name (``"/predict"``), by trigger
    or by function. A change is seen by the calls that come after it, of open pages too; those under
    way, streams included, finish on the function they began with.

    Attributes:
        path: whose events, in words.
    """

    def __init__(self, events: EventList) -> None:
        self.events = events
        self.path = events.path

    def replace(self, event: Reference, function: Any) -> EventLayer:
        """Let an event run another function: plain, async, or a generator.

        Args:
            event: the event, its API name, its trigger, its function or its position.
            function: takes as many inputs and answers as many outputs; what Gradio gives by
                annotation (``gr.Request``, ``gr.EventData``) or default (``gr.Progress()``) comes
                on top.

        Returns:
            The layer; the same owner's earlier replacement of this event is replaced in its place.

        Raises:
            PatchRefused: the function does not fit; nothing has changed.
            TargetNotFound: there is no such event.
            ForeignChange: someone else gave the event another function since.
        """
        begun = time.perf_counter()
        asked = f"replace {_shown(event)} by {_shown(function)} in {self.path}"
        with registry.lock:
            found = self._changeable(asked, event)
            check_function(asked, function, found.event, has_queue=self.events.has_queue)
            layer = self._put("replace", found, function, _shown(function))
            kind = ["streams"] if streams(function) else []
            muted = ["it stays muted"] if found.muted else []
            self._tell(layer, f"replaced {found.label} in {self.path}", begun, *kind, *muted)
            return layer

    def mute(self, event: Reference) -> EventLayer:
        """Let an event do nothing: its calls answer at once and change no output.

        Args:
            event: the event, its API name, its trigger, its function or its position.

        Returns:
            The layer; ``layer.remove()`` lets the event run again.

        Raises:
            PatchRefused: the event cannot be changed.
            TargetNotFound: there is no such event.
            ForeignChange: someone else gave the event another function since.
        """
        begun = time.perf_counter()
        asked = f"mute {_shown(event)} in {self.path}"
        with registry.lock:
            found = self._changeable(asked, event)
            layer = self._put("mute", found, None, "")
            self._tell(layer, f"muted {found.label} in {self.path}", begun)
            return layer

    def unmute(self, event: Reference) -> EventLayer:
        """Let a muted event run again, whoever muted it.

        Args:
            event: the event, its API name, its trigger, its function or its position.

        Returns:
            The layer that was taken back.

        Raises:
            TargetNotFound: there is no such event, or it is not muted.
        """
        begun = time.perf_counter()
        asked = f"unmute {_shown(event)} in {self.path}"
        with registry.lock:
            found = self._find(asked, event)
            muted = self.events.mutes_of(found.event)
            if not muted:
                raise TargetNotFound(asked, f"{found.label} is not muted", "look at %events")
            rest = tuple(o for o in self.events.plan if o not in muted)
            layer = cast("EventLayer", muted[-1].layer)
            call = f"lp.events().unmute({found.label!r})"
            self.events.apply("unmute", layer, rest, call)
            self._tell(layer, f"unmuted {found.label} in {self.path}", begun)
            return layer

    def report(self, pattern: str = "") -> Report[LiveEvent]:
        """The events as a table.

        Args:
            pattern: a part of a name, trigger or function, to show only such events.
        """
        return events_table(self.path, [e for e in self._all() if e.matches(pattern)])

    def _put(self, verb: str, found: LiveEvent, function: Any, shown: str) -> EventLayer:
        events, owner = self.events, caller()
        old = events.earlier(found.event, owner, verb)
        layer = EventLayer(
            events, f"event {found.label}".replace("event event", "event"), owner, verb
        )
        layer = cast("EventLayer", old.layer) if old else layer
        layer.function = function
        operation = OperationPlacement(layer, Operation(found.event, function))
        plan = tuple(operation if o is old else o for o in events.plan)
        plan = plan if old else (*plan, operation)
        arguments = ", ".join([repr(found.label), *([shown] if shown else [])])
        events.apply(verb, layer, plan, f"lp.events().{verb}({arguments})")
        return layer

    @staticmethod
    def _tell(layer: EventLayer, done: str, begun: float, *facts: str) -> None:
        took = f"{(time.perf_counter() - begun) * 1000:.2f} ms"
        layer.answer = answer(done, f"{layer.owner}'s", *facts, *when_seen(), took)

    def _changeable(self, asked: str, reference: Reference) -> LiveEvent:
        found = self._find(asked, reference)
        if found.event.fn is None:
            raise PatchRefused(
                asked,
                f"{found.label} runs in the browser only, as the page declares it",
                "its script belongs to the page; %events lists the other events",
            )
        if getattr(found.event, "renderable", None) is not None:
            drawn = found.event.renderable.fn
            raise PatchRefused(
                asked,
                f"{found.label} renders a part of the page (gr.render, "
                f"{place(undecorated(drawn))})",
                f"lp.replace({f'{drawn.__module__}.{drawn.__qualname__}'!r}, …) reaches it",
            )
        if self.events.is_foreign(found.event):
            raise ForeignChange(
                asked,
                f"someone else has given {found.label} another function: "
                f"{_shown(found.event.fn)} ({place(undecorated(found.event.fn))})",
                "lp.restore_all() drops livepatch's change and leaves that one alone",
            )
        return found

    def _find(self, asked: str, reference: Reference) -> LiveEvent:
        events = self._all()
        if isinstance(reference, int) and not isinstance(reference, bool):
            if -len(events) <= reference < len(events):
                return events[reference]
            found = f"it has {counted(len(events), 'event')}, counted from 0"
            raise TargetNotFound(asked, found, "look at %events")
        meant = [event for event in events if event.is_meant_by(reference)]
        if len(meant) == 1:
            return meant[0]
        if meant:
            labels = ", ".join(f"{e.label} ({', '.join(e.targets)})" for e in meant)
            advice = f"say which: lp.events()[{meant[0].index}]"
            raise TargetNotFound(asked, f"{len(meant)} events match: {labels}", advice)
        if isinstance(reference, (LiveEvent, OperationLayer)):
            found = f"{_shown(reference)} is not on the page any more: the page was rebuilt"
            raise TargetNotFound(asked, found, "look at %events")
        names = [event.label for event in events]
        near = difflib.get_close_matches(f"/{str(reference).lstrip('/')}", names, 3, 0.5)
        found = f"the page has no event {_shown(reference)}"
        found += f"; near: {', '.join(near)}" if near else f" among {len(events)}"
        raise TargetNotFound(asked, found, "look at %events")

    @overload
    def __getitem__(self, index: int | str) -> LiveEvent: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LiveEvent]: ...
    def __getitem__(self, index: int | slice | str) -> LiveEvent | Sequence[LiveEvent]:
        if isinstance(index, (int, slice)):
            return self._all()[index]  # an IndexError, as of any sequence: iteration relies on it
        return self._find(f"look up {_shown(index)} in {self.path}", index)

    def __contains__(self, reference: object) -> bool:
        return any(event.is_meant_by(reference) for event in self._all())

    def __len__(self) -> int:
        return len(self.events.events())

    def __iter__(self) -> Iterator[LiveEvent]:
        return iter(self._all())

    def _all(self) -> list[LiveEvent]:
        return [LiveEvent(self, index, event) for index, event in self.events.events().items()]

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


def _shown(thing: Any) -> str:
    if isinstance(thing, LiveEvent):
        return thing.label
    if isinstance(thing, OperationLayer):
        return thing.target
    if isinstance(thing, (str, int)):
        return str(thing)
    return str(getattr(thing, "__qualname__", None) or type(thing).__qualname__)
