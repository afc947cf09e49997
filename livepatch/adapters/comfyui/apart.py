"""Runs a coroutine to its end beside a loop that runs in this thread already."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")

_LOOK = 0.05
"""Seconds: in between, this thread can be interrupted."""
_PATIENCE = 0.5
"""Seconds that a coroutine has to end after it was cancelled, before it is interrupted."""
_TRIES = 20

_set_async_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exception.argtypes = [ctypes.c_ulong, ctypes.py_object]
_set_async_exception.restype = ctypes.c_int


def run_apart(make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine in a thread of its own, with the context of this one.

    An interrupt of this thread ends the other one as well: the coroutine is cancelled, and where it
    does not await anything it is interrupted itself. The thread has ended when this returns, but
    for one that stands in C code for 10 s.

    Args:
        make: makes the coroutine.

    Example:
        >>> async def answer():
        ...     return 42
        >>> run_apart(answer)
        42
    """
    apart = _Apart(make)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(apart.run,), name="livepatch-apart")
    thread.start()
    try:
        _wait_for(thread)
    except BaseException:
        for _ in range(_TRIES):
            apart.cancel()
            thread.join(_PATIENCE)
            if not thread.is_alive():
                break
            _set_async_exception(thread.ident or 0, KeyboardInterrupt)
        raise
    if apart.error is not None:
        raise apart.error
    result: Result = apart.results[0]
    return result


def _wait_for(thread: threading.Thread) -> None:
    while thread.is_alive():
        thread.join(_LOOK)


class _Apart:
    """What runs in the thread."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.make = make
        self.error: BaseException | None = None
        self.results: list[Any] = []
        self.running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.error = error

    def cancel(self) -> None:
        if self.running is not None:
            loop, task = self.running
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

    async def _main(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.running = asyncio.get_running_loop(), task
        self.results.append(await self.make())
