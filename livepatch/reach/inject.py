"""``livepatch attach PID``: a kernel in a process that was not prepared for one.

Everything that can be known from outside is asked first, so that a process in which no kernel can
be started is not touched. Then one line is injected: by ``sys.remote_exec`` from Python 3.14 on, by
hypno before. Its thread connects to us and says what it finds inside; we decide, it does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from importlib.resources import files
from typing import IO, TYPE_CHECKING, Any

from livepatch.errors import AttachFailed, LivepatchError, WebuiNotFound
from livepatch.processes.process import is_alive, look_at, owner, runs_elsewhere
from livepatch.reach import injector
from livepatch.reach.attach import transport
from livepatch.reach.closure import ROOT, ROOT_REQUIRES, our_closure, our_version
from livepatch.reach.folder import normal_name, runtime_folder
from livepatch.reach.injected import abi
from livepatch.reach.kernelspecs import write_kernelspec
from livepatch.reach.webuis import SCRIPT_PREFIX, Webui, ask_for_info, running_webuis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from livepatch.reach.closure import Closure

PATIENCE = 20.0  # seconds for each step: the injection, the answer, the kernel's start
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
LONGEST_LINE = 100_000  # characters
BEFORE = "start it with: livepatch run SCRIPT"


def attach_to(pid: int, name: str | None = None) -> Webui:
    """Put a kernel into a running Python process.

    Args:
        pid: its id.
        name: the webui's name; by default that of its script.

    Returns:
        The webui, whose kernel has answered.

    Raises:
        LivepatchError: no kernel can be there; the process runs on as before.
    """
    asked = f"attach to pid {pid}"
    if name is not None:
        normal_name(name)
    _check_from_outside(pid, asked)
    folder = runtime_folder()
    _check_free(pid, asked)
    with _Conversation(pid, asked) as conversation:
        with _injected(pid, asked, folder, conversation.line()) as still_under_way:
            conversation.wait_for_the_process(still_under_way)
        answer = conversation.give_order(name, folder)
    return _reached(pid, asked, answer["attached"])


def _check_from_outside(pid: int, asked: str) -> None:
    if not is_alive(pid):
        raise WebuiNotFound(asked, "there is no such process", "see what runs: livepatch list")
    if (user := owner(pid)) is not None:
        raise AttachFailed(
            asked,
            f"it is a process of {user}, not yours: its kernel would run with that user's rights",
            f"as that user: {sys.executable} -m livepatch attach {pid}",
        )
    found = look_at(pid)
    if not found.is_python:
        raise AttachFailed(
            asked,
            f"no Python runs in it: {found.program or 'its program is hidden'}",
            "see what runs: livepatch list; a webui may have started a child, which is the one",
        )
    if runs_elsewhere(pid):
        raise AttachFailed(
            asked,
            "it runs in a container, or a sandbox with files of its own",
            "run livepatch in there: docker exec CONTAINER livepatch attach PID",
        )
    if found.minor not in (None, sys.version_info.minor):
        raise _wrong_python(asked, f"3.{found.minor}", found.program, pid)


def _wrong_python(asked: str, version: str, program: str, pid: int) -> AttachFailed:
    return AttachFailed(
        asked,
        f"it runs Python {version} ({program}), this is Python {HERE} ({sys.executable})",
        f"use that one: {program} -m pip install livepatch; {program} -m livepatch attach {pid}",
    )


def _check_free(pid: int, asked: str) -> None:
    for webui in running_webuis():
        if webui.pid == pid:
            raise AttachFailed(
                asked,
                f"it runs a kernel of livepatch already: {webui}",
                f"open a notebook on it: livepatch lab {webui.pid}",
            )


class _Conversation:
    """What the thread in the process and we say to each other, over a socket of loopback."""

    def __init__(self, pid: int, asked: str) -> None:
        self._pid, self._asked = pid, asked
        self._token = secrets.token_hex(16)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stream: IO[str] | None = None
        self._connection: socket.socket | None = None
        self._facts: dict[str, Any] = {}

    def __enter__(self) -> _Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        for thing in (self._stream, self._connection, self._listener):
            if thing is not None:
                with contextlib.suppress(OSError):  # the process may have ended
                    thing.close()

    def line(self) -> str:
        """The one line that is injected; it runs in ``__main__`` and leaves no name there."""
        order = {
            "port": self._listener.getsockname()[1],
            "token": self._token,
            "distributions": [ROOT, *ROOT_REQUIRES],
        }
        source = (files("livepatch.reach") / "injected.py").read_text(encoding="utf-8")
        text = f"{source}\nstart({order!r})\n"
        names = {"__name__": "livepatch_injected"}
        return f'__import__("_thread").start_new_thread(exec, ({text!r}, {names!r}))'

    def wait_for_the_process(self, still_under_way: Callable[[], bool]) -> None:
        """Wait until the thread there has said what it found.

        Args:
            still_under_way: whether the line may still come to run; raises what went wrong.
        """
        deadline = time.monotonic() + PATIENCE
        self._listener.settimeout(0.05)
        while True:
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                if self._takes(connection):
                    return
            if not is_alive(self._pid):
                raise AttachFailed(self._asked, "it ended meanwhile", "start it again")
            if not still_under_way() or time.monotonic() > deadline:
                raise AttachFailed(
                    self._asked,
                    f"it gave no answer within {PATIENCE:.0f} s: its main thread waits in a call "
                    "that does not come back to Python, or is stopped",
                    f"use it for a moment (a click in its page) and try again, or {BEFORE}",
                )

    def _takes(self, connection: socket.socket) -> bool:
        """Whether it is the thread that we sent, not someone who tries ports."""
        connection.settimeout(PATIENCE)
        stream = connection.makefile("rw", encoding="utf-8")
        with contextlib.suppress(OSError, ValueError):
            facts = json.loads(stream.readline(LONGEST_LINE))
            token = str(facts.get("token")) if isinstance(facts, dict) else ""
            if secrets.compare_digest(token.encode(), self._token.encode()):
                self._connection, self._stream, self._facts = connection, stream, facts
                return True
        stream.close()
        connection.close()
        return False

    def give_order(self, name: str | None, folder: Path) -> dict[str, Any]:
        """Check what the thread said, have the kernel started, and answer how that went."""
        self._check_from_inside()
        lent = None if self._has_its_own() else self._what_can_be_lent()
        order = {
            "name": name,
            "folder": str(folder),
            "transport": transport(),
            "places": dict(lent.places) if lent is not None else {},
            "homes": dict(lent.homes) if lent is not None else {},
        }
        answer = self._ask(order)
        if "failed" in answer:
            _, found, advice = answer["failed"]
            again = f"livepatch attach {self._pid}"
            raise AttachFailed(self._asked, found, advice.replace("livepatch.attach()", again))
        return answer

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._stream is not None
        try:
            self._stream.write(json.dumps(question) + "\n")
            self._stream.flush()
            answer: dict[str, Any] = json.loads(self._stream.readline())
        except (OSError, ValueError) as error:
            raise AttachFailed(
                self._asked,
                f"the kernel did not start within {PATIENCE:.0f} s, or the process ended",
                "see whether it came later: livepatch list",
            ) from error
        return answer

    def _check_from_inside(self) -> None:
        facts, versions = self._facts, self._facts["versions"]
        program = facts["executable"] or "python"
        if facts["abi"][:2] != abi()[:2]:
            raise _wrong_python(self._asked, facts["python"], program, self._pid)
        if facts["kernel"] is not None:
            raise AttachFailed(
                self._asked,
                f"it runs a kernel already, {facts['kernel']}",
                "use that one; in its notebook: %load_ext livepatch",
            )
        ours = our_version()
        if versions.get(ROOT, ours) != ours:
            raise AttachFailed(
                self._asked,
                f"its environment has livepatch {versions[ROOT]}, this is livepatch {ours}",
                f"use that one: {program} -m livepatch attach {self._pid}",
            )

    def _has_its_own(self) -> bool:
        """Whether livepatch and what livepatch needs are installed there."""
        there = self._facts["versions"]
        return bool(self._facts["has_livepatch"]) and set(ROOT_REQUIRES) <= set(there)

    def _what_can_be_lent(self) -> Closure:
        """Our packages, once it is known that they run beside those that are there."""
        if self._facts["abi"] != abi():
            raise self._not_lendable(f"its Python is built otherwise: {self._facts['abi'][2]}")
        closure = our_closure()
        theirs = self._ask({"versions_of": sorted(closure.versions)})
        if conflicts := closure.conflicts(theirs):
            raise self._not_lendable("; ".join(conflicts))
        return closure

    def _not_lendable(self, why: str) -> AttachFailed:
        program = self._facts["executable"] or "python"
        return AttachFailed(
            self._asked,
            f"livepatch is not installed there, and ours cannot be lent: {why}",
            f"install it there: {program} -m pip install livepatch",
        )


@contextlib.contextmanager
def _injected(pid: int, asked: str, folder: Path, line: str) -> Iterator[Callable[[], bool]]:
    """Inject the line; yields whether it may still come to run, and raises when it cannot."""
    remote_exec = getattr(sys, "remote_exec", None)
    if remote_exec is not None:
        with _by_python(pid, asked, folder, line, remote_exec):
            yield lambda: True
    else:
        yield _by_hypno(pid, asked, line)


@contextlib.contextmanager
def _by_python(
    pid: int, asked: str, folder: Path, line: str, remote_exec: Callable[[int, str], None]
) -> Iterator[None]:
    """Python 3.14: its main thread runs the script as soon as it runs Python code."""
    script = folder / f"{SCRIPT_PREFIX}{pid}.py"
    try:
        with open(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(line + "\n")
        remote_exec(pid, str(script))
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
        # Should its main thread come to the script later, it finds nothing to do; the file goes
        # when that process is gone.
        with contextlib.suppress(OSError):
            script.write_text("")
        raise
    script.unlink(missing_ok=True)


def _by_hypno(pid: int, asked: str, line: str) -> Callable[[], bool]:
    if importlib.util.find_spec("hypno") is None:
        raise AttachFailed(
            asked,
            f"Python {HERE} has no sys.remote_exec (3.14 has), and hypno is not installed here",
            f'{sys.executable} -m pip install "livepatch[attach]"',
        )
    process = subprocess.Popen(
        [sys.executable, "-m", injector.__name__, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(line)

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
                "its main thread was never at rest: injecting into a busy one could stop it for "
                "good",
                f"try again when the load is off it, or {BEFORE}",
            )
        if code == injector.NOT_PERMITTED:
            raise _not_permitted(asked, said)
        raise AttachFailed(asked, f"hypno could not inject: {said}", BEFORE)

    return still_under_way


def _not_permitted(asked: str, said: str) -> AttachFailed:
    return AttachFailed(
        asked,
        f"the system does not permit it: {said}",
        f"sudo sysctl kernel.yama.ptrace_scope=0, or run livepatch as root, or {BEFORE}"
        if sys.platform.startswith("linux")
        else f"run livepatch as an administrator, or {BEFORE}",
    )


def _reached(pid: int, asked: str, name: str) -> Webui:
    """The webui, once its kernel has answered us."""
    webui = next((webui for webui in running_webuis() if webui.pid == pid), None)
    if webui is None or not ask_for_info(webui, PATIENCE):
        raise LivepatchError(
            asked,
            f"its kernel {name!r} was started and gave no answer",
            "see whether it does now: livepatch list",
        )
    with contextlib.suppress(OSError):  # the webui's own user folder has it as well
        write_kernelspec(webui.name)
    return webui
