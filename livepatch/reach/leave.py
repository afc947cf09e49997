"""Takes the kernel out of a webui from outside."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING

from livepatch.errors import LivepatchError
from livepatch.processes.process import is_alive

from .hearing import require_answer
from .webuis import client_of

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

    from .webuis import Webui

DETACH = "__import__('livepatch').detach()"
PATIENCE = 2.0  # seconds that a running cell may take to end before it is interrupted


def detach_webui(webui: Webui, timeout: float = 15.0) -> None:
    """Take the kernel out of a webui and restore everything that livepatch changed in it.

    A cell that is running is interrupted.

    Args:
        webui: the webui; it runs on.
        timeout: how long to wait for it, in seconds.

    Raises:
        KernelSilent: its kernel gives no answer.
        LivepatchError: not everything could be restored, or the kernel did not end in time.
    """
    require_answer(webui, f"detach from {webui}")
    client = client_of(webui)
    client.start_channels(stdin=False, hb=False, iopub=False)
    try:
        _ask_until_it_ends(client, webui, timeout)
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)


def _ask_until_it_ends(client: BlockingKernelClient, webui: Webui, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not _asked(client, webui) and webui.is_running:
        if time.monotonic() > deadline:
            raise LivepatchError(
                f"detach from {webui}",
                f"its kernel gave no answer within {timeout:.0f} s: a cell is still running",
                "the kernel ends by itself when that cell ends",
            )
    while webui.connection_file.exists() and is_alive(webui.pid, webui.started):
        time.sleep(0.02)


def _asked(client: BlockingKernelClient, webui: Webui) -> bool:
    """Ask once; False when a running cell was in the way and has been interrupted."""
    request = client.execute(DETACH, silent=True, store_history=False, allow_stdin=False)
    try:
        reply = client.get_shell_msg(timeout=PATIENCE)
    except queue.Empty:
        client.control_channel.send(client.session.msg("interrupt_request", {}))
        return False
    content = reply["content"]
    if content["status"] == "error":
        raise LivepatchError(
            f"detach from {webui}",
            f"{content['ename']}: {content['evalue']}",
            f"livepatch exec {webui.pid} -c '%patches' shows what is left",
        )
    return bool(content["status"] == "ok" and request)
