"""The situations in which the engine refuses, each an error of three lines.

The rule for every message (after pluggy's habit): what you asked, what was found (with file:line),
what to type next.

Copies of the engine in one process raise errors of the same classes, those of the copy that came
first: a stack may be of another copy than the verb that meets its refusal.
"""

from __future__ import annotations

import sys
from types import ModuleType

from .shown import shown

SHARED_NAME = "_livepatch_errors_1"  # to be raised with what an error is made of


class LivepatchError(Exception):
    """Base class of every error a user of livepatch can meet.

    Args:
        asked: what the user asked for, in the user's own words.
        found: what was found instead, with ``file:line`` where there is one.
        advice: what to type next.

    Example:
        >>> print(LivepatchError("replace app.greet", "app has no greet", "try app.greeting"))
        replace app.greet
        app has no greet
        try app.greeting
    """

    def __init__(self, asked: str, found: str, advice: str) -> None:
        super().__init__(asked, found, advice)
        self.asked = _one_line(asked)
        self.found = _one_line(found)
        self.advice = _one_line(advice)

    def __str__(self) -> str:
        return f"{self.asked}\n{self.found}\n{self.advice}"

    def _render_traceback_(self) -> list[str]:
        """The three lines: IPython shows these instead of a traceback."""
        first, *rest = str(self).splitlines()
        return [f"{type(self).__name__}: {first}", *rest]


def _one_line(text: str) -> str:
    """A text without its line breaks, and without what a terminal obeys: it may quote an error."""
    return text if text.isprintable() else shown(" ".join(text.split()))


class TargetNotFound(LivepatchError, LookupError):
    """No function of that name exists in the modules that the webui has loaded."""


class PatchRefused(LivepatchError):
    """The change could not take effect, or could not be undone exactly, and was not made."""


class ForeignChange(LivepatchError):
    """Someone else changed the target since livepatch did; it was left untouched."""


def is_refusal(error: BaseException) -> bool:
    """Whether an error is a LivepatchError, of this copy of the engine or of another.

    Example:
        >>> is_refusal(PatchRefused("asked", "found", "advice"))
        True
    """
    return all(hasattr(error, part) for part in ("asked", "found", "advice"))


_shared = vars(sys.modules.setdefault(SHARED_NAME, ModuleType(SHARED_NAME)))
for _cls in (LivepatchError, TargetNotFound, PatchRefused, ForeignChange):
    globals()[_cls.__name__] = _shared.setdefault(_cls.__name__, _cls)
