"""The time of one call, and what of it is its own."""

from __future__ import annotations

import inspect
import threading
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

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
        # What ran in several tasks at once may have been taken off twice. Not by max() and min(),
        # which take as long as all the rest: every middleware of a request comes here.
        own = whole - self.inner
        if own < 0.0:
            own = 0.0
        busy = self.busy - self.inner_busy
        return own, 0.0 if busy < 0.0 else own if busy > own else busy


class Worker:
    """A thread that works for a span, or for none."""

    __slots__ = ("span",)

    def __init__(self) -> None:
        self.span: Span | None = None


class Running(threading.local):
    """The worker that this thread is."""

    def __init__(self) -> None:
        self.worker = Worker()


NOT_BEGUN: Any = object()


class Steps:
    """Times the steps of coroutines on their threads: between two steps a coroutine sleeps.

    Args:
        clock: tells the time, in seconds.

    Attributes:
        running: where a thread keeps the span that it works for.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.running = Running()
        self.clock = clock

    def begin(self, span: Span | None) -> tuple[Span | None, float]:
        """This thread works for a span from now on; what :meth:`end` needs."""
        worker = self.running.worker
        before, worker.span = worker.span, span
        return before, self.clock()

    def end(self, span: Span | None, begun: tuple[Span | None, float]) -> None:
        """This thread works again for whom it worked before."""
        before, since = begun
        took = self.clock() - since
        self.running.worker.span = before
        if span is not None:
            span.busy += took
        if before is not None:
            before.inner_busy += took

    @types.coroutine
    def drive(
        self, awaitable: Awaitable[Any], span: Span | None, waits_for: Any = NOT_BEGUN
    ) -> Generator[Any, Any, Any]:
        """Await a coroutine, or something else that can be awaited; its steps are a span's.

        Args:
            awaitable: what is awaited.
            span: whose steps they are.
            waits_for: what the coroutine waits for, where its first step has been made.
        """
        coroutine = as_coroutine(awaitable)
        step: Callable[[Any], Any] = coroutine.send
        given: Any = None
        worker, clock = self.running.worker, self.clock
        while True:
            if waits_for is not NOT_BEGUN:
                try:
                    given = yield waits_for
                    step = coroutine.send
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:
                    # Cancelled, for instance: the coroutine's own business.
                    step, given = coroutine.throw, error
            # begin() and end() written out: every middleware of a request passes here, often.
            before = worker.span
            worker.span = span
            since = clock()
            try:
                waits_for = step(given)
            except StopIteration as done:
                return done.value
            finally:
                took = clock() - since
                worker.span = before
                if span is not None:
                    span.busy += took
                if before is not None:
                    before.inner_busy += took


def as_coroutine(awaitable: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
    """The same as a coroutine, whose steps can be made one by one."""
    return awaitable if inspect.iscoroutine(awaitable) else _awaiting(awaitable)


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
