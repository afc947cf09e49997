"""Has its own name for the function."""

from __future__ import annotations

from doors import answer


def call() -> str:
    return answer()
