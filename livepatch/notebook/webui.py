"""The magics of the webui itself: where the notebook is, cells on the webui's own loop, a start."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    no_var_expand,
    output_can_be_silenced,
)
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.utils.process import arg_split  # type: ignore[attr-defined,unused-ignore]

from livepatch.errors import NotAttached
from livepatch.kernel import running_kernel
from livepatch.kernel.webui_loop import loops_of, run_on_loop
from livepatch.reports import Answer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class LivepatchWebuiMagics(Magics):
    """Look at the webui from the notebook, and run code where the webui runs its own."""

    shell: InteractiveShell

    @magic_arguments()
    @argument(
        "action",
        nargs="?",
        choices=["start", "debugger"],
        help="start a webui inside this notebook; turn JupyterLab's debugger on or off",
    )
    @argument(
        "arguments",
        nargs=argparse.REMAINDER,
        help="of start: SCRIPT or -m MODULE, then the script's own arguments; of debugger: on, off",
    )
    @no_var_expand
    @output_can_be_silenced
    @line_cell_magic
    def webui(self, line: str, cell: str | None = None) -> Any:
        """Where am I: the webui that this kernel lives in, and what can be done there.

        ``%webui start SCRIPT [ARGS]``, in an ordinary notebook, starts a webui inside this kernel's
        process, so that every verb works on it, for example
        ``%webui start -m livepatch.demo --port 0``.

        ``%webui debugger on``, in a webui's kernel, lets JupyterLab stop at breakpoints in the
        webui's code, with every thread of the webui; ``%webui debugger off`` ends that.

        With a cell: run it on the webui's own event loop, where ``await`` works on what belongs to
        that loop (its locks, queues, clients). Stop ends it at its next ``await``::

            %%webui
            import asyncio
            [task.get_name() for task in asyncio.all_tasks()]
        """
        args = parse_argstring(self.webui, line)
        if cell is not None:
            if args.action:
                raise UsageError("%%webui takes no arguments; %webui start has no cell")
            from livepatch.web.loops import webui_loop

            found = webui_loop(not_these=loops_of(self.shell))
            return run_on_loop(self.shell, found.loop, "%%webui", cell)
        if args.action is None:
            from livepatch.this_webui.overview import overview

            return overview()
        if args.action == "debugger":
            return Answer(self._debugger(args.arguments))
        from livepatch.reach.start import start_webui

        words = arg_split(line, posix=os.name == "posix")[1:]  # quotes end where they do in a shell
        module = words[:1] == ["-m"]
        if len(words) == module:
            raise UsageError("%webui start needs a SCRIPT, or -m MODULE")
        script, *arguments = words[module:]
        return Answer(start_webui(self.shell, script, arguments, module=module))

    def _debugger(self, words: list[str]) -> str:
        if words not in (["on"], ["off"]):
            raise UsageError("%webui debugger needs on or off")
        running = running_kernel()
        if running is None:
            raise NotAttached(
                f"%webui debugger {words[0]}",
                "this is an ordinary notebook kernel, which has JupyterLab's own debugger",
                "use the bug button; breakpoints in the webui's files work there too",
            )
        debugger = running.kernel.webui_debugger
        answer: str = debugger.turn_on() if words == ["on"] else debugger.turn_off()
        return answer
