"""Completes the arguments of the magics for the Tab key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine.naming.completion import targets_beginning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from IPython.core.interactiveshell import InteractiveShell

    Completer: TypeAlias = Callable[[InteractiveShell, Any], list[str]]
    Completers: TypeAlias = Mapping[str, Completer]


def complete_target(shell: InteractiveShell, event: Any) -> list[str]:
    """Targets, and after the target the functions of the notebook.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    words = event.line.split()
    begun = bool(event.symbol)
    if len(words) - begun > 1:
        return [name for name, value in shell.user_ns.items() if _is_notebooks(shell, value)]
    return targets_beginning(event.symbol)


def complete_looking(shell: InteractiveShell, event: Any) -> list[str]:
    """Targets for the magics that look at one, and their options.

    Args:
        shell: the shell that asks.
        event: IPython's completion event.
    """
    magic, *words = event.line.split()
    given = words[:-1] if event.symbol else words
    function = shell.find_line_magic(magic.lstrip("%"))
    actions = getattr(function, "parser", None)
    options = [o for action in getattr(actions, "_actions", ()) for o in action.option_strings]
    offered = [o for o in options if o not in given and o not in ("-h", "--help")]
    takes_target = any(not action.option_strings for action in getattr(actions, "_actions", ()))
    if event.symbol.startswith("-"):
        return [o for o in offered if o.startswith(event.symbol)]
    if takes_target and all(word.startswith("-") for word in given):
        return targets_beginning(event.symbol)
    return offered


def _is_notebooks(shell: InteractiveShell, value: object) -> bool:
    return getattr(value, "__globals__", None) is shell.user_global_ns
