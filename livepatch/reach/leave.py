"""Takes the kernel out of a webui from outside."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from livepatch.errors import LivepatchError
from livepatch.reach.process import is_alive
from livepatch.reach.webuis import client_of

if TYPE_CHECKING:
    from livepatch.reach.webuis import Webui

# A cell cannot wait for the end of the kernel that runs it: the detaching has a thread of its own.
DETACH = "__import__('threading').Thread(target=__import__('livepatch').detach).start()"


def detach_webui(webui: Webui, timeout: float = 15.0) -> None:
    """Take the kernel out of a webui and restore everything that livepatch changed in it.

    Args:
        webui: the webui; it runs on.
        timeout: how long to wait for it, in seconds.

    Raises:
        LivepatchError: the kernel was still there after that time.
    """
    client = client_of(webui)
    client.start_channels(stdin=False, hb=False, iopub=False)
    try:
        client.execute(DETACH, silent=True, store_history=False, allow_stdin=False)
        deadline = time.monotonic() + timeout
        while webui.connection_file.exists():
            if not is_alive(webui.pid, webui.started):
                return
            if time.monotonic() > deadline:
                raise LivepatchError(
                    f"detach from {webui}",
                    f"its kernel did not end within {timeout:.0f} s; a cell may be running in it",
                    "interrupt that cell in its notebook; the kernel then ends by itself",
                )
            time.sleep(0.05)
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
