"""Where a function whose result nobody gets writes down that it ran, wherever it was written."""

from __future__ import annotations

seen: list[str] = []

NOTES = """
from holding_kinds.notes import seen
def f(*args, **kwargs):
    seen.append("old")
"""


def noted(act):
    """What was written down while something acted."""

    def call():
        seen.clear()
        act()
        return list(seen)

    return call
