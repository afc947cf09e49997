"""Counts running requests, so that a change can wait for them.

Every request is counted with the *epoch* it began in. What a change takes away is taken away when
the requests of earlier epochs have ended. A change of the database that the old code cannot stand
is made behind a closed gate: requests that come meanwhile wait for it, none fails.

Other threads of the server are not counted. Before a column goes those are waited for that are
inside Django's ORM: they may have begun with the old models, and wait for the database since.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import itertools
import threading
import time
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

from django.core.handlers.base import BaseHandler

from livepatch.engine.changing.locks import Lock
from livepatch.engine.switching.frames import SUSPENDED, all_stacks

from .naming import belongs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

PATIENCE = 10.0

_GET_RESPONSE = ("get_response", "get_response_async")
_own_request: contextvars.ContextVar[int | None] = contextvars.ContextVar(
    "livepatch_django_request", default=None
)


class Requests:
    """The requests that run in this process.

    Args:
        arrived: called with each request before anything else looks at it.

    Attributes:
        handlers: the handlers that requests came through.
        patience: how long a change waits for requests that began before it, in seconds.
        epoch: how often a change has waited for the requests that were there.
        at_gate: how many requests wait at the gate.
        awaited: how many requests or threads a change waits for at present.
    """

    def __init__(self, arrived: Callable[[Any], None]) -> None:
        self.arrived = arrived
        self.patience = PATIENCE
        self.at_gate = self.awaited = 0
        self.handlers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._numbers = itertools.count()
        self.epoch = 0
        self._running: dict[int, int] = {}
        # `with` on the condition itself would let an interrupt leave it locked, on each Python.
        self._lock = Lock()
        self._changed = threading.Condition(self._lock)
        self._closed = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._originals: dict[str, Any] = {}
        self._before: list[Any] = []
        self._stays = False

    def begin(self, *, at_start: bool = False) -> None:
        """Count the requests from now on; those under way are noted.

        Args:
            at_start: whether no request can be under way yet; then it counts for good.
        """
        self._stays = self._stays or at_start
        if self._originals:
            return
        self._originals = {name: BaseHandler.__dict__[name] for name in _GET_RESPONSE}
        for name, counted in zip(_GET_RESPONSE, (_counted, _counted_async), strict=True):
            setattr(BaseHandler, name, counted(self, self._originals[name]))
        if not at_start:
            sync, asynchronous = (self._originals[name].__code__ for name in _GET_RESPONSE)
            self._before = [*_threads_in(sync), *_coroutines_of(asynchronous)]

    def end(self) -> None:
        """Count no more: Django's own methods again."""
        if self._stays:
            return
        for name, original in self._originals.items():
            setattr(BaseHandler, name, original)
        self._originals, self._before = {}, []

    def wait_for_older(self) -> int:
        """Wait until the requests that run now have ended; the caller's own is left out.

        Returns:
            How many still run after ``patience`` seconds; 0 means that all have ended.
        """
        deadline = time.monotonic() + self.patience
        mine = _own_request.get()
        with self._lock:
            self.epoch += 1
            epoch = self.epoch
        self._wait_for(self._before, deadline)
        self._before = []
        with self._lock:
            while True:
                older = self._older(epoch, mine)
                left = deadline - time.monotonic()
                if not older or left <= 0:
                    self.awaited = 0
                    return older
                self.awaited = older
                self._changed.wait(left)

    def _older(self, epoch: int, mine: int | None) -> int:
        """How many requests run that began before."""
        return sum(began < epoch and k != mine for k, began in list(self._running.items()))

    def wait_for_threads(self) -> int:
        """Wait until the threads that are inside Django's ORM now have left it once.

        Returns:
            How many have not after ``patience`` seconds.
        """
        deadline = time.monotonic() + self.patience
        inside = _calls_of_the_orm(self._originals["get_response"].__code__)
        return len(self._wait_for(inside, deadline))

    def wait_for_calls(self, code: CodeType) -> None:
        """Wait until the calls of a function that run now in other threads have returned."""
        self._wait_for(_threads_in(code), time.monotonic() + self.patience)

    @contextlib.contextmanager
    def held_back(self) -> Iterator[int]:
        """Let requests that come wait at a gate while the body runs.

        Yields:
            How many older requests still run: with any but 0 the body should give up.
        """
        self._closed = True
        try:
            yield self.wait_for_older()
        finally:
            with self._lock:
                self._closed = False
                waiting, self._waiting = self._waiting, []
                self._changed.notify_all()
            for loop, future in waiting:
                with contextlib.suppress(RuntimeError):  # its loop was closed meanwhile
                    loop.call_soon_threadsafe(_resolve, future)

    @property
    def is_inside_one(self) -> bool:
        """Whether this code runs in a request itself: nobody waits for that one."""
        return _own_request.get() is not None

    def enter(self, handler: Any) -> int | None:
        """Count a request; None when the gate is closed and it has to wait."""
        number = next(self._numbers)
        self._running[number] = self.epoch
        self.handlers.add(handler)
        if self._closed and _own_request.get() is None:
            self.leave(number)
            return None
        return number

    def leave(self, number: int) -> None:
        """A request has ended."""
        began = self._running.pop(number, None)
        if began != self.epoch or self._closed:
            with self._lock:
                self._changed.notify_all()

    def wait_at_gate(self) -> None:
        """Wait until the gate is open."""
        with self._lock:
            self.at_gate += 1
            self._changed.wait_for(lambda: not self._closed)
            self.at_gate -= 1

    async def wait_at_gate_async(self) -> None:
        """Wait until the gate is open, without holding the loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._closed:
                return
            future = loop.create_future()
            self._waiting.append((loop, future))
            self.at_gate += 1
        try:
            await future
        finally:
            with self._lock:
                self.at_gate -= 1

    def _wait_for(self, under_way: list[Any], deadline: float) -> list[Any]:
        """Wait for frames and coroutines that nobody counts; those that have not ended in time."""
        while under_way and time.monotonic() < deadline:
            under_way = [one for one in under_way if not _has_ended(one)]
            self.awaited = len(under_way)
            if under_way:
                with self._lock:
                    self._changed.wait(0.01)
        self.awaited = 0
        return under_way


def _counted(requests: Requests, original: Any) -> Any:
    @functools.wraps(original)
    def get_response(self: Any, request: Any) -> Any:
        while (number := requests.enter(self)) is None:
            requests.wait_at_gate()
        token = _own_request.set(number)
        try:
            requests.arrived(request)
            return original(self, request)
        finally:
            _own_request.reset(token)
            requests.leave(number)

    return get_response


def _counted_async(requests: Requests, original: Any) -> Any:
    @functools.wraps(original)
    async def get_response_async(self: Any, request: Any) -> Any:
        while (number := requests.enter(self)) is None:
            await requests.wait_at_gate_async()
        token = _own_request.set(number)
        try:
            requests.arrived(request)
            return await original(self, request)
        finally:
            _own_request.reset(token)
            requests.leave(number)

    return get_response_async


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _threads_in(code: Any) -> list[Any]:
    """The frames of other threads that run this code; not those of coroutines."""
    frames = itertools.chain.from_iterable(all_stacks().values())
    return [frame for frame in frames if frame.f_code is code]


def _calls_of_the_orm(of_requests: Any) -> list[Any]:
    """The outermost frame inside the ORM of each other thread that is there and is no request.

    A generator's is none: whoever iterates over rows may have left the ORM between two of them.
    """
    found = []
    for ident, stack in all_stacks().items():
        if ident == threading.get_ident() or any(f.f_code is of_requests for f in stack):
            continue
        calls = [f for f in stack if belongs(f.f_globals.get("__name__"), "django.db")]
        found += [f for f in calls if not f.f_code.co_flags & SUSPENDED][-1:]
    return found


def _coroutines_of(code: Any) -> list[Any]:
    """The coroutines of this code that tasks of any event loop wait for, or run."""
    found = []
    for name in ("_all_tasks", "_scheduled_tasks"):  # renamed in 3.12
        for task in list(getattr(asyncio.tasks, name, ())):
            awaited: Any = task.get_coro()
            while awaited is not None:
                if getattr(awaited, "cr_code", None) is code:
                    found.append(awaited)
                awaited = getattr(awaited, "cr_await", None)
    return found


def _has_ended(under_way: Any) -> bool:
    """Whether a coroutine, or the frame of a function that had been running, is done."""
    if not isinstance(under_way, FrameType):
        return under_way.cr_frame is None
    try:
        under_way.clear()
    except RuntimeError:  # it still runs
        return False
    return True
