"""A real Jupyter server, its REST interface, and what an open notebook is to it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import websocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reach_support import Place

TOKEN = "a-token-of-the-test"


class JupyterServer:
    """A Jupyter server in a process of its own, and its REST interface."""

    def __init__(self, here: Place, python: str = sys.executable) -> None:
        self.here = here
        command = [
            *(python, "-m", "jupyter_server", "--allow-root", "--no-browser", "--port=0"),
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={here.folder}",
            "--AsyncIOLoopKernelRestarter.time_to_dead=0.3",
            "--KernelManager.shutdown_wait_time=5",
        ]
        self.log = (here.folder / "server.txt").open("w")
        self.process = subprocess.Popen(
            command, env=here.environment, stderr=self.log, cwd=here.folder
        )
        self.address = self._wait_until_it_answers(here)

    def _wait_until_it_answers(self, here: Place) -> str:
        facts = Path(here.environment["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{self.process.pid}.json"
        while True:
            assert self.process.poll() is None, (here.folder / "server.txt").read_text()
            with contextlib.suppress(OSError, ValueError):
                address = f"127.0.0.1:{json.loads(facts.read_text())['port']}"
                with socket.create_connection(("127.0.0.1", int(address.split(":")[1])), 1):
                    return address
            time.sleep(0.05)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://{self.address}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text, status = answer.read(), answer.status
        except urllib.error.HTTPError as error:
            with error:
                text, status = error.read(), error.code
        return status, json.loads(text) if text else None

    def open(self, kernel: str) -> Channels:
        # As JupyterLab does: the session of its messages is the server's for its sockets.
        url = f"ws://{self.address}/api/kernels/{kernel}/channels?token={TOKEN}&session_id=SESSION"
        session = uuid.uuid4().hex
        url = url.replace("SESSION", session)
        return Channels(websocket.create_connection(url, timeout=30), session)


class Channels:
    """What an open notebook is to the server: one WebSocket."""

    def __init__(self, socket: websocket.WebSocket, session: str) -> None:
        self.socket = socket
        self.session = session

    def send(self, code: str, subshell: str | None = None) -> str:
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        return self._send("shell", "execute_request", content, subshell)

    def ask(self, kind: str, **content: Any) -> dict[str, Any]:
        """Send a request on the control channel and answer the content of its reply."""
        identity = self._send("control", kind, content)
        reply = f"{kind.removesuffix('_request')}_reply"
        found = next(m for m in self.messages(identity) if m["msg_type"] == reply)
        answer: dict[str, Any] = found["content"]
        return answer

    def _send(
        self, channel: str, kind: str, content: dict[str, Any], subshell: str | None = None
    ) -> str:
        identity = uuid.uuid4().hex
        header = {
            "msg_id": identity,
            "msg_type": kind,
            "session": self.session,
            "subshell_id": subshell,
        }
        header |= {"username": "", "version": "5.5", "date": "2026-01-01T00:00:00Z"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.socket.send(json.dumps({**message, "channel": channel, "buffers": []}))
        return identity

    def messages(self, identity: str) -> Iterator[dict[str, Any]]:
        while True:
            message = json.loads(self.socket.recv())
            if message["parent_header"].get("msg_id") == identity:
                yield message

    def answer(self, identity: str) -> str:
        """The text of the last expression, or the name of the exception."""
        text = ""
        for message in self.messages(identity):
            content = message["content"]
            if message["msg_type"] == "execute_result":
                text = content["data"]["text/plain"]
            elif message["msg_type"] == "error":
                text = content["ename"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return text
        raise AssertionError

    def run(self, code: str, subshell: str | None = None) -> str:
        return self.answer(self.send(code, subshell))

    def error(self, identity: str) -> dict[str, Any]:
        """What the error says with which a cell ends."""
        found: dict[str, Any] = next(
            m["content"] for m in self.messages(identity) if m["msg_type"] == "error"
        )
        return found

    def wait_for_print(self, identity: str) -> None:
        next(m for m in self.messages(identity) if m["msg_type"] == "stream")

    def wait_for_debug_event(self, name: str) -> dict[str, Any]:
        while True:
            message = json.loads(self.socket.recv())
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                body: dict[str, Any] = message["content"].get("body", {})
                return body

    def wait_for_status(self, state: str) -> None:
        while True:
            message = json.loads(self.socket.recv())
            if message["msg_type"] == "status" and message["content"]["execution_state"] == state:
                return
