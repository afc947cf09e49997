"""Reads the words of a magic's line as names and values of the notebook."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from livepatch.engine.errors import LivepatchError, TargetNotFound
from livepatch.files.untrusted import Unreadable, entries_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell


def unquoted(text: str) -> str:
    """A word without the quotes around it."""
    return shlex.split(text)[0] if text[:1] in "'\"" else text


def paths_below(word: str, *endings: str) -> list[str]:
    """What completes a word to a path: folders, and files that end in a certain way.

    Args:
        word: the word under the cursor.
        endings: of the files' names.

    Returns:
        Paths; without those that a terminal could not show as they are.
    """
    folder = Path(os.path.expanduser(word or "."))
    try:
        listed, _ = entries_of(folder if os.path.isdir(folder) else folder.parent)
    except Unreadable:
        return []
    return [
        str(Path(entry.path))
        for entry in listed
        if entry.path.isprintable() and (entry.name.endswith(endings) or os.path.isdir(entry.path))
    ]


def value_of(shell: InteractiveShell, magic: str, text: str) -> Any:
    """The value of a Python expression in the notebook.

    Raises:
        LivepatchError: it raised something.
    """
    try:
        return shell.ev(text)
    except Exception as error:
        raise LivepatchError(
            f"%{magic} … {text}",
            f"{text!r} raised {type(error).__name__}: {error}",
            "values are Python expressions; quote text: name='text'",
        ) from error


def app_of(shell: InteractiveShell, magic: str, text: str) -> Any:
    """An app that was named: by a dotted name in a loaded module, or a Python expression.

    Raises:
        LivepatchError: there is none of that name, or the expression raised.
    """
    if all(part.isidentifier() for part in text.split(".")):
        return named(shell, magic, text)
    return value_of(shell, magic, text)


def options_of(shell: InteractiveShell, magic: str, words: Sequence[str]) -> dict[str, Any]:
    """The keyword arguments that stand as ``OPTION=VALUE``.

    Raises:
        UsageError: a word is none.
        LivepatchError: a value cannot be had.
    """
    options = {}
    for text in words:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"%{magic}: {text!r} is not OPTION=VALUE")
        options[name] = value_of(shell, magic, value)
    return options


def named(shell: InteractiveShell, magic: str, name: str) -> Any:
    """A function or class of the notebook, or a dotted name in a loaded module.

    Raises:
        TargetNotFound: there is none of that name.
    """
    first, *rest = name.split(".")
    if first in shell.user_ns:
        found = _walk(shell.user_ns[first], rest)
        if found is not None:
            return found
    path = name.split(".")
    for length in range(len(path) - 1, 0, -1):
        loaded = sys.modules.get(".".join(path[:length]))
        found = _walk(loaded, path[length:]) if loaded is not None else None
        if found is not None:
            return found
    raise TargetNotFound(
        f"%{magic} … {name}",
        "neither the notebook nor a loaded module has that name",
        f"define or import {name.rpartition('.')[2]} in a cell first",
    )


def own_functions(shell: InteractiveShell) -> list[str]:
    """The names of the functions that the notebook has defined."""
    mine = shell.user_global_ns
    values = list(shell.user_ns.items())
    return [n for n, v in values if isinstance(v, FunctionType) and v.__globals__ is mine]


def _walk(found: Any, names: Sequence[str]) -> Any:
    for name in names:
        found = getattr(found, name, None)
    return found
