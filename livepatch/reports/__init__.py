"""What the verbs answer: data, and its text and HTML form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.on_demand import on_demand

if TYPE_CHECKING:
    from .calls import end_trace, trace, traced
    from .differences import diff
    from .found import where
    from .layers import patches
    from .others import foreign
    from .report import Answer, Report

__all__ = [
    "Answer",
    "Report",
    "diff",
    "end_trace",
    "foreign",
    "patches",
    "trace",
    "traced",
    "where",
]

_HOMES = {
    ".calls": ("end_trace", "trace", "traced"),
    ".differences": ("diff",),
    ".found": ("where",),
    ".layers": ("patches",),
    ".others": ("foreign",),
    ".report": ("Answer", "Report"),
}
__getattr__ = on_demand(__name__, _HOMES)
