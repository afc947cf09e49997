"""What the verbs answer: data, and its text and HTML form."""

from __future__ import annotations

from .patches import patches
from .report import Answer, Report

__all__ = ["Answer", "Report", "patches"]
