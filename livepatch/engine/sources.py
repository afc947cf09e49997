"""Source text: of functions in files, and of code that came from a cell and lies in no file."""

from __future__ import annotations

import inspect
import linecache
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

# Text that was given to us, by the file name its code objects carry. linecache forgets it on
# clearcache(), we do not.
_texts: dict[str, str] = {}


def remember(filename: str, text: str) -> None:
    """Make tracebacks and ``inspect.getsource`` find a text that lies in no file.

    Args:
        filename: the name that the text was compiled with.
        text: the whole source text.
    """
    _texts[filename] = text
    _register(filename)


def _register(filename: str) -> None:
    text = _texts[filename]
    # Without a modification time, linecache.checkcache() takes the entry for a loader's and leaves
    # it alone.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)


def source_of(function: Callable[..., object] | CodeType) -> str | None:
    """The source text of a function as it runs now, dedented; None where it cannot be had.

    Example:
        >>> source_of(len) is None
        True
    """
    code = getattr(function, "__code__", function)
    filename = getattr(code, "co_filename", None)
    if filename in _texts and filename not in linecache.cache:
        _register(filename)
    try:
        # The code object, not the function: inspect would follow __wrapped__ to the code of
        # another.
        return textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError, IndexError):
        return None


def place(thing: object) -> str:
    """``file:line`` of a function, code object, class or module, or else what it is.

    Example:
        >>> place(len)
        'built in'
    """
    code = getattr(thing, "__code__", thing)
    if inspect.iscode(code) and code.co_filename in _texts:
        return f"the cell, line {code.co_firstlineno}"
    if inspect.iscode(code):
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        filename = inspect.getsourcefile(thing) or inspect.getfile(thing)  # type: ignore[arg-type]
    except (TypeError, OSError):
        return "built in"
    if inspect.ismodule(thing):
        return str(filename)
    try:
        return f"{filename}:{inspect.getsourcelines(thing)[1]}"  # type: ignore[arg-type]
    except (OSError, TypeError, IndexError):
        return str(filename)
