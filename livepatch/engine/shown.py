"""Shows a text that others have chosen, with nothing in it that a terminal would obey.

Whoever can make a file, a module or an error chooses its name or its words: a newline in them
forges a line of ours, an escape sequence clears the screen or renames the window, a character that
turns the direction of writing shows one path and means another, half of a surrogate pair cannot be
printed at all.
"""

from __future__ import annotations

import os

LINES = "\n\t"
"""What a text of several lines keeps."""


def shown(text: str | os.PathLike[str], *, keep: str = "") -> str:
    r"""A text, or a path, in which what Python calls not printable is escaped as Python does it.

    Args:
        text: the text.
        keep: characters that stay as they are: ``LINES`` for a text of several lines.

    Example:
        >>> print(shown("a\nb\x1b[2J"))
        a\nb\x1b[2J
    """
    text = os.fspath(text)
    if text.isprintable():  # most are, and tables have thousands of cells
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
