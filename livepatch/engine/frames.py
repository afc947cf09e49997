"""The stacks of all threads, as they are at one moment.

Walked in Python, they are not: another thread may take the GIL between two steps, and suspend the
generator or coroutine whose frame the walk has reached. From there on its callers are missing, and
on CPython 3.11 ``f_back`` leads into memory that is somebody else's (seen under a busy uvicorn, as
a ``dict`` in the place of a frame). The GIL is handed over between two bytecodes only: so the whole
walk is one call, of iterators written in C.
"""

from __future__ import annotations

import gc
import inspect
import sys
from itertools import accumulate, chain, repeat, starmap, tee
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
"""The flags of code whose frames can be suspended."""
_COLLECTS_ANYWHERE = sys.version_info < (3, 12)


def all_stacks() -> dict[int, list[FrameType]]:
    """The whole stacks of all threads, innermost frame first, by the threads' identities.

    Example:
        >>> import threading
        >>> threading.get_ident() in all_stacks()
        True
    """
    if _COLLECTS_ANYWHERE and gc.isenabled():
        # Before 3.12 any new object may be the one that starts a garbage collection, and a
        # finalizer is Python again. Done just before, none falls due on the way.
        gc.collect(0)
    # Nothing of it happens before the last line: `starmap` calls sys._current_frames there.
    found = chain.from_iterable(map(dict.items, starmap(sys._current_frames, [()])))
    threads, innermost = tee(found)
    stacks = map(list, _outwards(map(itemgetter(1), innermost)))
    return dict(zip(map(itemgetter(0), threads), stacks, strict=True))


def _outwards(frames: Iterable[FrameType]) -> Iterable[Iterator[FrameType]]:
    """For each frame an iterator over itself and those it was called from."""
    names = repeat("f_back")
    # Each step of `accumulate` is getattr(the frame it has, the name); `iter` ends at None.
    steps = map(accumulate, map(chain, zip(frames), repeat(names)), repeat(getattr))
    return map(iter, map(attrgetter("__next__"), steps), repeat(None))
