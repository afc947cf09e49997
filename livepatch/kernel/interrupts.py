"""Stopping a cell without a signal: the process's signals are the webui's alone."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from livepatch.engine.changing import masking
from livepatch.engine.changing.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

Result = TypeVar("Result")

_set_async_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exception.argtypes = [ctypes.c_ulong, ctypes.py_object]
_set_async_exception.restype = ctypes.c_int

# How long the kernel's loop may take to cancel an awaiting cell before the cell counts as busy, in
# seconds.
CANCEL_PATIENCE = 0.3


class _Execution:
    """One cell (or widget callback) that is running in a thread."""

    def __init__(self) -> None:
        self.ending = False
        self.interrupted = False
        self.told = False
        self.awaiting: tuple[asyncio.AbstractEventLoop, asyncio.Future[Any]] | None = None


class Interrupts:
    """Knows which threads are executing cells and raises ``KeyboardInterrupt`` in them.

    Example:
        reply = await interrupts.execute(run_the_cell())  # interrupts.interrupt() from another
        thread ends it
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._executions: dict[int, list[_Execution]] = {}

    def is_executing(self) -> bool:
        """Whether the calling thread is executing a cell."""
        return threading.get_ident() in self._executions

    async def execute(self, cell: Awaitable[Result]) -> Result:
        """Await a cell's execution, which can be interrupted, and absorb what interrupts remain."""
        execution = _Execution()
        try:
            self._begin(execution)
            return await cell
        except Exception:
            # The cell's own errors end in IPython. Between two of its handlers an interrupt leaves
            # it with others: UnboundLocalError, for a result that is not there yet.
            if execution.interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            # From the mark on no interrupt is sent. Two may still come: one that was pending, and
            # one whose sender was past its question. Each is caught where it can be raised: at a
            # call, as here, but not at the jump of a loop, nor in a context manager's __exit__.
            execution.ending = True
            try:
                try:
                    self._end(execution)
                except KeyboardInterrupt:
                    self._end(execution)
            except KeyboardInterrupt:
                self._end(execution)

    def call(self, callback: Callable[..., Result], *args: Any) -> Result:
        """Call a widget's callback, interruptible as a cell is."""
        execution = _Execution()
        try:
            self._begin(execution)
            return callback(*args)
        finally:
            execution.ending = True  # as above
            try:
                try:
                    self._end(execution)
                except KeyboardInterrupt:
                    self._end(execution)
            except KeyboardInterrupt:
                self._end(execution)

    def _begin(self, execution: _Execution) -> None:
        with self._lock:
            self._executions.setdefault(threading.get_ident(), []).append(execution)

    def _end(self, execution: _Execution) -> None:
        thread_id = threading.get_ident()
        with self._lock:
            running = self._executions.get(thread_id, [])
            if execution in running:
                running.remove(execution)
            if not running:
                self._executions.pop(thread_id, None)
                masking.let_go()
        if execution.interrupted:
            # An interrupt sent in the last moment is raised at the next bytecodes: here, where it
            # is absorbed. Clearing it by SetAsyncExc(tid, NULL) makes 3.12 slow for good and locks
            # up 3.11 under a debugger.
            for _ in range(64):
                pass

    @contextmanager
    def awaiting(self, future: asyncio.Future[Any]) -> Iterator[None]:
        """While the block runs the cell awaits ``future``: an interrupt cancels that."""
        execution = self._current()
        if execution is None:
            yield
            return
        execution.awaiting = (asyncio.get_running_loop(), future)
        try:
            yield
        finally:
            execution.awaiting = None

    def cancelled_by_user(self) -> bool:
        """Whether the cell that is running in this thread was cancelled by an interrupt."""
        execution = self._current()
        return execution is not None and execution.interrupted

    def _current(self) -> _Execution | None:
        running = self._executions.get(threading.get_ident())
        return running[-1] if running else None

    def threads(self) -> list[int]:
        """The idents of the threads that are executing cells."""
        with self._lock:
            return list(self._executions)

    def interrupt(self, threads: Collection[int] | None = None) -> int:
        """Interrupt the cells that are running.

        Args:
            threads: only those in these threads; None for all.

        Returns:
            How many there were.
        """
        innermost = self._innermost()
        running = [i for i in innermost.items() if threads is None or i[0] in threads]
        for thread_id, execution in running:
            if not self._cancelled(execution):
                self._raise_in(thread_id, execution)
        return len(running)

    def whereabouts(self) -> dict[int, tuple[object, object, int]]:
        """Where the cells are that were interrupted and do not await.

        For each thread its execution, frame and instruction. A cell that is at the same place some
        time after an interrupt is in a call that ends only by itself.
        """
        frames = sys._current_frames()
        return {
            ident: (execution, frames[ident], frames[ident].f_lasti)
            for ident, execution in self._innermost().items()
            if execution.interrupted and not execution.awaiting and ident in frames
        }

    def _innermost(self) -> dict[int, _Execution]:
        with self._lock:
            return {ident: held[-1] for ident, held in self._executions.items()}

    def first_told(self, thread_id: int) -> bool:
        """Whether the cell in that thread is told for the first time that it goes on."""
        with self._lock:
            held = self._executions.get(thread_id, [])
            if not held or held[-1].told:
                return False
            held[-1].told = True
            return True

    def _cancelled(self, execution: _Execution) -> bool:
        awaiting = execution.awaiting
        if awaiting is None:
            return False
        loop, future = awaiting
        answered = threading.Event()
        claim = threading.Lock()  # taken by whoever ends the cell: the loop, or the exception below

        def cancel() -> None:
            if claim.acquire(blocking=False):
                execution.interrupted = True
                future.cancel()
                answered.set()

        loop.call_soon_threadsafe(cancel)
        # Busy: its Python code holds the loop, and the exception does what cancelling cannot.
        return answered.wait(CANCEL_PATIENCE) or not claim.acquire(blocking=False)

    def _raise_in(self, thread_id: int, execution: _Execution) -> None:
        def raise_interrupt() -> None:
            _set_async_exception(thread_id, KeyboardInterrupt)

        with self._lock:  # the cell can't end between the question and the exception
            if not execution.ending and execution in self._executions.get(thread_id, []):
                execution.interrupted = True
                masking.deliver(thread_id, raise_interrupt)
