"""The answer line: what a verb did, and what it could not reach."""

from __future__ import annotations

from .shown import shown

DONE = {
    "replace": "replaced",
    "wrap": "wrapped",
    "before": "put a hook before",
    "after": "put a hook after",
    "filter_args": "filtered the arguments of",
    "filter_result": "filtered the result of",
    "adopt": "adopted",
}


class AnswerLine(str):
    """A line of text that a notebook shows as it is, without quotes.

    Example:
        >>> AnswerLine("restored textwrap.dedent")
        restored textwrap.dedent
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def answer(*facts: str) -> AnswerLine:
    """The facts of an answer on one line, what was done first.

    Example:
        >>> answer("restored textwrap.dedent", "1 layer taken off")
        restored textwrap.dedent · 1 layer taken off
    """
    return AnswerLine(shown(" · ".join(facts)))
