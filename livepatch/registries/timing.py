"""Times what a webui calls at its events and hooks, and sums it up by extension."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from livepatch.engine import LivepatchError
from livepatch.measure import Meter, Part, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from livepatch.measure.parts import Recording
    from livepatch.measure.span import Span

    from .registration import Point, Registration

EXTENSIONS = "extensions"
EARLY = 0.1
"""ms: a call that takes longer has not made an early exit."""

# Callbacks are called within hooks: what one takes is not the other's self time.
_inside: ContextVar[Span | None] = ContextVar("livepatch.called", default=None)


class CalledPart(Part):
    """A callback, a hook or an extension; says so when it works although it is switched off."""

    meter: CallMeter
    of_extension: Part | None = None
    _owner: str

    @property
    def owner(self) -> str:
        """Whose it is; and that it works while it is off, by what that is told."""
        reason = self.meter.off_now.get(self._owner)
        if reason is None or not self.calls or self.p95 < EARLY:
            return self._owner
        return f"{self._owner}: {reason}, but it still runs"

    @owner.setter
    def owner(self, owner: str) -> None:
        self._owner = owner


class CallMeter(Meter):
    """Times the callbacks, or the hooks, of a webui.

    Args:
        group: ``"callbacks"`` or ``"hooks"``.
        points: answers the events or hooks that there are.
        off: answers which owners are switched off, and by what that is told.
    """

    def __init__(
        self,
        group: str,
        points: Callable[[], Sequence[Point]],
        off: Callable[[], Mapping[str, str]],
    ) -> None:
        super().__init__(group, group)
        self.inside = _inside
        self.points = points
        self.off = off
        self.off_now: Mapping[str, str] = {}
        self.measured: list[Point] = []

    def switch(self, *, on: bool) -> None:
        """Put timed callables into the webui's data, or its own."""
        if on:
            self.measured = list(self.points())
        for point in self.measured:
            point.measure_by(self.timed if on else None)
        if not on:
            self.measured = []

    def parts(self) -> list[tuple[Hashable, Part]]:
        """What is registered, event by event, in the order of the calls."""
        try:
            self.off_now = self.off()
            points = self.measured or self.points()
        except LivepatchError:  # the webui that was timed is gone, or loads its registries anew
            return []
        return [(id(r), self.part(r)) for point in points for r in point if not point.folded]

    def part(self, registration: Registration) -> Part:
        """The part of a callback or hook."""
        name = f"{registration.event}/{registration.name}"
        return self._made(self.group, name, registration.owner, registration.place)

    def timed(self, registration: Registration, function: Any) -> Any:
        """A function of a registration that notes how long its calls take."""
        key = id(registration), registration.owner
        return timed(function, self, key, lambda: self.part(registration))

    def close(self, span: Span, key: Any, make: Callable[[], Part]) -> None:
        """A call has ended: it counts for itself and for its extension."""
        own, busy = span.end(self.clock())
        number, owner = key
        for recording in span.recordings:
            part: Any = recording.part(number, make)
            if part.of_extension is None:
                whole = recording.part((EXTENSIONS, owner), lambda: self._extension(owner))
                part.of_extension = whole
            part.add(own, busy)
            part.of_extension.add(own, busy)

    def _extension(self, owner: str) -> Part:
        return self._made(EXTENSIONS, owner.removeprefix("extension "), owner, "")

    def _made(self, group: str, name: str, owner: str, place: str) -> Part:
        part = CalledPart(group, name, owner, place)
        part.meter = self
        return part


class ExtensionMeter(Meter):
    """Gives the sums by extension their place behind callbacks and hooks; it times nothing."""

    def __init__(self) -> None:
        super().__init__(EXTENSIONS, "extensions")
        self.latest: Recording | None = None

    def begin(self, recording: Recording) -> None:
        """Remember the recording, for the run times in the list of extensions."""
        self.latest = recording
        super().begin(recording)

    def run_times(self) -> dict[str, float]:
        """What extensions took in the latest recording, in ms, by their names."""
        parts = () if self.latest is None else tuple(self.latest.parts.values())
        return {part.name: part.total for part in parts if part.group == EXTENSIONS}

    def switch(self, *, on: bool) -> None:
        """Nothing: the others note what extensions take."""

    def parts(self) -> list[tuple[Hashable, Part]]:
        """None of its own: an extension appears when something of it was called."""
        return []
