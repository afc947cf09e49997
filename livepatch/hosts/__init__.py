"""The adapters: one for each flavor of webui, and the search for the one we live in."""

from __future__ import annotations

from .base import Host
from .detect import adapters, host

__all__ = ["Host", "adapters", "host"]
