"""The names that 0.1 had for adapters, for those that were written for it."""

from __future__ import annotations

from .base import Host

__all__ = ["Host"]
