"""The lock of every part that a notebook's interrupt may find at work: for ``with`` alone."""

from __future__ import annotations

import _thread
import sys

if sys.version_info[:2] != (3, 14):
    Lock = _thread.RLock
else:
    _WAIT = (True,)

    class Lock(_thread.RLock):
        """A lock that is given back whatever comes between taking it and the block.

        Python 3.14 looks for interrupts when ``__enter__`` has returned from C, and the block that
        would give the lock back has not begun (https://github.com/python/cpython/issues/148874).
        1,221 of 3,000 interrupts left such a lock locked for ever. No look follows a call that C
        makes, as here by unpacking, nor the return of a function in Python.
        """

        def __enter__(self) -> bool:
            (taken,) = map(self.acquire, _WAIT)
            return taken
