"""The time of one call, and what of it is its own."""

from __future__ import annotations

import inspect
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from threading import local

    from .parts import Recording


class Span:
    """One call.

    Attributes:
        recordings: who wants to know of it.
        outer: the call that it is a part of.
        inner: the seconds of the calls that are a part of it.
        away: seconds that it spent with those who called it, such as in ``send``.
        busy: seconds that it kept its thread's event loop busy, its parts included.
        inner_busy: those of its parts.
    """

    __slots__ = ("away", "begun", "busy", "inner", "inner_busy", "outer", "recordings")

    def __init__(
        self, begun: float, recordings: tuple[Recording, ...] = (), outer: Span | None = None
    ) -> None:
        self.begun = begun
        self.recordings = recordings
        self.outer = outer
        self.inner = self.away = self.busy = self.inner_busy = 0.0

    def end(self, now: float) -> tuple[float, float]:
        """Its own seconds and its own loop-busy seconds; the outer call learns of it."""
        whole = now - self.begun - self.away
        if self.outer is not None:
            self.outer.inner += whole
        # What ran in several tasks at once may have been taken off twice.
        own = max(whole - self.inner, 0.0)
        return own, min(max(self.busy - self.inner_busy, 0.0), own)


class Steps:
    """Times the steps of coroutines on their threads: between two steps a coroutine sleeps.

    Args:
        running: where a thread keeps the span that it works for.
        clock: tells the time, in seconds.
    """

    def __init__(self, running: local, clock: Callable[[], float]) -> None:
        self.running = running
        self.clock = clock

    def begin(self, span: Span | None) -> tuple[Span | None, float]:
        """This thread works for a span from now on; what :meth:`end` needs."""
        before = getattr(self.running, "span", None)
        self.running.span = span
        return before, self.clock()

    def end(self, span: Span | None, begun: tuple[Span | None, float]) -> None:
        """This thread works again for whom it worked before."""
        before, since = begun
        took = self.clock() - since
        self.running.span = before
        if span is not None:
            span.busy += took
        if before is not None:
            before.inner_busy += took

    @types.coroutine
    def drive(self, awaitable: Awaitable[Any], span: Span | None) -> Generator[Any, Any, Any]:
        """Await a coroutine, or something else that can be awaited; its steps are a span's."""
        coroutine = awaitable if inspect.iscoroutine(awaitable) else _awaiting(awaitable)
        step: Callable[[Any], Any] = coroutine.send
        given: Any = None
        running, clock = self.running, self.clock
        while True:
            # begin() and end() written out: every middleware of a request passes here, often.
            before = getattr(running, "span", None)
            running.span = span
            since = clock()
            try:
                waits_for = step(given)
            except StopIteration as done:
                return done.value
            finally:
                took = clock() - since
                running.span = before
                if span is not None:
                    span.busy += took
                if before is not None:
                    before.inner_busy += took
            try:
                given = yield waits_for
                step = coroutine.send
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                # Cancelled, for instance: the coroutine's own business.
                step, given = coroutine.throw, error


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
