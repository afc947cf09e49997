"""Answers a Jupyter client in the place of a webui that has ended, until it is started again.

Without it a cell that ran would never end, and one that is run then would wait without a word: the
client's sockets wait for the webui to come back. It runs in the client's process, beside the
provisioner, and only where the sockets are files: it has the client's links lead to its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.session import Session

from .folder import remove_sockets
from .leftovers import STANDIN

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

    from .webuis import Webui

PACE = 200  # milliseconds after which it looks whether it shall stand in, or stop
SHELL, IOPUB, CONTROL = 1, 2, 4  # the numbers of the client's links
STATUS_TOPIC = b"kernel."  # of what the kernel says of itself; what cells print has others
ERROR = "WebuiEnded"


class Standin(threading.Thread):
    """Listens which cells run, as long as the webui does; then answers them.

    Args:
        webui: the webui.
        info: how its kernel is reached.
        links: the client's links are ``links-N``.
    """

    def __init__(self, webui: Webui, info: KernelConnectionInfo, links: Path) -> None:
        super().__init__(name="livepatch-standin", daemon=True)
        self._iopub = f"ipc://{webui.connection['ip']}-{webui.connection['iopub_port']}"
        self._session = Session(
            key=info["key"], signature_scheme=info.get("signature_scheme", "hmac-sha256")
        )
        self._webui = webui
        self._links = links
        self._base = Path(f"{links}{STANDIN}")
        self._running: dict[str, dict[str, Any]] = {}  # what asked for each cell, by its message
        self._has_ended = threading.Event()
        self._stopping = threading.Event()

    @property
    def lines(self) -> tuple[str, str, str]:
        """What it says, as livepatch's other errors."""
        return (
            "run this cell",
            f"the webui {self._webui.name} (pid {self._webui.pid}) has ended",
            "start it again: this notebook goes on with the new one",
        )

    def stand_in(self) -> None:
        """The webui has ended: answer in its place."""
        self._has_ended.set()

    def stop(self) -> None:
        """Do so no longer."""
        self._stopping.set()
        if self.is_alive():
            self.join(5.0)

    def run(self) -> None:
        """Listen, then answer."""
        context = zmq.Context()
        try:
            # A fault here is the notebook's, as it was without us: the server goes on.
            with contextlib.suppress(zmq.ZMQError, OSError):
                self._listen(context)
                if not self._stopping.is_set():
                    self._answer(context)
        finally:
            context.destroy(linger=0)
            remove_sockets(self._base)

    def _listen(self, context: zmq.Context[Any]) -> None:
        """Take note of the cells that begin and end, until the webui has ended."""
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.SUBSCRIBE, STATUS_TOPIC)
        socket.connect(self._iopub)
        while not self._stopping.is_set():
            has_ended = self._has_ended.is_set()
            while socket.poll(0 if has_ended else PACE):
                self._take_note(socket.recv_multipart())
            if has_ended:
                break
        socket.close(linger=0)

    def _take_note(self, frames: list[bytes]) -> None:
        try:
            _, message = self._session.feed_identities(frames)
            told = self._session.deserialize(message)
        except (ValueError, KeyError, IndexError, TypeError):
            return  # not signed with the key, or no message of Jupyter
        parent, state = told["parent_header"], told["content"].get("execution_state")
        if told["msg_type"] != "status" or parent.get("msg_type") != "execute_request":
            return
        if state == "busy":
            self._running[parent["msg_id"]] = parent
        elif state == "idle":
            self._running.pop(parent["msg_id"], None)

    def _answer(self, context: zmq.Context[Any]) -> None:
        shell, control = context.socket(zmq.ROUTER), context.socket(zmq.ROUTER)
        iopub = context.socket(zmq.XPUB)
        shell.setsockopt(zmq.ROUTER_MANDATORY, 1)  # it is told whether somebody gets a reply
        iopub.setsockopt(zmq.XPUB_VERBOSE, 1)  # of each client that comes
        for number, socket in ((SHELL, shell), (IOPUB, iopub), (CONTROL, control)):
            socket.bind(f"ipc://{self._base}-{number}")
            self._lead_here(number)
        poller = zmq.Poller()
        for socket in (shell, control, iopub):
            poller.register(socket, zmq.POLLIN)
        waiting = dict(self._running)
        while not self._stopping.is_set():
            for socket, _ in poller.poll(PACE):
                frames = socket.recv_multipart()
                if socket is not iopub:
                    self._reply(socket, iopub, frames)
                    continue
                for parent in self._running.values() if frames[0][:1] == b"\x01" else ():
                    self._publish_end(iopub, parent)
            for identity, parent in list(waiting.items()):
                client = parent["session"].encode()  # the name of its socket as well
                if self._sent(shell, "execute_reply", self._error(), parent, client):
                    del waiting[identity]

    def _lead_here(self, number: int) -> None:
        link = Path(f"{self._links}-{number}")
        draft = Path(f"{link}.new")
        draft.symlink_to(f"{self._base}-{number}")
        os.replace(draft, link)

    def _reply(self, socket: Any, iopub: Any, frames: list[bytes]) -> None:
        """Answer a request: what is to be run ends at once with what has happened."""
        try:
            identities, message = self._session.feed_identities(frames)
            asked = self._session.deserialize(message)
        except (ValueError, KeyError, IndexError, TypeError):
            return
        kind, header = asked["msg_type"], asked["header"]
        self._publish(iopub, "status", {"execution_state": "busy"}, header)
        if kind == "execute_request":
            self._publish(iopub, "error", self._error(), header)
        reply = kind.replace("_request", "_reply")
        content = self._info() if kind == "kernel_info_request" else self._error()
        self._sent(socket, reply, content, header, identities)
        self._publish(iopub, "status", {"execution_state": "idle"}, header)

    def _publish_end(self, iopub: Any, parent: dict[str, Any]) -> None:
        self._publish(iopub, "error", self._error(), parent)
        self._publish(iopub, "status", {"execution_state": "idle"}, parent)

    def _publish(self, iopub: Any, kind: str, content: dict[str, Any], parent: Any) -> None:
        self._session.send(iopub, kind, content, parent, ident=STATUS_TOPIC + kind.encode())

    def _sent(
        self, socket: Any, kind: str, content: dict[str, Any], parent: Any, client: Any
    ) -> bool:
        """Whether somebody got it: a client that has not connected yet is tried again."""
        try:
            self._session.send(socket, kind, content, parent, ident=client)
        except zmq.ZMQError:
            return False
        return True

    def _error(self) -> dict[str, Any]:
        asked, found, advice = self.lines
        text = f"{ERROR}: {asked}\n{found}\n{advice}"
        error = {"ename": ERROR, "evalue": found, "traceback": [text]}
        return {**error, "status": "error", "execution_count": None}

    def _info(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "protocol_version": "5.3",
            "implementation": "livepatch",
            "implementation_version": "0",
            "language_info": {"name": "python", "mimetype": "text/x-python"},
            "banner": self.lines[1],
            "help_links": [],
        }
