"""Calls that are under way: they finish on the code that they began with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frames import all_stacks

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import CodeType


def running_calls(codes: Collection[CodeType]) -> int:
    """How many calls run one of these codes now, on all threads.

    Suspended generators and coroutines have no running frame and are not counted.

    Example:
        >>> def ask():
        ...     return running_calls([ask.__code__])
        >>> ask()
        1
    """
    wanted = {id(code) for code in codes}  # by identity: comparing codes compares their contents
    count = 0
    for stack in all_stacks().values():
        for frame in stack:
            count += id(frame.f_code) in wanted
    return count
