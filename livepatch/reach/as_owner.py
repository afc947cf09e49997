"""Under ``sudo``: attach to another user's process as that user, with root's help for one step.

A child becomes the process's user, for good, and does everything: its runtime folder, sockets, keys
and kernelspecs are that user's own. Root only makes the process load what the child has prepared,
and only while the process is still that user's. Words that come back from the child count as that
user's: they are read as JSON, and shown without control characters.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from livepatch.errors import AttachFailed
from livepatch.files.trusted import user_name
from livepatch.processes.process import is_alone, start_time, told_of, user

from . import injector
from .remote import run_script

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

# Of the process's environment: where its user's files are.
THEIR_VARIABLES = re.compile(r"HOME|TMPDIR|XDG_.*|JUPYTER_.*|IPYTHONDIR|LIVEPATCH_RUNTIME_DIR")
NO_GROUP = 65534  # nogroup


@dataclass(frozen=True)
class Owner:
    """Whose process it is.

    Args:
        pid: the process.
        started: its start time.
        uid: its effective user.
        gid: that user's group.
        groups: the user's other groups.
        environment: what the user's files are found by.
    """

    pid: int
    started: str | None
    uid: int
    gid: int
    groups: tuple[int, ...]
    environment: dict[str, str] = field(repr=False)

    def is_still(self) -> bool:
        """Whether it is still that process, and that user's alone."""
        return is_alone(self.pid, self.uid, self.started)


def owner_of(pid: int) -> Owner:
    """The owner of a process, as root sees him.

    Raises:
        OSError: the process has ended.
    """
    import pwd

    uid, started = user(pid), start_time(pid)
    if uid is None:
        raise ProcessLookupError
    gid = told_of(pid, lambda process: int(process.gids().effective))
    gid = NO_GROUP if gid is None else gid
    groups: tuple[int, ...] = ()
    environment: dict[str, str] = {}
    with contextlib.suppress(KeyError):  # in many containers a user has no entry
        account = pwd.getpwuid(uid)
        gid = account.pw_gid
        groups = tuple(os.getgrouplist(account.pw_name, gid))
        environment = {
            "HOME": account.pw_dir,
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
        }
    environment |= _environment_of(pid)
    return Owner(pid, started, uid, gid, groups, environment)


def for_sudo(uid: int) -> str:
    """A user as ``sudo -u`` takes one."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"


def _environment_of(pid: int) -> dict[str, str]:
    theirs = told_of(pid, lambda process: process.environ()) or {}
    return {name: theirs[name] for name in theirs if THEIR_VARIABLES.fullmatch(name)}


def as_owner(owner: Owner, asked: str, task: Callable[[RootsHelp], dict[str, Any]]) -> Any:
    """Do something as the owner of a process.

    Args:
        owner: the owner, another user than root.
        asked: what the user asked for, the first line of a refusal.
        task: what is done, in a child of this process.

    Returns:
        What the task answers, by way of JSON.

    Raises:
        AttachFailed: the task could not be done, or we may not become that user.
    """
    ours, theirs = socket.socketpair()
    lives, holds = os.pipe()  # it ends when we do
    result, answers = os.pipe()
    child = os.fork()
    if child == 0:
        ours.close()
        os.close(holds)
        os.close(result)
        _be_the_child(owner, asked, task, theirs, lives, answers)
    theirs.close()
    os.close(lives)
    os.close(answers)
    try:
        with ours, open(result, "rb") as results:
            answer = _help(owner, ours, results)
    finally:
        os.close(holds)
        os.waitpid(child, 0)
    if "done" in answer:
        return answer["done"]
    found, advice = answer.get("failed") or ("it ended without an answer", "try again")
    raise AttachFailed(asked, _plain(found), _plain(advice))


def _plain(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text))


# The child, which becomes the owner.


def _be_the_child(
    owner: Owner,
    asked: str,
    task: Callable[[RootsHelp], dict[str, Any]],
    helper: socket.socket,
    lives: int,
    answers: int,
) -> None:
    answer: dict[str, Any] = {}
    try:
        threading.Thread(target=_end_with_the_parent, args=(lives,), daemon=True).start()
        _become(owner, asked)
        answer = {"done": task(RootsHelp(helper))}
    except AttachFailed as error:
        answer = {"failed": (error.found, error.advice)}
    except KeyboardInterrupt:
        pass
    except BaseException as error:
        found = getattr(error, "found", f"{type(error).__name__}: {error}")
        answer = {"failed": (found, getattr(error, "advice", "fix that, then try again"))}
    finally:
        with contextlib.suppress(OSError), open(answers, "wb") as stream:
            stream.write(json.dumps(answer).encode())
        os._exit(0)


def _end_with_the_parent(lives: int) -> None:
    os.read(lives, 1)
    os.kill(os.getpid(), signal.SIGINT)  # as by Ctrl-C: it cleans up


def _become(owner: Owner, asked: str) -> None:
    """Become that user, with that user's environment, for good."""
    try:
        os.setgroups(owner.groups)
        os.setgid(owner.gid)
        os.setuid(owner.uid)
    except OSError as error:
        raise AttachFailed(
            asked,
            f"it is a process of {user_name(owner.uid)}, and root cannot become that user here: "
            f"{error.strerror}",
            f"as that user: {sys.executable} -m livepatch attach {owner.pid}",
        ) from error
    for name in [name for name in os.environ if THEIR_VARIABLES.fullmatch(name)]:
        del os.environ[name]
    os.environ.update(owner.environment)
    for path, way in ((Path(sys.executable), os.X_OK), (Path(__file__), os.R_OK)):
        if not os.access(path, way):
            raise AttachFailed(
                asked,
                f"it is a process of {user_name(owner.uid)}, who may not read {path}",
                "install livepatch where that user can read it, and attach with that installation",
            )


