"""The terminal console of ``livepatch console``: Jupyter's, whose Ctrl-C always gets through.

jupyter_console interrupts the kernel inside its signal handler, by jupyter_core's ``run_sync``.
That takes a lock (``_TaskRunner.run``) which the main thread itself holds where the signal meets it
in another ``run_sync``: then the console waits for itself for good. It was so after 5 and after 22
Ctrl-C that came together with output. Here the handler only puts a word into a queue, and a thread
asks the kernel.
"""

from __future__ import annotations

import queue
import threading
from typing import Any

from jupyter_console.app import ZMQTerminalIPythonApp


class Console(ZMQTerminalIPythonApp):
    """Jupyter's console, whose signal handler takes no lock."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._interrupts: queue.SimpleQueue[None] = queue.SimpleQueue()  # put() is reentrant
        threading.Thread(target=self._interrupt, name="interrupts", daemon=True).start()

    def handle_sigint(self, *args: Any) -> None:
        """Have the running cell interrupted; without one, as Jupyter has it: a new prompt."""
        if self.shell._executing and self.kernel_manager:
            self._interrupts.put(None)
        else:
            super().handle_sigint(*args)

    def _interrupt(self) -> None:
        while True:
            self._interrupts.get()
            self.kernel_manager.interrupt_kernel()


if __name__ == "__main__":
    Console.launch_instance()
