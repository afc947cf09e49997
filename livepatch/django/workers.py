"""One command for every process of a server: done in each, or in none."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livepatch.engine.answers import answer
from livepatch.engine.errors import LivepatchError, is_refusal
from livepatch.errors import WebuiNotFound
from livepatch.history import undo
from livepatch.reach.attach import current
from livepatch.reach.execute import execute
from livepatch.reach.webuis import HOW_TO_START, Webui, running_webuis

from . import verbs
from .live import live

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = ("load", "reload", "disable", "enable", "unload")


class WorkerFailed(LivepatchError):
    """A command failed in one process of the server; the others took it back."""


@dataclass(frozen=True)
class Command:
    """A verb with its arguments.

    Attributes:
        verb: one of ``load``, ``reload``, ``disable``, ``enable``, ``unload``.
        app: the app's label or dotted name.
        options: ``url_prefix`` and ``database`` of ``load``.
    """

    verb: str
    app: str
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        said = [repr(self.app), *(f"{name}={value!r}" for name, value in self.options)]
        return f"lp.django.{self.verb}_app({', '.join(said)})"


@dataclass(frozen=True)
class Outcome:
    """What came of a command in one process.

    Attributes:
        pid: the process.
        answer: the answer line; of a refusal its three lines.
        succeeded: whether it was done.
    """

    pid: int
    answer: str
    succeeded: bool

    def __str__(self) -> str:
        return f"pid {self.pid}: {self.answer}"


def carry_out(command: Command, *, alone: bool = True) -> str:
    """Do it in this process.

    Args:
        command: what to do.
        alone: whether no other process of the server will do it too. Otherwise what other processes
            still need of the tables stays until :func:`finish`.
    """
    verb = getattr(verbs, f"{command.verb}_app")
    if alone:
        return str(verb(command.app, **dict(command.options)))
    live.put_off = []
    try:
        return str(verb(command.app, **dict(command.options)))
    finally:
        live.late, live.put_off = live.put_off, None


def finish() -> None:
    """Make what was put off, when every process has the new version."""
    from .changes import outside_of_loops

    late, live.late = live.late or [], None
    for table in late:
        outside_of_loops(table.contract)


def everywhere(command: Command) -> str:
    """Do it in this process and in all others that share its name; in all of them, or in none.

    Returns:
        The answer line; of several processes one line for each.

    Raises:
        LivepatchError: it failed in this process, or in another; nothing has changed.
    """
    attachment = current()
    others = [] if attachment is None else others_of(attachment.name)
    if not others:
        return carry_out(command)
    here = Outcome(os.getpid(), carry_out(command, alone=False), succeeded=True)
    outcomes = [here]
    try:
        outcomes += in_all(command, others)
        finish()
    except BaseException:  # passes on, once every process is as it was
        if len(outcomes) > 1:
            _take_back(others)
        undo()
        raise
    return "\n".join(map(str, outcomes))


def in_server(command: Command, name: str) -> str:
    """Do it in all processes of a running server: from another process of the same user.

    Args:
        command: what to do.
        name: the server's name.

    Raises:
        WebuiNotFound: no process of that name has a kernel.
        LivepatchError: it failed in one of them; nothing has changed.
    """
    found = others_of(name)
    if not found:
        listing = ", ".join(sorted({webui.name for webui in running_webuis()})) or "none"
        raise WebuiNotFound(
            f"{command.verb} {command.app} in the server {name}",
            f"no process of that name has a kernel; running: {listing}",
            'INSTALLED_APPS += ["livepatch.django"] and start the server, or: --name '
            f"NAME; {HOW_TO_START}",
        )
    outcomes = in_all(command, found)
    finished = _run(found[0], "finish()")
    if not finished.succeeded:
        _take_back(found)
        raise _failed(command, finished, "; taken back everywhere")
    if len(outcomes) == 1:
        return outcomes[0].answer
    return "\n".join(map(str, outcomes))


def others_of(name: str) -> list[Webui]:
    """The other processes that share a name, oldest first."""
    found = [w for w in running_webuis() if w.name == name and w.pid != os.getpid()]
    return list(reversed(found))


def in_all(command: Command, webuis: Sequence[Webui]) -> list[Outcome]:
    """Do it in other processes, one after the other; a failure takes it back in those before.

    Raises:
        WorkerFailed: it failed in one of them.
    """
    done: list[Outcome] = []
    for webui in webuis:
        call = f"{command.verb!r}, {command.app!r}, {command.options!r}"
        outcome = _run(webui, f"Command({call})")
        if not outcome.succeeded:
            _take_back(webuis[: len(done)])
            taken_back = f"; taken back in {len(done)} other processes" if done else ""
            raise _failed(command, outcome, taken_back)
        done.append(outcome)
    return done


def _failed(command: Command, outcome: Outcome, taken_back: str) -> WorkerFailed:
    lines = outcome.answer.splitlines() or [""]
    return WorkerFailed(
        lines[0] or str(command),
        f"in pid {outcome.pid}: {lines[1] if len(lines) > 1 else 'it gave no answer'}{taken_back}",
        lines[2] if len(lines) > 2 else "livepatch list shows what is running",
    )


def _take_back(webuis: Sequence[Webui]) -> None:
    for webui in webuis:
        _run(webui, "undo()")


def _run(webui: Webui, expression: str) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    code = f"__import__('livepatch.django.workers', fromlist=['_']).answered({expression!r})"
    execute(webui, code, out=out, err=err)
    for line in reversed(out.getvalue().splitlines()):
        if line.startswith("{"):
            said = json.loads(line)
            return Outcome(webui.pid, said["answer"], bool(said["succeeded"]))
    return Outcome(webui.pid, f"\n{' '.join(err.getvalue().split())[-300:]}", succeeded=False)


def answered(expression: str) -> None:
    """Run a command that another process of the server sent, and print what came of it as JSON.

    Args:
        expression: ``Command(…)``, ``undo()`` or ``finish()``.
    """
    known: dict[str, Any] = {"Command": Command, "undo": undo, "finish": finish}
    try:
        found = eval(expression, known)
        said = carry_out(found, alone=False) if isinstance(found, Command) else str(found)
    except Exception as error:
        if not is_refusal(error):
            error = LivepatchError(expression, f"{type(error).__name__}: {error}", "see its log")
        print(json.dumps({"answer": str(error), "succeeded": False}))
    else:
        print(json.dumps({"answer": answer(said), "succeeded": True}))
