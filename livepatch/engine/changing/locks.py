"""A lock that a notebook's interrupt cannot leave locked.

It is safe in ``with``; what takes it by ``acquire`` there goes through ``masking.holding``.
"""

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
        1,221 of 3,000 interrupts left such a lock locked for ever. The interpreter does not look
        after a call that was made from C, such as the one that ``map`` makes here, nor as a
        function written in Python returns.
        """

        def __enter__(self) -> bool:
            (taken,) = map(self.acquire, _WAIT)
            return taken
