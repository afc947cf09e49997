"""What the verbs answer: data, and its text and HTML form."""

from __future__ import annotations

from .report import Answer, Report

__all__ = ["Answer", "Report"]
