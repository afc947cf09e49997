"""Blocking waits of cells, in slices of 50 ms, so that an interrupt gets through.

Only threads that are executing a cell see the slices. In every other thread the functions are the
originals.
"""

from __future__ import annotations

import functools
import subprocess
import threading
import time
from itertools import starmap
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.masking import masked

from .dispatch import function_in_cells, method_in_cells
from .socket_waits import SLICE, slice_socket_waits

if TYPE_CHECKING:
    from collections.abc import Callable


def slice_waits(chosen: Callable[[], bool]) -> Callable[[], None]:
    """Slice the blocking waits of the threads for which ``chosen()`` is true.

    Args:
        chosen: whether the calling thread is executing a cell.

    Returns:
        A callable that puts the originals back.
    """
    undone = [
        function_in_cells(time, "sleep", _sleep(time.sleep), chosen),
        method_in_cells(threading.Condition, "wait", _condition_wait, chosen),
        method_in_cells(threading.Thread, "join", _join(threading.Thread.join), chosen),
        method_in_cells(subprocess.Popen, "wait", _popen_wait(subprocess.Popen.wait), chosen),
        method_in_cells(
            subprocess.Popen, "communicate", _communicate(subprocess.Popen.communicate), chosen
        ),
        slice_socket_waits(chosen),
    ]

    def undo() -> None:
        for put_back in undone:
            put_back()

    return undo


def _sleep(original: Callable[[float], None]) -> Callable[[float], None]:
    @functools.wraps(original)
    def sleep(seconds: float, /) -> None:
        if not isinstance(seconds, (int, float)) or not seconds > SLICE:
            original(seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            original(min(left, SLICE))

    return sleep


def _condition_wait(self: Any, timeout: float | None = None) -> bool:
    """``Condition.wait`` of the standard library, with the acquire of the waiter's lock in slices.

    Calling the original with a short timeout again and again would lose a ``notify`` that comes
    between two calls.
    """
    if not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = threading.Lock()
    waiter.acquire()
    self._waiters.append(waiter)
    notified = False
    # An interrupt is raised where a call has returned to Python, and where a function in Python
    # begins: a condition has such functions for a plain lock. Raised after the release and before
    # the block, or before the lock is taken again, it lets the `with` around release what is not
    # taken. So one call is made by C, as here by unpacking, and the other calls C.
    plain = type(self._lock) is type(waiter)
    (saved_state,) = starmap(self._lock.release if plain else self._release_save, ((),))
    try:
        notified = _acquire(waiter, timeout)
        return notified
    finally:
        if plain:
            self._lock.acquire()
        else:
            self._acquire_restore(saved_state)
        if not notified and waiter in self._waiters:
            self._waiters.remove(waiter)


def _acquire(lock: threading.Lock, timeout: float | None) -> bool:
    if timeout is not None and timeout <= 0:
        return lock.acquire(blocking=False)
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE if end is None else min(SLICE, end - time.monotonic())
        if left <= 0:
            return False
        if lock.acquire(timeout=left):
            return True


def _join(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def join(self: threading.Thread, timeout: float | None = None) -> None:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = SLICE if end is None else max(0.0, min(SLICE, end - time.monotonic()))

            def still_alive(left: float = left) -> bool:
                original(self, left)
                return self.is_alive()

            # Up to 3.12 an interrupt inside would mark the thread as stopped (bpo-45274's fix).
            if not masked(still_alive) or left <= 0:
                return

    return join


def _popen_wait(original: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(original)
    def wait(self: subprocess.Popen[Any], timeout: float | None = None) -> int:
        if timeout is not None:
            return original(self, timeout=timeout)  # polls, and so lets an interrupt through
        while True:
            try:
                return original(self, timeout=SLICE)
            except subprocess.TimeoutExpired:
                continue

    return wait


def _communicate(original: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    @functools.wraps(original)
    def communicate(
        self: subprocess.Popen[Any],
        input: Any = None,  # noqa: A002 - the name in the standard library
        timeout: float | None = None,
    ) -> tuple[Any, Any]:
        if timeout is not None:
            end = time.monotonic() + timeout
        while True:
            left = SLICE if timeout is None else min(SLICE, end - time.monotonic())
            try:
                return original(self, input=input, timeout=left)
            except subprocess.TimeoutExpired:
                # Documented: after a timeout communicate() may be called again and loses nothing;
                # input only once.
                if timeout is not None and time.monotonic() >= end:
                    raise
                input = None  # noqa: A001

    return communicate
