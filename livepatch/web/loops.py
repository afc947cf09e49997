"""Finds the webui's event loop: the one that owns the listening server.

uvicorn's servers (Gradio's is one) are found on the stacks of their threads. Of other loops the
sockets are looked at that they wait for: who listens on one, serves. uvloop shows no sockets; there
the main thread's loop is the best guess.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported

from .servers import RunningLoop, running_loops, serving_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

# The threads in which ipykernel and livepatch run loops of their own.
_KERNEL_THREADS = frozenset({"Control", "Heartbeat", "IOPub", "Shell channel", "livepatch-kernel"})


def webui_loop(not_these: Collection[asyncio.AbstractEventLoop] = ()) -> RunningLoop:
    """The loop on which the webui serves, and its thread.

    Args:
        not_these: loops that are known to be the notebook's.

    Returns:
        The loop; it never is the calling thread's.

    Raises:
        HostUnsupported: no loop runs in another thread, or the webui is served by the caller's.

    Example:
        >>> webui_loop().thread  # doctest: +SKIP
        <_MainThread(MainThread, started 140124071372480)>
    """
    serving = serving_loop()
    if serving is not None and not _is_kernels(serving):
        return _not_the_callers(serving)
    found = [
        candidate
        for candidate in running_loops()
        if candidate.loop not in not_these and not _is_kernels(candidate)
    ]
    listening = [candidate for candidate in found if _listens(candidate.loop)]
    if listening:
        return _not_the_callers(listening[0])
    here = threading.current_thread()
    others = sorted(
        (candidate for candidate in found if candidate.thread is not here),
        key=lambda candidate: candidate.thread is not threading.main_thread(),
    )
    if not others:
        raise HostUnsupported(
            "%%webui",
            f"no event loop runs in this webui; its main thread is in {_whereabouts()}",
            "leave %%webui out: cells then run in a thread of their own, beside the webui's",
        )
    return others[0]


def _not_the_callers(found: RunningLoop) -> RunningLoop:
    if found.thread is threading.current_thread():
        raise HostUnsupported(
            "%%webui",
            "the loop that runs the cells also serves the webui",
            "leave %%webui out: every cell of this notebook runs on that loop, and can use await",
        )
    return found


def _is_kernels(candidate: RunningLoop) -> bool:
    name = candidate.thread.name if candidate.thread is not None else ""
    return name in _KERNEL_THREADS or name.startswith("subshell-")


def _listens(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether one of the sockets that a selector loop waits for takes connections."""
    selector = getattr(loop, "_selector", None)
    # Copied in one step: its thread registers sockets all the time.
    registered: dict[int, Any] = dict(getattr(selector, "_fd_to_key", None) or {})
    return any(_takes_connections(descriptor) for descriptor in registered)


def _takes_connections(descriptor: int) -> bool:
    try:
        # A duplicate, so that closing it leaves the webui's own open.
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            return bool(duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:  # closed meanwhile, or no socket
        return False


def _whereabouts() -> str:
    """What the main thread runs, as ``function (file:line)``."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    if frame is None:
        return "no Python code"
    code = frame.f_code
    return f"{code.co_name} ({code.co_filename}:{frame.f_lineno})"
