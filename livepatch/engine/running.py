"""Calls that are under way: they finish on the code that they began with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .frames import outwards

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import CodeType


def running_calls(codes: Collection[CodeType]) -> int:
    """How many calls run one of these codes now, on all threads.

    Suspended generators and coroutines have no running frame and are not counted; on 3.11 neither
    is what called one that runs (see ``frames``).

    Example:
        >>> def ask():
        ...     return running_calls([ask.__code__])
        >>> ask()
        1
    """
    wanted = {id(code) for code in codes}  # by identity: comparing codes compares their contents
    count = 0
    for top in sys._current_frames().values():
        for frame in outwards(top):
            count += id(frame.f_code) in wanted
    return count
