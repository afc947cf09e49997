"""How a path is written in a message: on one line, with nothing in it that a terminal obeys.

The name of a file may hold newlines and escape sequences, and whoever can make a file chooses it.
"""

from __future__ import annotations

import os
import shlex

from livepatch.engine.shown import shown


def typed(path: str | os.PathLike[str]) -> str:
    r"""A path as it can be typed in a shell.

    Example:
        >>> print(typed("/a folder"), typed("a\x1bb"))
        '/a folder' $'a\x1bb'
    """
    text = os.fspath(path)
    if text.isprintable():
        return shlex.quote(text)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{''.join(c if c.isprintable() else _typed_character(c) for c in quoted)}'"


def _typed_character(character: str) -> str:
    """As the bytes that it has in the name of a file."""
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


__all__ = ["shown", "typed"]
