"""Times the functions of a Gradio page's events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import owner_of, undecorated
from livepatch.measure import Meter, Part, timed

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .event import LiveEvent
    from .events import Events

GROUP = "events"


class EventMeter(Meter):
    """Times what events run: without the queue, and without what Gradio does around it.

    A plain function runs on a thread of its own, where it does not keep the event loop busy; of a
    stream the time between two values is Gradio's.
    """

    def __init__(self, table: Events) -> None:
        super().__init__(GROUP, table.path)
        self.table = table

    def switch(self, *, on: bool) -> None:
        """Put timed functions into the events, or the plain ones."""
        self.table.events.measure_by(self.timed if on else None)

    def parts(self) -> list[tuple[Hashable, Part]]:
        """The events that run something in this process."""
        return [
            (id(event.event), _part(event)) for event in self.table if event.function is not None
        ]

    def timed(self, event: Any, function: Any) -> Any:
        """A function of an event that notes how long it takes."""

        def make() -> Part:
            code = undecorated(function)
            label = next((live.label for live in self.table if live.event is event), "event")
            return Part(GROUP, label, owner_of(code), place(code))

        return timed(function, self, id(event), make)


def meter_of_events(table: Events) -> Meter:
    """The meter of a page's events; the same object for the same page."""
    events = table.events
    with registry.lock:
        if events.meter is None:
            events.meter = EventMeter(table)
        return events.meter


def _part(event: LiveEvent) -> Part:
    return Part(GROUP, event.label, event.owner, event.place)
