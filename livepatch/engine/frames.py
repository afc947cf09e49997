"""The stacks of all threads, walked so that CPython 3.11 survives it.

There ``f_back`` of a generator's or coroutine's frame leads into memory that is somebody else's as
soon as it is suspended, and any other thread may suspend its own between two steps of a walk: seen
under a busy uvicorn, as a ``dict`` in the place of a frame. 3.10 and from 3.12 on are safe.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import time
from typing import TYPE_CHECKING

from .switch_interval import wish_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_UNSAFE = sys.version_info[:2] == (3, 11)
SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
"""The flags of code whose frames can be suspended."""
_LONG = 0.1  # seconds: many walks, and little enough should somebody else hold the GIL by then


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and those it was called from; on 3.11 up to the first of a generator or coroutine.

    Example:
        >>> import sys
        >>> next(outwards(sys._getframe())) is sys._getframe()
        True
    """
    while frame is not None:
        yield frame
        if _UNSAFE and frame.f_code.co_flags & SUSPENDED:
            return
        frame = frame.f_back


def all_stacks() -> dict[int, list[FrameType]]:
    """The whole stacks of all threads, innermost frame first, by the threads' identities.

    On 3.11 the others are kept from running meanwhile: a thread that wants the GIL waits for the
    switch interval before it asks for it, so a long one is set, and the GIL handed out once, which
    makes those begin anew that wait by the former one. Too slow for every change of a function.

    Example:
        >>> import threading
        >>> threading.get_ident() in all_stacks()
        True
    """
    with _nobody_else_running():
        return {ident: list(_whole(frame)) for ident, frame in sys._current_frames().items()}


def _whole(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


@contextlib.contextmanager
def _nobody_else_running() -> Iterator[None]:
    if not _UNSAFE:
        yield
        return
    end = wish_for(_LONG)
    try:
        time.sleep(0)
        yield
    finally:
        end()
