"""The magics of the webui itself: where the notebook is, and cells on the webui's own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    no_var_expand,
    output_can_be_silenced,
)
from IPython.core.magic_arguments import magic_arguments, parse_argstring

from livepatch.hosts.loops import webui_loop
from livepatch.hosts.overview import overview
from livepatch.kernel.webui_loop import loops_of, run_on_loop

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class Webui(Magics):
    """Look at the webui from the notebook, and run code where the webui runs its own."""

    shell: InteractiveShell

    @magic_arguments()
    @no_var_expand
    @output_can_be_silenced
    @line_cell_magic
    def webui(self, line: str, cell: str | None = None) -> Any:
        """Where am I: the webui that this kernel lives in, and what can be done there.

        With a cell: run it on the webui's own event loop, where ``await`` works on what belongs to
        that loop (its locks, queues, clients). Stop ends it at its next ``await``::

            %%webui
            import asyncio
            [task.get_name() for task in asyncio.all_tasks()]
        """
        parse_argstring(self.webui, line)
        if cell is None:
            return overview()
        if not cell.strip():
            raise UsageError("%%webui needs a cell")
        found = webui_loop(not_these=loops_of(self.shell))
        return run_on_loop(self.shell, found.loop, "%%webui", cell)
