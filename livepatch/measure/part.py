"""One thing whose calls are timed, and the figures of its calls."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from livepatch.engine.changing.locks import Lock

KEPT = 10_000  # the latest calls, of which median and 95th percentile are taken


@dataclass(eq=False)
class Part:
    """A layer, a route, an event, a callback or a hook, and what its calls took.

    *Own* time is that of a call without the time of what it calls that is timed too; *busy* is
    that part of it during which the webui's event loop could do nothing else.

    Attributes:
        group: what is timed together, such as ``requests``: shares are shares of a group.
        name: its name.
        owner: whose it is.
        place: ``file:line`` of its code.
        calls: how many calls have ended.
        total: self time of all calls, in ms.
        total_busy: loop-busy time of all calls, in ms.

    Example:
        >>> part = Part("hooks", "hook", "webui", "hooks.py:1")
        >>> for milliseconds in (1.0, 2.0, 9.0):
        ...     part.add(milliseconds / 1000, 0.0)
        >>> part.calls, part.median, part.p95, part.total
        (3, 2.0, 9.0, 12.0)
    """

    group: str
    name: str
    owner: str = ""
    place: str = ""
    calls: int = 0
    total: float = 0.0
    total_busy: float = 0.0
    _latest: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=KEPT), repr=False
    )
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, own: float, busy: float) -> None:
        """Note a call.

        Args:
            own: its self time, in seconds.
            busy: its loop-busy time, in seconds.
        """
        own, busy = own * 1000, busy * 1000
        with self._lock:
            self.calls += 1
            self.total += own
            self.total_busy += busy
            self._latest.append((own, busy))

    @property
    def median(self) -> float:
        """The median self time of a call, in ms."""
        return self._quantile(0, 0.5)

    @property
    def p95(self) -> float:
        """The self time that 95 of 100 calls do not exceed, in ms."""
        return self._quantile(0, 0.95)

    @property
    def busy(self) -> float:
        """The median loop-busy time of a call, in ms."""
        return self._quantile(1, 0.5)

    def _quantile(self, column: int, share: float) -> float:
        with self._lock:
            ordered = sorted(call[column] for call in self._latest)
        return round(ordered[math.ceil(share * len(ordered)) - 1], 6) if ordered else 0.0
