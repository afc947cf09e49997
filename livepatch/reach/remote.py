"""A script into another process by Python itself, from 3.14 on."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
PTRACE_EVENT_STOP = 128
WALL = 0x40000000
PATIENCE = 1.0  # seconds until a thread that the system does not let go of is left to it


def run_script(pid: int, script: str) -> None:
    """Have the main thread of a process run a script, as soon as it runs Python code.

    Args:
        pid: the process.
        script: the path.

    Raises:
        OSError, RuntimeError, NotImplementedError: it cannot be done.
    """
    sys.remote_exec(pid, script)  # type: ignore[attr-defined,unused-ignore]
    if sys.platform == "linux":
        # In a thread, whose end lets go of the process whatever happens.
        waking = threading.Thread(target=_wake, args=(pid,), daemon=True)
        waking.start()
        waking.join()


def _wake(pid: int) -> None:
    """Have a main thread look around that waits in ``epoll_wait``, as asyncio's loop does.

    An idle loop waits for ever. The call ends with EINTR when a debugger has stopped the thread for
    a moment, and Python then looks for what it has to do, and waits again. No signal is sent, and
    neither a shell nor another parent sees the process stop. Most other calls go on inside Linux.
    """
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    ptrace.restype = ctypes.c_long
    if ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        return  # a debugger is at it, or we may not: it runs the script when it wakes by itself
    ptrace(PTRACE_INTERRUPT, pid, None, None)
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            stopped, status = os.waitpid(pid, WALL | os.WNOHANG)
            if stopped:
                # A signal that came at the same moment goes on to the process.
                signaled = status >> 16 != PTRACE_EVENT_STOP and os.WIFSTOPPED(status)
                number = os.WSTOPSIG(status) if signaled else 0
                ptrace(PTRACE_DETACH, pid, None, number)
                return
            time.sleep(0.0002)
    except ChildProcessError:
        return  # it has ended
