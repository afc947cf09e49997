"""Asks all kernels at once whether they answer, and looks at silent ones from outside.

The control channel answers while a cell runs. A kernel that leaves it unanswered is deaf, unless
its process cannot get to it: it is stopped, or held up by code that keeps the interpreter to
itself. Such a process is busy, and will answer later; a deaf kernel never will.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from livepatch.errors import KernelSilent
from livepatch.processes.activity import Activity, activity

from .webuis import client_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .webuis import Webui

State = Literal["answers", "busy", "no answer"]

GLANCE = 0.25  # seconds that all webuis of a list have together
PATIENCE = 5.0  # seconds after which a kernel counts as deaf


@dataclass(frozen=True)
class Hearing:
    """What became of a question to a kernel.

    Args:
        state: ``answers``; ``busy`` for a process that is stopped or held up; ``no answer``.
        info: the answer to ``livepatch_info_request``, empty without one.
        stopped: whether the process is stopped, as by SIGSTOP or a debugger.
    """

    state: State
    info: dict[str, Any]
    stopped: bool = False


def hear(webuis: Iterable[Webui], patience: float = PATIENCE) -> list[Hearing]:
    """Ask the kernels of several webuis at once.

    Args:
        webuis: whose kernels.
        patience: how long to wait for all of them together, in seconds.

    Returns:
        What became of it, in the order of the webuis.
    """
    asked = list(webuis)
    if not asked:
        return []
    import zmq

    before = [activity(webui.pid) for webui in asked]
    began = time.monotonic()
    context = zmq.Context()
    clients: list[Any] = []
    try:
        poller = zmq.Poller()
        for webui in asked:
            client = client_of(webui)
            client.context = context
            client.start_channels(shell=False, iopub=False, stdin=False, hb=False, control=True)
            clients.append(client)
            client.control_channel.send(client.session.msg("livepatch_info_request", {}))
            poller.register(client.control_channel.socket, zmq.POLLIN)
        answers = _collect(poller, clients, began + patience)
    finally:
        for client in clients:
            client.stop_channels()
        context.destroy(linger=0)
    seconds = time.monotonic() - began
    return [
        Hearing("answers", answers[number])
        if number in answers
        else _silent(before[number], activity(webui.pid), seconds)
        for number, webui in enumerate(asked)
    ]


def _collect(poller: Any, clients: list[Any], deadline: float) -> dict[int, dict[str, Any]]:
    """The answers that come until then, each by its client's number."""
    answers: dict[int, dict[str, Any]] = {}
    while len(answers) < len(clients) and (left := deadline - time.monotonic()) > 0:
        ready = dict(poller.poll(int(left * 1000) + 1))
        for number, client in enumerate(clients):
            if number not in answers and client.control_channel.socket in ready:
                # Not get_control_msg: it needs a loop of asyncio, and finds that of a manager
                # without asyncio, which is running, or leaves one of its own unclosed.
                _, reply = client.session.recv(client.control_channel.socket)
                answers[number] = dict(reply["content"])
                poller.unregister(client.control_channel.socket)
    return answers


def _silent(before: Activity, now: Activity, seconds: float) -> Hearing:
    busy = now.stopped or now.is_held_up_since(before, seconds)
    return Hearing("busy" if busy else "no answer", {}, now.stopped)


def with_live_details(webui: Webui, timeout: float = 0.5) -> Webui:
    """The same record with what changes while a webui runs: its flavor, address and state.

    Args:
        webui: a record from the connection file.
        timeout: how long to wait for the webui's answer, in seconds.

    Returns:
        A fresh record; with flavor and address as they were when it gives no answer in time.
    """
    return all_with_live_details([webui], timeout)[0]


def all_with_live_details(webuis: Iterable[Webui], timeout: float = GLANCE) -> list[Webui]:
    """The same for several, which have that time together."""
    asked = list(webuis)
    return [
        replace(
            webui,
            flavor=_text(hearing.info.get("flavor")) or webui.flavor,
            address=_text(hearing.info.get("address")) or webui.address,
            state=hearing.state,
        )
        for webui, hearing in zip(asked, hear(asked, timeout), strict=True)
    ]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def require_answer(webui: Webui, asked: str, patience: float = PATIENCE) -> None:
    """Make sure that a webui's kernel answers.

    Args:
        webui: the webui.
        asked: what the user asked for, the first line of a refusal.
        patience: how long it may take, in seconds.

    Raises:
        KernelSilent: it does not; what keeps it from answering, and what to type.
    """
    (hearing,) = hear([webui], patience)
    if hearing.state != "answers":
        raise silent(webui, asked, hearing, patience)


def silent(
    webui: Webui, asked: str, hearing: Hearing, patience: float, what: str = "its kernel"
) -> KernelSilent:
    """The refusal for a kernel that gave no answer.

    Args:
        webui: whose kernel it is.
        asked: what the user asked for.
        hearing: what is known of it.
        patience: how long was waited, in seconds.
        what: which part of it is silent.
    """
    if hearing.stopped:
        return KernelSilent(
            asked,
            f"the process of {webui} is stopped, by a signal or a debugger",
            f"continue it: kill -CONT {webui.pid}; then try again",
        )
    if hearing.state == "busy":
        return KernelSilent(
            asked,
            f"{webui} is busy: something in its process let no other thread run for "
            f"{patience:.0f} s",
            "wait until it is done; until then livepatch list shows it as busy",
        )
    return KernelSilent(
        asked,
        f"{webui} runs, but {what} gave no answer within {patience:.0f} s",
        f"replace its kernel, the patches stay: livepatch attach {webui.pid} --new-kernel",
    )
