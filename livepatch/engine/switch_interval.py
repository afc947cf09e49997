"""The interpreter's switch interval, which there is one of, set for a while by several at once.

Who sets it and puts back what was there may put back what another of us had set, and leave the
webui with that for good.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .masking import holding
from .registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable


class Wish:
    """A switch interval that is wished for.

    Attributes:
        seconds: the interval.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def wish_for(seconds: float) -> Callable[[], None]:
    """Set the switch interval until the answer is called; of several wishes the longest counts.

    Args:
        seconds: the interval.

    Returns:
        What takes the wish back. After the last one the interval is the webui's own again, also
        where the webui set another one meanwhile.

    Example:
        >>> import sys
        >>> own = sys.getswitchinterval()
        >>> end = wish_for(0.05)
        >>> round(sys.getswitchinterval(), 3)
        0.05
        >>> end()
        >>> sys.getswitchinterval() == own
        True
    """
    wish = Wish(seconds)

    def begin() -> None:
        _notice_the_webuis()
        registry.switch_wishes.append(wish)
        _set()

    def end() -> None:
        _notice_the_webuis()
        if wish in registry.switch_wishes:
            registry.switch_wishes.remove(wish)
            _set()

    holding(registry.switch_lock, begin)
    return lambda: holding(registry.switch_lock, end)


def _notice_the_webuis() -> None:
    now = sys.getswitchinterval()
    if now != registry.switch_interval_set:
        registry.switch_interval_own = now


def _set() -> None:
    wishes = [wish.seconds for wish in registry.switch_wishes]
    sys.setswitchinterval(max(wishes) if wishes else registry.switch_interval_own)
    # As it was taken: it is kept in whole microseconds.
    registry.switch_interval_set = sys.getswitchinterval() if wishes else None
