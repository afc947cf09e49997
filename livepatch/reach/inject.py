"""``livepatch attach PID``: a kernel in a process that was not prepared for one.

Everything that can be known from outside is asked first, so that a process in which no kernel can
be started is not touched. Then one line is injected (:mod:`~livepatch.reach.ways_in`). Its thread
speaks with us (:mod:`~livepatch.reach.conversation`) and says what it finds inside; we decide, it
does.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.errors import AttachFailed, FileNotTrusted, LivepatchError, WebuiNotFound
from livepatch.processes.process import is_alive, look_at, owner, surroundings, user, users

from .as_owner import as_owner, for_sudo, owner_of
from .attach import transport
from .closure import ROOT, ROOT_REQUIRES, our_closure, our_version
from .conversation import Conversation
from .folder import normal_name, runtime_folder
from .hearing import PATIENCE as PATIENCE_OF_HEARING
from .hearing import hear, require_answer, silent
from .injected import abi
from .kernelspecs import write_kernelspec
from .ways_in import BEFORE, HERE, injected, script_for
from .webuis import Webui, running_webuis

if TYPE_CHECKING:
    from collections.abc import Collection

    from .closure import Closure
    from .ways_in import Rights

PATIENCE = 20.0  # seconds for each step: the injection, an answer
PATIENCE_WITH_KERNEL = 60.0  # seconds for its start: a cold disk, a busy machine


def attach_to(pid: int, name: str | None = None, *, new_kernel: bool = False) -> Webui:
    """Put a kernel into a running Python process.

    As root, a process of another user gets a kernel of that user's.

    Args:
        pid: its id.
        name: the webui's name; by default that of its script.
        new_kernel: put a new one in the place of a kernel of ours that is deaf. What was changed
            through it stays, and so does the journal; its namespace is lost.

    Returns:
        The webui, whose kernel has answered. It is the kernel that was there, if there was one.

    Raises:
        KernelSilent: the kernel that is there gives no answer.
        LivepatchError: no kernel can be there; the process runs on as before.
    """
    asked = f"attach to pid {pid}"
    if name is not None:
        normal_name(name)
    if not is_alive(pid):
        raise WebuiNotFound(asked, "there is no such process", "see what runs: livepatch list")
    is_ours = owner(pid) is None
    if not is_ours:
        _check_rights(pid, asked)
    _check_from_outside(pid, asked)
    if is_ours:
        return _attach(pid, name, asked, new_kernel)
    try:
        theirs = owner_of(pid)
    except OSError:
        raise AttachFailed(asked, "it ended meanwhile", "start it again") from None
    facts = as_owner(
        theirs, asked, lambda rights: _attach(pid, name, asked, new_kernel, rights).as_dict()
    )
    return Webui(
        name=normal_name(str(facts["name"])),
        pid=pid,
        flavor=None,
        address=None,
        since=str(facts["since"]),
        python=HERE,
        connection_file=Path(str(facts["connection_file"])),
        connection={},
    )


def _attach(
    pid: int, name: str | None, asked: str, new_kernel: bool, rights: Rights | None = None
) -> Webui:
    folder = runtime_folder()
    running = next((webui for webui in running_webuis() if webui.pid == pid), None)
    if running is not None and not (new_kernel and _is_deaf(running, asked)):
        require_answer(running, asked)
        return running
    place = folder if transport() == "ipc" else None
    with Conversation(pid, asked, place, PATIENCE) as conversation:
        script = script_for(pid, folder)
        line = conversation.line([ROOT, *ROOT_REQUIRES], script)
        with injected(pid, asked, line, script, rights) as still_under_way:
            facts = conversation.wait_for_the_process(still_under_way)
        inside = _Inside(pid, asked, facts, conversation)
        inside.check(folder)
        if running is not None:
            # Its thread has just spoken to us: the interpreter runs, so a kernel that still says
            # nothing never will.
            (hearing,) = hear([running])
            if hearing.state == "answers":
                return running
            name = running.name if name is None else name
        started = inside.start_kernel(name, folder, replace=running is not None)
        conversation.end()
    return _reached(pid, asked, started)


def _check_rights(pid: int, asked: str) -> None:
    """Another user's process: only root may, and only if it is that user's alone."""
    whose = owner(pid)
    if os.name != "posix" or os.geteuid() != 0:
        raise AttachFailed(
            asked,
            f"it is a process of {whose}, not yours: its kernel would run with that user's rights",
            f"as that user: {shlex.quote(sys.executable)} -m livepatch attach {pid}; run as root, "
            "it gives that user a kernel too",
        )
    if len(them := sorted(users(pid))) > 1:
        raise AttachFailed(
            asked,
            f"it is a process of {whose} that can become another user: "
            + ", ".join(f"user {number}" for number in them),
            BEFORE,
        )


def _check_from_outside(pid: int, asked: str) -> None:
    _check_surroundings(pid, asked)
    found = look_at(pid)
    if not found.is_python:
        raise AttachFailed(
            asked,
            f"no Python runs in it: {found.program or 'its program is hidden'}",
            "see what runs: livepatch list; if the webui runs in a child process, give that one's "
            "pid",
        )
    if found.minor not in (None, sys.version_info.minor):
        raise _wrong_python(asked, f"3.{found.minor}", found.program, pid)


def _check_surroundings(pid: int, asked: str) -> None:
    """A kernel in a world of its own would be one that nobody reaches.

    Another network is no such world: a socket in a folder that both see joins the two.
    """
    found = surroundings(pid)
    if found.hidden is not None:
        raise AttachFailed(
            asked,
            f"the system hides what runs in it, and whether that is in a sandbox: {found.hidden}",
            f"sudo {shlex.quote(sys.executable)} -m livepatch attach {pid}, or {BEFORE}",
        )
    apart = [kind for kind in found.others if kind != "network" or transport() != "ipc"]
    if not apart:
        return
    if apart == ["network"]:
        raise AttachFailed(
            asked,
            "it runs in another network namespace, and LIVEPATCH_TRANSPORT=tcp asks for a kernel "
            "on loopback, which is a different one there",
            "unset that variable: the kernel then uses sockets in a folder, which can be reached",
        )
    inside = found.pid_inside
    raise AttachFailed(
        asked,
        f"it runs in another {_listed(apart)} (a container or a sandbox): its kernel could not be "
        "reached from here",
        f"run livepatch in there, where its pid is {inside}: "
        f"docker exec CONTAINER livepatch attach {inside}",
    )


def _listed(kinds: list[str]) -> str:
    spaces = [kind for kind in kinds if kind != "root folder"]
    words = [", ".join(spaces) + " namespace"] if spaces else []
    return " and another ".join([*words, *(["root folder"] if "root folder" in kinds else [])])


def _wrong_python(asked: str, version: str, program: str, pid: int) -> AttachFailed:
    return AttachFailed(
        asked,
        f"it runs Python {version} ({program}), this is Python {HERE} ({sys.executable})",
        f"use that one: {program} -m pip install livepatch; {program} -m livepatch attach {pid}",
    )


def _is_deaf(webui: Webui, asked: str) -> bool:
    """Whether its kernel hears nothing any more; a process that is held up is left alone."""
    (hearing,) = hear([webui])
    if hearing.state == "busy":
        raise silent(webui, asked, hearing, PATIENCE_OF_HEARING)
    return hearing.state == "no answer"


class _Inside:
    """What the thread in the process has found there, and whether a kernel can be there."""

    def __init__(
        self, pid: int, asked: str, facts: dict[str, Any], conversation: Conversation
    ) -> None:
        self._pid, self._asked, self._facts, self._conversation = pid, asked, facts, conversation

    def check(self, folder: Path) -> None:
        """Refuse what cannot have a kernel that we reach."""
        self._check_not_failed(self._facts)
        program = self._facts["executable"] or "python"
        if self._facts["abi"][:2] != abi()[:2]:
            raise _wrong_python(self._asked, self._facts["python"], program, self._pid)
        if self._facts["notebook"] and self._facts["attachment"] is None:
            raise AttachFailed(
                self._asked,
                "it already runs a kernel of Jupyter: it is a notebook's process",
                "use that kernel; in its notebook: %load_ext livepatch",
            )
        self._check_where_it_is(folder)
        ours, versions = our_version(), self._facts["versions"]
        if versions.get(ROOT, ours) != ours:
            raise AttachFailed(
                self._asked,
                f"its environment has livepatch {versions[ROOT]}, this is livepatch {ours}",
                f"use that one: {program} -m livepatch attach {self._pid}",
            )

    def _check_where_it_is(self, folder: Path) -> None:
        running = self._facts["attachment"]
        if running is not None and Path(running["folder"]) != folder:
            raise AttachFailed(
                self._asked,
                f"it already runs a kernel of livepatch, under the name {running['name']!r}; its "
                f"folder is {running['folder']}, this livepatch looks in {folder}",
                f"LIVEPATCH_RUNTIME_DIR={shlex.quote(running['folder'])} livepatch lab {self._pid}",
            )

    def start_kernel(self, name: str | None, folder: Path, *, replace: bool) -> str:
        """Have the kernel started, in the place of the one that is there if so; its name."""
        lent = None if self._has_its_own() else self._what_can_be_lent()
        order = {
            "name": name,
            "folder": str(folder),
            "transport": transport(),
            "replace": replace,
            "places": dict(lent.places) if lent is not None else {},
            "homes": dict(lent.homes) if lent is not None else {},
        }
        answer = self._conversation.ask(order, PATIENCE_WITH_KERNEL)
        self._check_not_failed(answer)
        return str(answer["attached"])

    def _check_not_failed(self, answer: dict[str, Any]) -> None:
        if "failed" in answer:
            _, found, advice = answer["failed"]
            again = f"livepatch attach {self._pid}"
            raise AttachFailed(self._asked, found, advice.replace("livepatch.attach()", again))

    def _has_its_own(self) -> bool:
        """Whether livepatch and what livepatch needs are installed there."""
        there = self._facts["versions"]
        return bool(self._facts["has_livepatch"]) and set(ROOT_REQUIRES) <= set(there)

    def _what_can_be_lent(self) -> Closure:
        """Our packages, once it is known that they run beside those that are there."""
        if self._facts["abi"] != abi():
            raise self._not_lendable(f"its Python has a different ABI: {self._facts['abi'][2]}")
        closure = our_closure()
        theirs = self._conversation.ask({"versions_of": sorted(closure.versions)})
        if conflicts := closure.conflicts(theirs):
            kept = dict.fromkeys(f"{one.name}=={one.version}" for one in conflicts)
            raise self._not_lendable("; ".join(map(str, conflicts)), kept=kept)
        try:
            closure.check_trusted(self._asked)
        except FileNotTrusted as error:
            raise self._not_lendable(error.found, f"{error.advice}; or ") from error
        except OSError as error:
            raise self._not_lendable(f"{error.strerror}: {error.filename}") from error
        return closure

    def _not_lendable(self, why: str, advice: str = "", kept: Collection[str] = ()) -> AttachFailed:
        """The refusal; an install there keeps the packages that the webui may have pinned."""
        program = self._facts["executable"] or "python"
        return AttachFailed(
            self._asked,
            f"livepatch is not installed there, and this one cannot be lent: {why}",
            f"{advice}install it there: {program} -m pip install {' '.join(['livepatch', *kept])}"
            + (" (which keeps that version)" if kept else ""),
        )


def _reached(pid: int, asked: str, name: str) -> Webui:
    """The webui, once its kernel has answered us."""
    webui = next((webui for webui in running_webuis() if webui.pid == pid), None)
    if webui is None or hear([webui], PATIENCE)[0].state != "answers":
        raise LivepatchError(
            asked,
            f"its kernel {name!r} was started, but gave no answer",
            "check whether it answers now: livepatch list",
        )
    with contextlib.suppress(LivepatchError):  # the webui's own user folder has it as well
        write_kernelspec(webui.name)
    return webui


def how_to_open(webui: Webui) -> str:
    """The command that opens a notebook on it, for the user whose it is."""
    number = user(webui.pid)
    if number is None or number == os.geteuid():
        return f"livepatch lab {webui.name}"
    return f"sudo -u {for_sudo(number)} livepatch lab {webui.name}"