class RootsHelp:
    """What the child asks of root; :class:`livepatch.reach.ways_in.Rights`.

    Args:
        helper: the socket to root.
    """

    def __init__(self, helper: socket.socket) -> None:
        self._helper = helper

    def run_script(self, script: str) -> None:
        """Have the process run a script."""
        with self._helper.makefile("rw", encoding="utf-8") as stream:
            stream.write(json.dumps({"script": script}) + "\n")
            stream.flush()
            answer = json.loads(stream.readline() or '{"error": "it was given up"}')
        if "error" in answer:
            kind = PermissionError if answer.get("refused") else RuntimeError
            raise kind(answer["error"])

    def descriptor(self) -> int:
        """The socket, for ``injector``."""
        return self._helper.fileno()


# Root, who helps.


def _help(owner: Owner, requests: socket.socket, results: IO[bytes]) -> dict[str, Any]:
    """Do what the child asks until it has answered."""
    loading: subprocess.Popen[str] | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(results, selectors.EVENT_READ)
        try:
            while True:
                ready = [key.fileobj for key, _ in selector.select(0.05)]
                if results in ready:
                    return _answer(results)
                if requests in ready:
                    asked = _request(requests)
                    if not asked:
                        selector.unregister(requests)
                    elif "library" in asked and loading is None:
                        told = {**asked, "user": owner.uid, "started": owner.started}
                        loading = injector.start(owner.pid, told)
                    elif "script" in asked:
                        _say(requests, _run_script(owner, str(asked["script"])))
                loading = _still_loading(loading, requests)
        finally:
            if loading is not None:
                injector.stop(loading)


def _still_loading(
    loading: subprocess.Popen[str] | None, requests: socket.socket
) -> subprocess.Popen[str] | None:
    """The program that loads, None where it has ended, which is told."""
    if loading is None or loading.poll() is None:
        return loading
    assert loading.stdout is not None
    _say(requests, {"code": loading.returncode, "said": loading.stdout.read()})
    return None


def _request(requests: socket.socket) -> dict[str, str]:
    try:
        asked = json.loads(requests.recv(10_000) or b"{}")
    except (OSError, ValueError):
        return {}
    if not isinstance(asked, dict):
        return {}
    return {name: str(asked[name]) for name in ("library", "script") if name in asked}


def _answer(results: IO[bytes]) -> dict[str, Any]:
    try:
        answer = json.loads(results.read(1_000_000) or b"{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _say(requests: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        requests.sendall(json.dumps(answer).encode() + b"\n")


def _run_script(owner: Owner, script: str) -> dict[str, Any]:
    try:
        if not owner.is_still():
            raise PermissionError("it now belongs to another user")
        run_script(owner.pid, script)
    except (OSError, RuntimeError, NotImplementedError) as error:
        return {
            "error": f"{type(error).__name__}: {error}",
            "refused": isinstance(error, PermissionError),
        }
    return {}
