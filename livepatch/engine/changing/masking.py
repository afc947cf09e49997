"""Keeps a notebook's interrupt out of a commit.

An interrupt is a ``KeyboardInterrupt`` raised in another thread at any bytecode. In the middle of a
commit it left 1,805 of 2,448 commits half applied, so a commit is *masked*: an interrupt that
arrives inside is held back and raised when the commit has ended. Two fixes work together:

- the kernel delivers its interrupts through :func:`deliver`, which holds them back while the thread
  is masked;
- a commit is idempotent, and :func:`masked` runs it again when a ``KeyboardInterrupt`` got in by
  another way (Ctrl-C on the main thread, where Python's own signal handler raises it between any
  two bytecodes).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from .registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


def deliver(thread_id: int, raise_interrupt: Callable[[], None]) -> None:
    """Interrupt a thread; if it is inside a commit, the interrupt is raised as that ends.

    Args:
        thread_id: the thread's ``threading.get_ident()``.
        raise_interrupt: raises ``KeyboardInterrupt`` in that thread; called with the mask's lock
            held. A thread that begins a commit marks itself first and then waits for a delivery
            under way: so it is asked about before its commit, or meets the interrupt there.
    """
    with registry.mask_lock:
        if thread_id in registry.masked_threads:
            registry.held_back.add(thread_id)
        else:
            raise_interrupt()


def masked(commit: Callable[[], Result]) -> Result:
    """Run a commit that no interrupt can cut in two.

    Args:
        commit: does the work; must be idempotent, as it runs again when an interrupt got in all the
            same.

    Returns:
        What ``commit`` returned.

    Raises:
        KeyboardInterrupt: an interrupt came while the commit ran; the commit is complete.

    Example:
        >>> masked(lambda: "done")
        'done'
    """
    thread_id = threading.get_ident()
    if thread_id in registry.masked_threads:
        return commit()
    interrupted = False
    try:
        registry.masked_threads.add(thread_id)
        _wait_for_delivery()
        # An interrupt sent before the mask is still pending in the interpreter. It arrives at the
        # next backward jump: here, where nothing has changed yet.
        for _ in range(2):
            pass
        while True:
            try:
                result = commit()
            except KeyboardInterrupt:
                interrupted = True
            else:
                break
    finally:
        # Whatever arrives here, the mask ends: left on, it would hold every later interrupt back.
        while True:
            try:
                interrupted = _leave(thread_id) or interrupted
            except KeyboardInterrupt:
                interrupted = True
            else:
                break
    if interrupted:
        raise KeyboardInterrupt
    return result


def certainly(commit: Callable[[], Result]) -> Result:
    """Run a commit as :func:`masked` does, also when an interrupt comes before it has begun.

    Args:
        commit: must be idempotent; the way out of a transaction, which has to be gone.
    """
    interrupted = False
    while True:
        try:
            result = masked(commit)
        except KeyboardInterrupt:
            interrupted = True
        else:
            break
    if interrupted:
        raise KeyboardInterrupt
    return result


def holding(
    lock: threading.Lock | threading.RLock, work: Callable[[], Result], *, wait: bool = True
) -> Result | None:
    """Do something with a lock held, which no interrupt leaves locked.

    For what ``with`` cannot do: to take a lock only where it is free, and to wait for a lock that
    is not a :class:`~livepatch.engine.changing.locks.Lock`.

    Args:
        lock: the lock.
        work: what is to be done.
        wait: wait until the lock is free; False: do nothing where it is not.

    Returns:
        What ``work`` returned; None where the lock was not free.

    Example:
        >>> holding(threading.Lock(), lambda: "done")
        'done'
    """
    taken: list[bool] = []
    try:
        # The lock is taken and noted inside one call of C: between `lock.acquire()` and a `try`
        # after it, an interrupt would leave it locked too.
        taken.extend(map(lock.acquire, (wait,)))
        return work() if taken == [True] else None
    finally:
        if taken == [True]:
            lock.release()


def let_go() -> None:
    """Give back the engine's lock where a cell took it by hand, as its end."""
    while registry.lock._is_owned():  # type: ignore[attr-defined]
        registry.lock.release()


def _leave(thread_id: int) -> bool:
    """End the mask; answer whether an interrupt was held back."""
    registry.masked_threads.discard(thread_id)
    _wait_for_delivery()
    was_held_back = thread_id in registry.held_back
    registry.held_back.discard(thread_id)
    return was_held_back


def _wait_for_delivery() -> None:
    """Wait for a delivery that may have read the mask before we changed it.

    One that begins later asks later. So the lock is the deliverer's alone, and mostly free: taking
    it at each commit cost a twentieth of one.
    """
    if registry.mask_lock.locked():
        holding(registry.mask_lock, _nothing)


def _nothing() -> None:
    """All that a wait has to do with the lock."""
