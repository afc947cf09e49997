"""Where the time goes: calls are timed while a recording wants it, and cost nothing otherwise."""

from __future__ import annotations

from .calls import timed
from .meter import Meter
from .part import Part
from .recording import Timing, end_every_timing

__all__ = ["Meter", "Part", "Timing", "end_every_timing", "timed"]
