"""The journal of every change; undo, redo and replay."""

from __future__ import annotations

from .entry import Entry
from .journal import Journal, journal, redo, undo

__all__ = ["Entry", "Journal", "journal", "redo", "undo"]
