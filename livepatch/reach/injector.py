"""Puts one line of Python into another process, by hypno; a program of its own.

A debugger's call into a process stops its main thread wherever that is. In the middle of a memory
allocation the injected code could wait for a lock that the stopped thread holds, forever. So the
thread is let go again, and caught again, until it is caught while it waits for the system.

A program of its own, because the call only returns when the line has run, and because ending the
caller (Ctrl-C) must not end the call: the process would be left in the middle of it, and die. It
gives up between two tries when the caller has ended or closed its pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.processes.process import is_alone

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0  # seconds
BETWEEN_TRIES = 0.003  # seconds
NEVER_AT_REST, NOT_PERMITTED, FAILED = 3, 4, 5  # exit codes
PACKAGES = Path(__file__).resolve().parents[2]  # where this livepatch was found

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


def load_at_rest(
    pid: int, library: str, check: Callable[[], None], *, uninject: bool = False
) -> Any:
    """Load a library into a process when it is at rest.

    Args:
        pid: the process.
        library: its path.
        check: raises why it is not wanted any more.
        uninject: whether it is taken out again.

    Raises:
        TimeoutError: it never was at rest.
    """
    from pyinjector import attach  # type: ignore[import-untyped,unused-ignore]

    deadline = time.monotonic() + PATIENCE
    while True:
        with attach(pid) as injector:
            check()
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


class _Failed(Exception):
    """It was not loaded: an exit code, and what was said."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code, self.said = code, said


def start(pid: int, told: dict[str, Any], helper: int | None = None) -> subprocess.Popen[str]:
    """Start this program; it gives up when its stdin is closed.

    Args:
        pid: the process.
        told: ``{"line": …}``, what is injected; with ``"helper"`` the descriptor of a socket over
            which somebody else is asked to load the library. Or ``{"library": …}``, the library to
            load if the process is still that of ``"user"`` which was started at ``"started"``.
        helper: that descriptor, again.

    Returns:
        The running program.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PACKAGES,  # -m looks for modules there first: root may stand in anybody's folder
        start_new_session=True,
        pass_fds=[] if helper is None else [helper],
    )
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it has ended already: its exit code tells why
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
    return process


def stop(process: subprocess.Popen[str]) -> None:
    """Have it give up, unless it is in the middle of it."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()


def main() -> int:
    """Do what the first line on stdin says to the process of the given pid; the exit code."""
    pid, line = int(sys.argv[1]), sys.stdin.readline()
    if not line.endswith("\n"):
        return FAILED  # who asked was killed in the middle of it
    told = json.loads(line)
    given_up = threading.Event()
    threading.Thread(target=_wait_for_end, args=(given_up,), daemon=True).start()

    def check() -> None:
        if given_up.is_set():
            raise _Failed(FAILED, "it was given up")
        if "user" in told and not is_alone(pid, told["user"], told["started"]):
            raise _Failed(NOT_PERMITTED, "it now belongs to another user")

    try:
        if "library" in told:
            _loading(lambda: load_at_rest(pid, told["library"], check, uninject=True))
        else:
            _inject(pid, told, check)
    except _Failed as failed:
        print(failed.said, end="")
        return failed.code
    return 0


def _inject(pid: int, told: dict[str, Any], check: Callable[[], None]) -> None:
    import hypno.api  # type: ignore[import-untyped,unused-ignore]

    def load(pid: int, library: str, uninject: bool = False) -> Any:
        if told.get("helper") is not None:
            return _ask_helper(told["helper"], library)
        return load_at_rest(pid, library, check, uninject=uninject)

    hypno.api.inject = load
    # The copy of the library holds the line, and with it a key: for this user's eyes.
    _loading(lambda: hypno.api.inject_py(pid, told["line"], permissions=0o700))


def _loading(load: Callable[[], object]) -> None:
    from pyinjector import PyInjectorError

    try:
        load()
    except TimeoutError:
        raise _Failed(NEVER_AT_REST, "") from None
    except (PyInjectorError, OSError) as error:
        refused = getattr(error, "ret_val", 0) == -8 or isinstance(error, PermissionError)
        said = " ".join(str(error).split())
        raise _Failed(NOT_PERMITTED if refused else FAILED, said) from error


def _ask_helper(descriptor: int, library: str) -> None:
    with socket.socket(fileno=descriptor) as helper, helper.makefile("rw") as stream:
        stream.write(json.dumps({"library": library}) + "\n")
        stream.flush()
        answer = json.loads(stream.readline() or "{}")
    if answer.get("code") != 0:
        raise _Failed(int(answer.get("code", FAILED)), str(answer.get("said", "it was given up")))


def _wait_for_end(ended: threading.Event) -> None:
    os.read(sys.stdin.fileno(), 1)
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
