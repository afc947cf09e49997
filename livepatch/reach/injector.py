"""Puts one line of Python into another process, by hypno; a program of its own.

A debugger's call into a process stops its main thread wherever that is. In the middle of a memory
allocation the injected code could wait for a lock that the stopped thread holds, forever. So the
thread is let go again, and caught again, until it is caught while it waits for the system.

A program of its own, because the call only returns when the line has run, and because ending the
caller (Ctrl-C) must not end the call: the process would be left in the middle of it, and die.
"""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 10.0  # seconds
BETWEEN_TRIES = 0.003  # seconds
NEVER_AT_REST, NOT_PERMITTED, FAILED = 3, 4, 5  # exit codes

# System calls in which a thread waits and holds no lock of the C library: read, poll, select,
# nanosleep, accept, recv…, wait…, sigtimedwait, futex, epoll_wait and their younger forms.
WAITING_CALLS = {
    "x86_64": frozenset(
        {0, 7, 23, 34, 35, 43, 45, 47, 61, 128, 130, 202, 230, 232, 247, 270, 271, 281, 288, 441}
    ),
    "aarch64": frozenset(
        {22, 63, 72, 73, 95, 98, 101, 115, 133, 137, 202, 207, 212, 242, 260, 441}
    ),
}


def waits(call: str, machine: str) -> bool:
    """Whether a stopped thread was waiting for the system.

    Args:
        call: the line of ``/proc/PID/syscall``, empty where there is none.
        machine: as ``platform.machine()`` calls it.

    Returns:
        True also where the platform does not tell.
    """
    number = call.split(" ", 1)[0]
    known = WAITING_CALLS.get(machine)
    if known is None or not number:
        return number != "-1"
    return number.isdigit() and int(number) in known


def inject_at_rest(pid: int, library: str, uninject: bool = False) -> Any:
    """What hypno calls to load its library; it loads it when the process is at rest.

    Raises:
        TimeoutError: it never was.
    """
    from pyinjector import attach  # type: ignore[import-untyped,unused-ignore]

    deadline = time.monotonic() + PATIENCE
    while True:
        with attach(pid) as injector:
            if waits(_system_call(pid), platform.machine()):
                handle = injector.inject(library.encode())
                if uninject:
                    injector.uninject(handle)
                return handle
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(BETWEEN_TRIES)


def _system_call(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/syscall").read_text()
    except OSError:
        return ""


def main() -> int:
    """Inject what stands on stdin into the process of the given pid; answers the exit code."""
    import hypno.api  # type: ignore[import-untyped,unused-ignore]
    from pyinjector import PyInjectorError

    hypno.api.inject = inject_at_rest
    try:
        # The copy of the library holds the line, and with it a token: for this user's eyes.
        hypno.api.inject_py(int(sys.argv[1]), sys.stdin.read(), permissions=0o700)
    except TimeoutError:
        return NEVER_AT_REST
    except (PyInjectorError, OSError) as error:
        print(" ".join(str(error).split()), end="")
        refused = getattr(error, "ret_val", 0) == -8 or isinstance(error, PermissionError)
        return NOT_PERMITTED if refused else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
