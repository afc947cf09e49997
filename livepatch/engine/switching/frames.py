"""The stacks of all threads, and the calls that are under way on them.

Walked in Python they are not of one moment: another thread may take the GIL between two steps, and
suspend the generator or coroutine whose frame the walk has reached. From there on its callers are
missing, and on CPython 3.11 ``f_back`` leads into memory that is somebody else's (seen under a busy
uvicorn, as a ``dict`` in the place of a frame). The GIL is handed over between two bytecodes only:
where it matters, the whole walk is one call, of iterators written in C.
"""

from __future__ import annotations

import gc
import inspect
import sys
from itertools import accumulate, chain, repeat, starmap, takewhile, tee
from operator import itemgetter, truth
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import CodeType, FrameType

SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
"""The flags of code whose frames can be suspended."""
_UNSAFE = sys.version_info[:2] == (3, 11)


def all_stacks() -> dict[int, list[FrameType]]:
    """The whole stacks of all threads at one moment, innermost frame first, by their identities.

    Example:
        >>> import threading
        >>> threading.get_ident() in all_stacks()
        True
    """
    if _UNSAFE and gc.isenabled():
        # 3.11 makes frame objects as one asks for them, and one may start a garbage collection: a
        # finalizer is Python again. Done just before, none falls due on the way.
        gc.collect(0)
    # Nothing of it happens before the last line: `starmap` calls sys._current_frames there.
    threads, innermost = tee(
        chain.from_iterable(map(dict.items, starmap(sys._current_frames, [()])))
    )
    # Each step of `accumulate` is getattr(the frame it has, the name); no frame is false.
    starts = map(chain, zip(map(itemgetter(1), innermost)), repeat(repeat("f_back")))
    outwards = map(takewhile, repeat(truth), map(accumulate, starts, repeat(getattr)))
    return dict(zip(map(itemgetter(0), threads), map(list, outwards), strict=True))


def running_calls(codes: Collection[CodeType]) -> int:
    """How many calls run one of these codes now, on all threads, which run on meanwhile.

    Asked at every change of a function: a walk in Python is a third of the price. Suspended
    generators and coroutines have no running frame and are not counted; what called one may be
    missed, on 3.11 it is.

    Example:
        >>> def ask():
        ...     return running_calls([ask.__code__])
        >>> ask()
        1
    """
    wanted = {id(code) for code in codes}  # by identity: comparing codes compares their contents
    count = 0
    frame: FrameType | None  # None in the end: a frame in a variable of its own is garbage
    for frame in sys._current_frames().values():
        while frame is not None:
            count += id(frame.f_code) in wanted
            frame = None if _UNSAFE and frame.f_code.co_flags & SUSPENDED else frame.f_back
    return count
