"""A recording of self times: what ``lp.timing()`` answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from livepatch.engine import TargetNotFound
from livepatch.engine.changing.registry import registry
from livepatch.reports.report import Report

from .parts import Recording
from .report import timing_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from .meter import Meter
    from .part import Part

_running: list[Timing] = []


class Timing(Report["Part"]):
    """Where the time goes, while it records: a report of the parts of some meters.

    Use it in ``with``, or call :meth:`start` and :meth:`stop`. It can be looked at while it
    records, and afterwards; a part is had by its position or its name.

    Args:
        title: what is timed.
        meters: what times it.
        empty: what to say when there is nothing to time.
    """

    def __init__(self, title: str, meters: Sequence[Meter], empty: str = "no call yet") -> None:
        self.meters = tuple(meters)
        self.empty = empty
        self._what = title
        self._recording = Recording()
        self._begun: float | None = None
        self._recorded = 0.0

    @property
    def title(self) -> str:  # type: ignore[override]
        """What is timed, and for how long."""
        state = "recording" if self.is_recording else "recorded"
        return f"{self._what} · {state} for {self.seconds:.1f} s"

    @property
    def is_recording(self) -> bool:
        """Whether calls are timed at present."""
        return self._begun is not None

    @property
    def seconds(self) -> float:
        """How long it has recorded."""
        running = 0.0 if self._begun is None else time.perf_counter() - self._begun
        return self._recorded + running

    def start(self) -> Timing:
        """Time the calls from now on, on top of what was recorded before."""
        with registry.lock:
            if self._begun is None:
                begun: list[Meter] = []
                try:
                    for meter in self.meters:
                        meter.begin(self._recording)
                        begun.append(meter)
                except BaseException:
                    for meter in begun:
                        meter.end(self._recording)
                    raise
                _running.append(self)
                self._begun = time.perf_counter()
        return self

    def stop(self) -> Timing:
        """Time no longer; what is not timed by anyone costs nothing again."""
        with registry.lock:
            if self._begun is not None:
                self._recorded, self._begun = self.seconds, None
                _running.remove(self)
                for meter in self.meters:
                    meter.end(self._recording)
        return self

    def __enter__(self) -> Timing:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def items(self) -> tuple[Part, ...]:  # type: ignore[override]
        """The parts, group by group, in the order of the webui; those not called too."""
        with registry.lock:
            there = [found for meter in self.meters for found in meter.parts()]
        noted = self._recording.parts
        parts = [noted.get(key, part) for key, part in there]
        known = {id(part) for part in parts}
        parts += [part for part in tuple(noted.values()) if id(part) not in known]
        groups = list(dict.fromkeys(meter.group for meter in self.meters))
        return tuple(sorted(parts, key=lambda part: groups.index(part.group)))

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str):
            return self.items[index]
        named = [part for part in self.items if part.name == index]
        if not named:
            names = ", ".join(dict.fromkeys(part.name for part in self.items if part.calls))
            raise TargetNotFound(
                f"look up the time of {index!r}",
                f"timed so far: {names or 'no calls'}",
                "print(t) shows all of it",
            )
        return max(named, key=lambda part: part.calls)

    def __len__(self) -> int:
        return len(self.items)

    def report(self) -> Report[Part]:
        """The figures as they are now."""
        return timing_report(self.title, self.items, self.empty)

    def rows(self) -> list[list[str]]:
        """The cells as text, a list for each part."""
        return self.report().rows()

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


def end_every_timing() -> int:
    """Stop every recording of this process; how many there were.

    Example:
        >>> end_every_timing()
        0
    """
    running = tuple(_running)
    for timing in running:
        timing.stop()
    return len(running)
