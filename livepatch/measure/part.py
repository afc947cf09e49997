"""One thing whose calls are timed, and the figures of its calls."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from livepatch.engine.changing.locks import Lock

KEPT = 10_000  # the latest calls, of which median and 95th percentile are taken
MOST_NEW = 500  # that wait to be counted


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
    _calls: int = field(default=0, repr=False)
    _total: float = field(default=0.0, repr=False)
    _total_busy: float = field(default=0.0, repr=False)
    _new: deque[tuple[float, float]] = field(default_factory=deque, repr=False)
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
        # Without a lock, whose two calls are most of what a note takes: these are atomic.
        self._new.append((own, busy))
        if len(self._new) > MOST_NEW:
            self._settle()

    def _settle(self) -> None:
        """Count the calls that are new."""
        new = self._new
        with self._lock:  # nobody else takes any: as many as there are now will be there
            taken = [new.popleft() for _ in range(len(new))]
            self._calls += len(taken)
            self._total += sum(own for own, _ in taken)
            self._total_busy += sum(busy for _, busy in taken)
            self._latest.extend(taken)

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        self._settle()
        return self._calls

    @property
    def total(self) -> float:
        """The self time of all calls, in ms."""
        self._settle()
        return self._total * 1000

    @property
    def total_busy(self) -> float:
        """The loop-busy time of all calls, in ms."""
        self._settle()
        return self._total_busy * 1000

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
        self._settle()
        with self._lock:
            ordered = sorted(call[column] for call in self._latest)
        seconds = ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0
        return round(seconds * 1000, 6)
