"""The time of one call, and its self time."""

from __future__ import annotations

import inspect
import threading
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from .parts import Recording


class Call:
    """What a call has taken.

    It is made often, and made fast: without arguments, and what is 0 stands in the class.

    Attributes:
        begun: when it began.
        outer: the call that it is a part of.
        inner: the seconds of the calls that are a part of it.
        away: seconds that it spent with those who called it, such as in ``send``.
        busy: seconds that it kept its thread's event loop busy, its parts included.
        inner_busy: those of its parts.
    """

    begun: float
    outer: Call | None = None
    inner = away = busy = inner_busy = 0.0

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


class Span(Call):
    """A call, and who recorded as it began.

    Args:
        begun: when.
        recordings: who wants to know of it.
        outer: the call that it is a part of.
    """

    def __init__(
        self, begun: float, recordings: tuple[Recording, ...] = (), outer: Span | None = None
    ) -> None:
        self.begun = begun
        self.recordings = recordings
        self.outer = outer


class Run:
    """What one task does for a request, from where it comes to the first timed call.

    Attributes:
        rested: the seconds in which the task waited, up to its latest step.
    """

    __slots__ = ("rested",)

    def __init__(self) -> None:
        self.rested = 0.0


class Worker:
    """A thread that works for a span or a run, or for none."""

    __slots__ = ("run", "span")

    def __init__(self) -> None:
        self.span: Call | None = None
        self.run: Run | None = None


class Running(threading.local):
    """The worker that this thread is."""

    def __init__(self) -> None:
        self.worker = Worker()


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

    def begin(self, span: Call | None) -> tuple[Call | None, float]:
        """This thread works for a span from now on; what :meth:`end` needs."""
        worker = self.running.worker
        before, worker.span = worker.span, span
        return before, self.clock()

    def end(self, span: Call | None, begun: tuple[Call | None, float]) -> None:
        """This thread works again for whom it worked before."""
        before, since = begun
        took = self.clock() - since
        self.running.worker.span = before
        if span is not None:
            span.busy += took
        if before is not None:
            before.inner_busy += took

    @types.coroutine
    def drive(self, awaitable: Awaitable[Any], span: Call | None) -> Generator[Any, Any, Any]:
        """Await a coroutine, or something else that can be awaited; its steps are a span's."""
        coroutine = awaitable if inspect.iscoroutine(awaitable) else _awaiting(awaitable)
        step: Callable[[Any], Any] = coroutine.send
        given: Any = None
        worker, clock = self.running.worker, self.clock
        while True:
            # begin() and end() written out: what is called often passes here often.
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
            try:
                given = yield waits_for
                step = coroutine.send
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                # Cancelled, for instance: the coroutine's own business.
                step, given = coroutine.throw, error

    @types.coroutine
    def follow(self, awaitable: Awaitable[Any], run: Run) -> Generator[Any, Any, Any]:
        """Await a coroutine, or something else that can be awaited; its rests are a run's."""
        coroutine = awaitable if inspect.iscoroutine(awaitable) else _awaiting(awaitable)
        step: Callable[[Any], Any] = coroutine.send
        given: Any = None
        worker, clock = self.running.worker, self.clock
        while True:
            before = worker.run
            worker.run = run
            try:
                waits_for = step(given)
            except StopIteration as done:
                return done.value
            finally:
                worker.run = before
            since = clock()
            try:
                given = yield waits_for
                step = coroutine.send
            except GeneratorExit:
                run.rested += clock() - since
                coroutine.close()
                raise
            except BaseException as error:
                step, given = coroutine.throw, error
            run.rested += clock() - since


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
