# mypy: disable-error-code="attr-defined,no-untyped-call,unused-ignore"
# ipykernel and IPython are typed in part, and in each version differently.
"""``redirect_stdout`` and ``%%capture`` of a cell take the cell's output, not the whole process's.

Both assign ``sys.stdout``, and so would take what the webui prints meanwhile. In a cell the
redirection is told to the router instead, which hands over what cells print.
"""

from __future__ import annotations

import contextlib
from io import StringIO
from typing import TYPE_CHECKING, Any

from .context import in_cell
from .dispatch import method_in_cells
from .streams import redirect

if TYPE_CHECKING:
    from collections.abc import Callable


def capture_in_cells(shell: Any) -> Callable[[], None]:
    """Let the redirections that cells make concern what cells print.

    Args:
        shell: the shell whose results ``%%capture`` takes.

    Returns:
        A callable that takes this back.
    """
    from IPython.utils.capture import CapturedIO, capture_output

    redirection: Any = contextlib._RedirectStream

    def enter_capture(self: Any) -> Any:
        outputs = None
        self.before = {}
        for name in ("stdout", "stderr"):
            if getattr(self, name):
                self.before[name] = redirect(name, target := StringIO()), target
        if self.display:
            outputs = shell.begin_capture()
        stdout, stderr = (self.before.get(name, (None, None))[1] for name in ("stdout", "stderr"))
        return CapturedIO(stdout, stderr, outputs)

    def exit_capture(self: Any, *_exception: object) -> None:
        for name, (before, _) in self.before.items():
            redirect(name, before)
        if self.display:
            shell.end_capture()

    undone = [
        method_in_cells(redirection, "__enter__", _enter_redirection, in_cell),
        method_in_cells(redirection, "__exit__", _exit_redirection, in_cell),
        method_in_cells(capture_output, "__enter__", enter_capture, in_cell),
        method_in_cells(capture_output, "__exit__", exit_capture, in_cell),
    ]

    def undo() -> None:
        for put_back in undone:
            put_back()

    return undo


def _enter_redirection(self: Any) -> Any:
    self._old_targets.append(redirect(self._stream, self._new_target))
    return self._new_target


def _exit_redirection(self: Any, *_exception: object) -> None:
    redirect(self._stream, self._old_targets.pop())
