"""Which requests run: so that nothing is taken away under one of them.

Every request is counted with the *epoch* it began in. What a change takes away is taken away when
the requests of earlier epochs have ended. A change of the database that the old code cannot stand
is made behind a closed gate: requests that come meanwhile wait for it, none fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import itertools
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from django.core.handlers.base import BaseHandler

from livepatch.hosts.servers import running_loops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 10.0
"""How long a change waits for requests that began before it, in seconds."""

_GET_RESPONSE = ("get_response", "get_response_async")
_own_request: contextvars.ContextVar[int | None] = contextvars.ContextVar(
    "livepatch_django_request", default=None
)


class Requests:
    """The requests that run in this process.

    Args:
        arrived: called with each request before anything else looks at it.
    """

    def __init__(self, arrived: Callable[[Any], None]) -> None:
        self.arrived = arrived
        self.handlers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._numbers = itertools.count()
        self._epoch = 0
        self._running: dict[int, int] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._originals: dict[str, Any] = {}
        self._before: list[Any] = []

    def begin(self) -> None:
        """Count the requests from now on; those under way are noted by their frames."""
        if self._originals:
            return
        self._originals = {name: BaseHandler.__dict__[name] for name in _GET_RESPONSE}
        codes = {function.__code__ for function in self._originals.values()}
        for name, counted in zip(_GET_RESPONSE, (_counted, _counted_async), strict=True):
            setattr(BaseHandler, name, counted(self, self._originals[name]))
        self._before = _frames_of(codes)

    def end(self) -> None:
        """Count no more: Django's own methods again."""
        for name, original in self._originals.items():
            setattr(BaseHandler, name, original)
        self._originals, self._before = {}, []

    def wait_for_older(self, patience: float = PATIENCE) -> int:
        """Wait until the requests that run now have ended; the caller's own is left out.

        Returns:
            How many still run after ``patience`` seconds; 0 means that all have ended.
        """
        deadline = time.monotonic() + patience
        mine = _own_request.get()
        self._wait_for_uncounted(deadline)
        with self._changed:
            self._epoch += 1
            epoch = self._epoch
            while True:
                running = list(self._running.items())
                older = [k for k, began in running if began < epoch and k != mine]
                left = deadline - time.monotonic()
                if not older or left <= 0:
                    return len(older)
                self._changed.wait(left)

    @contextlib.contextmanager
    def held_back(self, patience: float = PATIENCE) -> Iterator[int]:
        """Let requests that come wait at a gate while the body runs.

        Yields:
            How many older requests still run: with any but 0 the body should give up.
        """
        self._closed = True
        try:
            yield self.wait_for_older(patience)
        finally:
            with self._changed:
                self._closed = False
                waiting, self._waiting = self._waiting, []
                self._changed.notify_all()
            for loop, future in waiting:
                with contextlib.suppress(RuntimeError):  # its loop was closed meanwhile
                    loop.call_soon_threadsafe(_resolve, future)

    def enter(self, handler: Any) -> int | None:
        """Count a request; None when the gate is closed and it has to wait."""
        number = next(self._numbers)
        self._running[number] = self._epoch
        self.handlers.add(handler)
        if self._closed and _own_request.get() is None:
            self.leave(number)
            return None
        return number

    def leave(self, number: int) -> None:
        """A request has ended."""
        began = self._running.pop(number, None)
        if began != self._epoch or self._closed:
            with self._changed:
                self._changed.notify_all()

    def wait_at_gate(self) -> None:
        """Wait until the gate is open."""
        with self._changed:
            while self._closed:
                self._changed.wait()

    async def wait_at_gate_async(self) -> None:
        """Wait until the gate is open, without holding the loop."""
        loop = asyncio.get_running_loop()
        with self._changed:
            if not self._closed:
                return
            future = loop.create_future()
            self._waiting.append((loop, future))
        await future

    def _wait_for_uncounted(self, deadline: float) -> None:
        """Wait for the requests that were under way when counting began."""
        while self._before and time.monotonic() < deadline:
            codes = {function.__code__ for function in self._originals.values()}
            present = _frames_of(codes)
            self._before = [f for f in self._before if any(f is other for other in present)]
            if self._before:
                with self._changed:
                    self._changed.wait(0.01)
        self._before = []


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


def _frames_of(codes: set[Any]) -> list[Any]:
    """The frames that run one of these codes: on the threads' stacks, and in waiting tasks."""
    found = []
    for top in sys._current_frames().values():
        frame: Any = top
        while frame is not None:
            if frame.f_code in codes:
                found.append(frame)
            frame = frame.f_back
    for running in running_loops():
        try:
            tasks = asyncio.all_tasks(running.loop)
        except RuntimeError:  # the set of tasks kept changing while it was copied
            continue
        for task in tasks:
            awaited: Any = task.get_coro()
            while awaited is not None:
                frame = getattr(awaited, "cr_frame", None)
                if frame is not None and frame.f_code in codes:
                    found.append(frame)
                awaited = getattr(awaited, "cr_await", None)
    return found
