"""Runs a webui in a process of its own and talks to it over HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
START_SECONDS = 60


class Webui:
    """A webui process; ``url`` is known once it has printed it."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = ""
        self.output: list[str] = []
        self.errors: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait_for_url(self) -> str:
        """The URL it prints when it serves."""
        return self.wait_for_line("Running on local URL:").split()[-1]

    def wait_for_line(self, start: str) -> str:
        """The next line of its output that begins so."""
        while True:
            line = self._lines.get(timeout=START_SECONDS)
            assert line is not None, "the process ended:\n" + "".join(self.errors)
            if line.startswith(start):
                return line.strip()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return json.load(response)

    def post(self, path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def generate(self, prompt: str = "a lake", **body: Any) -> bytes:
        """The bytes of a PNG; small unless told otherwise."""
        asked = {"prompt": prompt, "seed": 3, "steps": 6, "width": 96, "height": 64, **body}
        return base64.b64decode(self.post("/api/generate", **asked)["image"])

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send the signal; answers the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout=20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for reader in self._readers:
                reader.join(timeout=5)
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)


def start_demo(*arguments: str) -> Webui:
    """The demo webui, serving on a free port."""
    return started(Webui("-m", "livepatch.demo", "--port", "0", *arguments))


def started(webui: Webui) -> Webui:
    """The same webui once it serves; ended when it does not come to that."""
    try:
        webui.url = webui.wait_for_url()
    except BaseException:
        webui.end(signal.SIGKILL)
        raise
    return webui


def pixels(png: bytes) -> Image.Image:
    """The image of a PNG."""
    return Image.open(io.BytesIO(png)).convert("RGB")
