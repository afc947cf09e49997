"""Webuis in processes of their own, in a runtime folder and a Jupyter data folder of the test's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WEBUI = """
import http.server
import sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = greeting().encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

def greeting():
    return "hello"

if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""


class Place:
    """A runtime folder and Jupyter folders of the test's own, and the webuis that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = folder / "rt"
        self.data = folder / "data"
        self.environment = {
            **os.environ,
            "LIVEPATCH_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_DATA_DIR": str(self.data),
            "JUPYTER_RUNTIME_DIR": str(folder / "jrt"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_PREFER_ENV_PATH": "0",
            "IPYTHONDIR": str(folder / "ipython"),
        }
        for name in ("LIVEPATCH_WEBUI", "LIVEPATCH_TRANSPORT", "PYTHONSAFEPATH"):
            self.environment.pop(name, None)
        self.script = folder / "greeter.py"
        self.script.write_text(WEBUI)
        self._stderr = (folder / "stderr.txt").open("w")
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *options: str, **variables: str) -> RunningWebui:
        """Start the webui under ``livepatch run`` and wait until it serves."""
        command = [sys.executable, "-m", "livepatch", "run", *options, str(self.script)]
        return self.serve(command, env={**self.environment, **variables})

    def start_unprepared(self, python: str = sys.executable, **options: Any) -> RunningWebui:
        """Start the webui by Python alone, without livepatch, and wait until it serves."""
        return self.serve([python, str(self.script)], **{"env": self.environment, **options})

    def serve(
        self, command: list[str], skipped: list[str] | None = None, **options: Any
    ) -> RunningWebui:
        """Start a webui that prints its port, and wait until it does.

        What it prints before goes into ``skipped``.
        """
        process: subprocess.Popen[str] = subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            **options,
        )
        self._processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        while skipped is not None and line and not line.strip().isdigit():
            skipped.append(line)
            line = process.stdout.readline()
        assert line, (self.folder / "stderr.txt").read_text()
        return RunningWebui(process, int(line))

    def livepatch(
        self,
        *arguments: str,
        stdin: str | None = None,
        python: tuple[str, ...] = (sys.executable, "-m", "livepatch"),
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            [*python, *arguments],
            env={**self.environment, **variables},
            cwd=self.folder,
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @contextmanager
    def running_cell(self, name: str, code: str) -> Iterator[None]:
        """A cell that has begun and runs on; it ends with the block."""
        command = [sys.executable, "-m", "livepatch", "exec", name, "-c"]
        process = subprocess.Popen(
            [*command, f"print('begun', flush=True)\n{code}"],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        try:
            yield
        finally:
            process.kill()
            _wait(process)

    def wait_until_it_is_silent(self, webui: RunningWebui) -> None:
        """Wait until a webui answers no request any more."""
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{webui.port}", timeout=1):
                    continue
            except OSError:
                return
        raise AssertionError("the webui goes on answering")

    def end_webuis(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            _wait(process)
        self._processes.clear()

    def end(self) -> None:
        self.end_webuis()
        self._stderr.close()


class RunningWebui:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port, self.pid = process, port, process.pid

    def get(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}", timeout=10) as answer:
            return str(answer.read().decode())

    def end(self) -> None:
        self.process.kill()
        _wait(self.process)


def _wait(process: subprocess.Popen[str]) -> None:
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def place() -> Iterator[Place]:
    """A place with short paths: the name of a socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        here = Place(Path(folder))
        try:
            yield here
        finally:
            here.end()
