"""What the Tab key offers after our magics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine.completion import targets_beginning

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


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


def _is_notebooks(shell: InteractiveShell, value: object) -> bool:
    return getattr(value, "__globals__", None) is shell.user_global_ns
