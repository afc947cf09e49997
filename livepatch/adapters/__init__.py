"""What livepatch knows of each webui: one adapter for each flavor."""

from __future__ import annotations

from .base import Host

__all__ = ["Host"]
