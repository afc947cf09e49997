"""The small process of ``companions.py``; standard library only, it is run by its path."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

PATIENCE = 10.0  # seconds between asking a process to end and ending it


def main() -> None:
    """Read pids; end those processes when the pipe is closed before anyone said "done"."""
    pids = []
    for line in sys.stdin:
        if line.strip() == "done":
            return
        pids.append(int(line))
    for pid in pids:
        _signal(pid, signal.SIGTERM)
    if sys.platform == "win32":
        return  # SIGTERM is TerminateProcess there
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(_signal(pid, 0) for pid in pids):
        time.sleep(0.05)
    for pid in pids:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, number)
        return True
    return False


if __name__ == "__main__":
    main()
