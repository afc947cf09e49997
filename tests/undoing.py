"""A mend, and the text that stands there without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Undoing:
    """One mend, undone.

    Attributes:
        file: of the package, ``kernel/app.py``.
        mend: its text there.
        without: the text that stands there without the mend.
        tests: each ``FILE::TEST``, without ``tests/`` and ``.py``; every one fails.
    """

    file: str
    mend: str
    without: str
    tests: tuple[str, ...]


def undo(file: str, mend: str, without: str, *tests: str) -> Undoing:
    """A mend, undone; see :class:`Undoing`."""
    return Undoing(file, mend, without, tests)
