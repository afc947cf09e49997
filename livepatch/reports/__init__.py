"""What the verbs answer: data, and its text and HTML form."""

from __future__ import annotations

from .diff import diff
from .foreign import foreign
from .journal import JournalReport
from .patches import patches
from .report import Answer, Report
from .trace import end_trace, trace, traced
from .where import where

__all__ = [
    "Answer",
    "JournalReport",
    "Report",
    "diff",
    "end_trace",
    "foreign",
    "patches",
    "trace",
    "traced",
    "where",
]
