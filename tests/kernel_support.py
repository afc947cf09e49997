"""The kernel in tests: a webui in its own process, and a client of its kernel."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APPS = Path(__file__).parent / "apps"
PATIENCE = 30

# What a notebook's cell defines to ask the webui at `address`.
ASK = """\
import json, urllib.request
def ask(path):
    return urllib.request.urlopen(address + path, timeout=30).read().decode()
"""


@dataclass
class Answer:
    """What a notebook would show below a cell."""

    status: str = ""
    number: int = 0
    stdout: str = ""
    stderr: str = ""
    results: list[str] = field(default_factory=list)
    displays: list[dict[str, str]] = field(default_factory=list)
    error: str = ""
    message: str = ""
    traceback: str = ""
    payload: list[dict[str, Any]] = field(default_factory=list)

    @property
    def result(self) -> str:
        (only,) = self.results
        return only


class Webui:
    """The webui's process: its output line by line, its answers over HTTP."""

    def __init__(
        self, folder: Path, *arguments: str, script: Path = APPS / "kernel_webui.py"
    ) -> None:
        self.folder = folder
        self.connection_file = folder / "kernel.json"
        environment = {
            **os.environ,
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": os.pathsep.join([str(APPS), str(APPS.parent.parent)]),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment,
            text=True,
            start_new_session=True,  # a cell that is interrupted may leave a subprocess
        )
        self._changed = threading.Condition()
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._lines
        ]
        for reader in self._readers:
            reader.start()
        self.port = int(self.wait_for("serving ").split()[1])

    def _read(self, name: str) -> None:
        for line in getattr(self.process, name):
            with self._changed:
                self._lines[name].append(line.rstrip("\n"))
                self._changed.notify_all()

    def output(self, name: str = "stdout") -> list[str]:
        with self._changed:
            return list(self._lines[name])

    def wait_for(self, start: str, name: str = "stdout", times: int = 1) -> str:
        """The first line that starts so, once there are as many as asked."""

        def found() -> list[str]:
            return [line for line in self._lines[name] if line.startswith(start)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= times, PATIENCE):
                raise AssertionError(f"no line {start!r} came {times} times: {self._lines}")
            return found()[0]

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE
        ) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def end(self, number: int) -> tuple[int, list[str], list[str]]:
        """Send a signal and answer the exit code and all output."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code, self.output("stdout"), self.output("stderr")

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


class Client:
    """A front end of the kernel."""

    def __init__(self, connection_file: Path) -> None:
        self.connection = BlockingKernelClient(connection_file=str(connection_file))
        self.connection.load_connection_file()
        self.connection.start_channels()
        self.connection.wait_for_ready(timeout=PATIENCE)

    def run(
        self,
        code: str,
        when_printed: Callable[[str], None] | None = None,
        stdin: Callable[[dict[str, Any]], None] | None = None,
        **options: Any,
    ) -> Answer:
        """Run a cell; `when_printed` is called with everything the cell prints, as it comes."""
        answer = Answer()
        self._catch_up()

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            kind = message["msg_type"]
            if kind == "stream":
                setattr(answer, content["name"], getattr(answer, content["name"]) + content["text"])
                if when_printed is not None:
                    when_printed(content["text"])
            elif kind == "execute_result":
                answer.results.append(content["data"]["text/plain"])
            elif kind == "display_data":
                answer.displays.append(content["data"])
            elif kind == "error":
                answer.error, answer.message = content["ename"], content["evalue"]
                answer.traceback = "\n".join(content["traceback"])

        reply = self.connection.execute_interactive(
            code,
            output_hook=take,
            stdin_hook=stdin,
            allow_stdin=stdin is not None,
            timeout=PATIENCE,
            **options,
        )
        answer.status = reply["content"]["status"]
        answer.number = reply["content"]["execution_count"]
        answer.payload = reply["content"].get("payload", [])
        return answer

    def _catch_up(self) -> None:
        """Read what the kernel published meanwhile, as a front end does all the time.

        Every front end gets the messages of all. Some 2,000 of them unread fill its queue, and the
        kernel drops the next ones, the output of the cell to come among them.
        """
        while self.connection.iopub_channel.msg_ready():
            self.connection.iopub_channel.get_msg(timeout=PATIENCE)

    def control(self, kind: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a control request, which is answered while a cell runs, and answer its reply."""
        return self._ask(self.connection.control_channel, kind, content or {})

    def ask(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send a shell request, which waits for its turn, and answer its reply."""
        return self._ask(self.connection.shell_channel, kind, content)

    def _ask(self, channel: Any, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        message = self.connection.session.msg(kind, content)
        channel.send(message)
        while True:
            reply = channel.get_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                found: dict[str, Any] = reply["content"]
                return found

    def interrupt(self) -> None:
        """Interrupt the running cell, as a front end does."""
        self.control("interrupt_request")

    def run_and_interrupt(self, code: str, waits: bool = False) -> Answer:
        """Run a cell and interrupt it when it prints "waiting"; unless it `waits`, at its start."""

        def interrupt(printed: str) -> None:
            if "waiting" in printed:
                self.interrupt()

        start = "" if waits else "print('waiting', flush=True)\n"
        return self.run(start + code, when_printed=interrupt)

    def close(self) -> None:
        self.connection.stop_channels()


class Notebook(Client):
    """An ordinary ipykernel, as "Python 3" in JupyterLab starts it, with livepatch loaded."""

    def __init__(self, folder: Path) -> None:
        self.connection_file = folder / "kernel.json"
        self.started = Answer()
        self.manager = KernelManager(kernel_name="python3", transport="ipc")
        self.manager.connection_file = str(self.connection_file)
        self.manager.ip = str(folder / "kernel")
        environment = {
            **os.environ,
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": str(APPS.parent.parent),
        }
        self.manager.start_kernel(env=environment, stderr=subprocess.DEVNULL)
        try:
            # This client looks at the process; another takes a kernel that starts slowly for dead.
            first = self.manager.blocking_client()
            first.start_channels()
            first.wait_for_ready(timeout=PATIENCE)
            first.stop_channels()
            super().__init__(self.connection_file)
            loaded = self.run("%load_ext livepatch")
            assert loaded.status == "ok", loaded.traceback
        except BaseException:
            self.close()
            raise

    def start(self, line: str) -> Answer:
        """`%webui start`, and `address` and `ask(path)` in the notebook for what is started."""
        answer = self.run(f"%webui start {line}")
        if answer.status == "ok":
            (address,) = re.findall(r"http://[\d.]+:\d+", answer.result)
            self.run(f"address = {address!r}\n{ASK}")
        return answer

    def interrupt(self) -> None:
        """Interrupt the running cell as JupyterLab does: by SIGINT."""
        self.manager.interrupt_kernel()

    def close(self) -> None:
        if hasattr(self, "connection"):
            super().close()
        self.manager.shutdown_kernel(now=True)
        self.manager.context.destroy()


@contextmanager
def demo_in_a_notebook() -> Iterator[Notebook]:
    """An ordinary notebook kernel in which the demo was started."""
    path = Path(tempfile.mkdtemp(prefix="lp-"))
    started = Notebook(path)
    started.started = started.start("-m livepatch.demo --port 0")
    yield started
    started.close()
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def webuis_in(folder: Path) -> Iterator[Callable[..., Webui]]:
    """A function that starts webuis, each in a folder of its own; they end in the end."""
    started: list[Webui] = []

    def start(*arguments: str, **options: Any) -> Webui:
        own = folder / str(len(started))
        own.mkdir()
        webui = Webui(own, *arguments, **options)
        started.append(webui)
        return webui

    yield start
    for webui in started:
        webui.close()


@contextmanager
def clients() -> Iterator[Callable[[Webui | Notebook], Client]]:
    """A function that connects front ends; they are let go in the end."""
    connected: list[Client] = []

    def connect(webui: Webui | Notebook) -> Client:
        client = Client(webui.connection_file)
        connected.append(client)
        return client

    yield connect
    for client in connected:
        client.close()
