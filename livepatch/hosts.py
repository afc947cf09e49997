"""Where 0.1 had :class:`livepatch.adapters.Host`, for adapters that were written for it."""

from __future__ import annotations

from livepatch.adapters import Host

__all__ = ["Host"]
