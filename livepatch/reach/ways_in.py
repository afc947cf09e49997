"""The ways of one line of Python into another process: ``sys.remote_exec``, or hypno below 3.14.

Both write a file that the process reads: a script, or a library that holds the line. Under ``sudo``
the file is made as the process's user, and a :class:`Rights` holder, who stayed root, has the
process load it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import sys
from typing import TYPE_CHECKING, Protocol

from livepatch.errors import AttachFailed
from livepatch.files import write_private

from . import injector
from .leftovers import SCRIPT_PREFIX, disarm
from .remote import run_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
BEFORE = "start it with: livepatch run SCRIPT"


class Rights(Protocol):
    """Who may make the process load a file where we may not."""

    def run_script(self, script: str) -> None:
        """Have the process run a script, as ``sys.remote_exec`` does; it raises the same errors."""

    def descriptor(self) -> int:
        """The socket over which ``injector`` asks to have its library loaded."""


def script_for(pid: int, folder: Path) -> Path | None:
    """The file that the process will be told to run, None where it gets a library.

    Args:
        pid: the process.
        folder: the runtime folder.
    """
    if not hasattr(sys, "remote_exec"):
        return None
    return folder / f"{SCRIPT_PREFIX}{os.getpid()}-{secrets.token_hex(8)}-{pid}.py"


@contextlib.contextmanager
def injected(
    pid: int, asked: str, line: str, script: Path | None, rights: Rights | None = None
) -> Iterator[Callable[[], bool]]:
    """Inject a line.

    Args:
        pid: the process.
        asked: what the user asked for, the first line of a refusal.
        line: Python, of one line.
        script: from :func:`script_for`.
        rights: who makes the process load it, None for us.

    Yields:
        A function that answers whether the line may still come to run.

    Raises:
        AttachFailed: it cannot be injected; that function raises it as well.
    """
    if script is None:
        with _by_hypno(pid, asked, line, rights) as still_under_way:
            yield still_under_way
        return

    with _by_python(pid, asked, line, script, rights):
        yield lambda: True


@contextlib.contextmanager
def _by_python(
    pid: int, asked: str, line: str, script: Path, rights: Rights | None
) -> Iterator[None]:
    """Python 3.14: its main thread runs the script as soon as it runs Python code."""
    try:
        write_private(script, f"{line}\n".encode())
        if rights is None:
            run_script(pid, str(script))
        else:
            rights.run_script(str(script))
    except (OSError, RuntimeError, NotImplementedError) as error:
        script.unlink(missing_ok=True)
        if isinstance(error, PermissionError):
            raise _not_permitted(asked, str(error)) from error
        raise AttachFailed(
            asked,
            f"Python could not reach it: {type(error).__name__}: {error}",
            f"was it started with PYTHON_DISABLE_REMOTE_DEBUG? If so, {BEFORE}",
        ) from error
    try:
        yield
    except BaseException:
        disarm(script)
        raise
    script.unlink(missing_ok=True)


@contextlib.contextmanager
def _by_hypno(
    pid: int, asked: str, line: str, rights: Rights | None
) -> Iterator[Callable[[], bool]]:
    if importlib.util.find_spec("hypno") is None:
        raise AttachFailed(
            asked,
            f"Python {HERE} has no sys.remote_exec (3.14 has), and hypno is not installed here",
            f'{sys.executable} -m pip install "livepatch[attach]"',
        )
    helper = None if rights is None else rights.descriptor()
    process = injector.start(pid, {"line": line, "helper": helper}, helper)

    def still_under_way() -> bool:
        code = process.poll()
        if code in (None, 0):
            return True
        assert process.stdout is not None
        with process.stdout as stdout:
            said = " ".join(stdout.read().split())
        if code == injector.NEVER_AT_REST:
            raise AttachFailed(
                asked,
                "its main thread was never at rest, and injecting into a busy thread could stop it "
                "for good",
                f"try again when it is less busy, or {BEFORE}",
            )
        if code == injector.NOT_PERMITTED:
            raise _not_permitted(asked, said)
        raise AttachFailed(asked, f"hypno could not inject: {said}", BEFORE)

    try:
        yield still_under_way
    finally:
        injector.stop(process)


def _not_permitted(asked: str, said: str) -> AttachFailed:
    return AttachFailed(
        asked,
        f"the system does not permit it: {said}",
        f"sudo sysctl kernel.yama.ptrace_scope=0, or run livepatch as root, or {BEFORE}"
        if sys.platform.startswith("linux")
        else f"run livepatch as an administrator, or {BEFORE}",
    )
