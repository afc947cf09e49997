"""Parsing source text beside other threads that parse."""

from __future__ import annotations

import ast

_ATTEMPTS = 20


def parse(source: str | bytes) -> ast.Module:
    """``ast.parse``, also while another thread parses.

    CPython 3.11 counts the depth of nested nodes for all threads in one place. Where a garbage
    collection in the middle lets another thread go on, and that one parses too, one of the two
    gets a ``SystemError`` about text that is sound (cpython #106905).

    Raises:
        SyntaxError: the text is no Python.
        ValueError: it has null bytes.

    Example:
        >>> type(parse("a = 1").body[0]).__name__
        'Assign'
    """
    for _ in range(_ATTEMPTS):
        try:
            return ast.parse(source)
        except SystemError:
            continue
    return ast.parse(source)
