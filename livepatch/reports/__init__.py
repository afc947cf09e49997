"""What the verbs answer: data, and its text and HTML form."""

from __future__ import annotations

from .foreign import foreign
from .patches import patches
from .report import Answer, Report

__all__ = ["Answer", "Report", "foreign", "patches"]
