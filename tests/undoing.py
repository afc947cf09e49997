"""A fix, and the text that stands there without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Undoing:
    """One fix, undone.

    Attributes:
        file: of the package, ``kernel/app.py``.
        fix: its text there.
        without: the text that stands there without the fix.
        tests: each ``FILE::TEST``, without ``tests/`` and ``.py``; every one fails.
    """

    file: str
    fix: str
    without: str
    tests: tuple[str, ...]


def undo(file: str, fix: str, without: str, *tests: str) -> Undoing:
    """A fix, undone; see :class:`Undoing`."""
    return Undoing(file, fix, without, tests)
