"""Something of the webui whose calls can be timed."""

from __future__ import annotations

import contextlib
import logging
import time
from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING

from livepatch.engine.changing.registry import registry

from .span import Span, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from .part import Part
    from .parts import Recording


log = logging.getLogger("livepatch")
# The call is the webui's: that it cannot be noted is told, and nothing of its answer.
NOT_NOTED = "livepatch: a call was not recorded"


class Meter(ABC):
    """Times the calls of a stack, of a page's events, of a registry, while a recording wants it.

    A subclass puts timed callables in place when it is switched on, and its own back when it is
    switched off; for a plain function :func:`~livepatch.measure.timed` makes such a callable.

    Args:
        group: what is timed together; of calls of one group within each other, the inner one's time
            is taken off that of the outer one.
        path: what is timed, in words.
        clock: tells the time, in seconds.
    """

    def __init__(
        self, group: str, path: str, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.group = group
        self.path = path
        self.clock = clock
        self.recordings: tuple[Recording, ...] = ()  # those who record now
        self.inside: ContextVar[Span | None] = ContextVar(f"livepatch.{group}", default=None)
        self.steps = Steps(clock)

    @abstractmethod
    def switch(self, *, on: bool) -> None:
        """Let the calls be timed from now on, or cost nothing again."""

    @abstractmethod
    def parts(self) -> Iterable[tuple[Hashable, Part]]:
        """What is there to be timed, by its key, in the order in which it is shown."""

    def begin(self, recording: Recording) -> None:
        """Time the calls for a recording."""
        with registry.lock:
            self.recordings += (recording,)
            if len(self.recordings) == 1:
                try:
                    self.switch(on=True)
                except BaseException:
                    self.recordings = ()
                    with contextlib.suppress(Exception):  # the one that is raised says why
                        self.switch(on=False)
                    raise

    def end(self, recording: Recording) -> None:
        """Time no longer for a recording."""
        with registry.lock:
            was_on = bool(self.recordings)
            self.recordings = tuple(r for r in self.recordings if r is not recording)
            if was_on and not self.recordings:
                self.switch(on=False)

    def open(self, outer: Span | None = None) -> Span:
        """A call begins: for those who record now.

        Args:
            outer: the call that it is a part of.
        """
        return Span(self.clock(), self.recordings, outer)

    def close(self, span: Span, key: Hashable, make: Callable[[], Part]) -> None:
        """A call has ended; who recorded as it began learns of it.

        Args:
            span: the call.
            key: what was called.
            make: makes the part for it, at its first call.
        """
        own, busy = span.end(self.clock())
        try:
            for recording in span.recordings:
                recording.part(key, make).add(own, busy)
        except Exception:
            log.exception(NOT_NOTED)
