"""What is changed in the process while a cell runs, and only then."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.locks import Lock

from .context import in_cell
from .dispatch import function_in_cells
from .waits import slice_waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from .interrupts import Interrupts

# Seconds; a busy cell at Python's default of 0.005 raised a webui's p99 from 4 to 16 ms, at this to
# 11 ms.
SWITCH_INTERVAL = 0.0005


class WhileRunning:
    """Sliced waits, a short switch interval and ``getpass`` in the notebook, while cells run.

    Args:
        interrupts: knows which threads are executing cells.
        ask_password: asks in the notebook, with the arguments of ``getpass.getpass``.
    """

    def __init__(self, interrupts: Interrupts, ask_password: Callable[..., str]) -> None:
        self._interrupts = interrupts
        self._ask_password = ask_password
        self._lock = Lock()
        self._running = 0
        self._undo: list[Callable[[], None]] = []

    def begin(self) -> None:
        """A cell starts."""
        with self._lock:
            self._running += 1
            if self._running == 1:
                self._undo = [
                    switch_at_least_every(SWITCH_INTERVAL),
                    slice_waits(self._interrupts.is_executing),
                    function_in_cells(getpass, "getpass", self._getpass, in_cell),
                ]

    def end(self) -> None:
        """A cell ended."""
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._take_back()

    def forget(self) -> None:
        """No cell is running in this process (any more)."""
        # A fork may have copied it locked.
        self._lock = Lock()
        self._running = 0
        self._take_back()

    def _take_back(self) -> None:
        undone, self._undo = self._undo, []
        for undo in reversed(undone):
            undo()

    def _getpass(self, prompt: str = "Password: ", *_args: Any, **_options: Any) -> str:
        return self._ask_password(prompt)


def switch_at_least_every(seconds: float) -> Callable[[], None]:
    """Shorten the switch interval, unless the webui's is as short, until the answer is called.

    An interval that the webui sets meanwhile stays.

    Args:
        seconds: the interval.

    Returns:
        What puts back the webui's own.
    """
    own = sys.getswitchinterval()
    sys.setswitchinterval(min(own, seconds))
    ours = sys.getswitchinterval()  # as it was taken: it is kept in whole microseconds

    def put_back() -> None:
        if sys.getswitchinterval() == ours:
            sys.setswitchinterval(own)

    return put_back
