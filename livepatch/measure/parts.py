"""The calls that one recording has recorded, by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.changing.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .part import Part


class Recording:
    """The parts of one recording by what their calls are noted under.

    Attributes:
        parts: in the order of their first calls.
    """

    def __init__(self) -> None:
        self.parts: dict[Hashable, Part] = {}
        self._lock = Lock()

    def part(self, key: Hashable, make: Callable[[], Part]) -> Part:
        """The part of a key; made at its first call."""
        part = self.parts.get(key)
        if part is None:
            with self._lock:
                part = self.parts.setdefault(key, make())
        return part
