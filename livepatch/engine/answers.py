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

    Attributes:
        facts: what it consists of: what was done, then what has to be said of it.

    Example:
        >>> line = AnswerLine("restored textwrap.dedent", "1 layer taken off")
        >>> line
        restored textwrap.dedent · 1 layer taken off
        >>> line.facts[1]
        '1 layer taken off'
    """

    __slots__ = ("facts",)
    facts: tuple[str, ...]

    def __new__(cls, *facts: str) -> AnswerLine:
        """Join the facts to a line."""
        line = super().__new__(cls, shown(" · ".join(facts)))
        line.facts = facts
        return line

    def __str__(self) -> str:
        return self  # with its facts, which `str` would leave behind

    __repr__ = __str__


class Caution(str):
    """A fact that the user has to know: a notebook does not show it more quietly than the rest.

    Example:
        >>> answer("replaced mod.f", Caution("`gren` is defined nowhere yet")).facts[1]
        '`gren` is defined nowhere yet'
    """

    __slots__ = ()


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun, and with the verb that goes with it.

    Args:
        number: how many.
        one: what follows a 1.
        several: what follows any other number; default: ``one`` with an s.

    Example:
        >>> counted(1, "layer"), counted(3, "layer"), counted(1, "layer stays", "layers stay")
        ('1 layer', '3 layers', '1 layer stays')
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def answer(*facts: str) -> AnswerLine:
    """The facts of an answer on one line, what was done first.

    Example:
        >>> answer("restored textwrap.dedent", "1 layer taken off")
        restored textwrap.dedent · 1 layer taken off
    """
    return AnswerLine(*facts)
