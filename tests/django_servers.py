"""Django servers in processes of their own: gunicorn, uvicorn, runserver; and clients of them."""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from django_support import copy_project

if TYPE_CHECKING:
    from pathlib import Path

ATTACHED = "livepatch: open a notebook on this webui"
SECONDS = 60
DATABASE: list[bytes] = []


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def commands(kind: str, port: int) -> list[str]:
    python = sys.executable
    gunicorn = [python, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "8"]
    uvicorn = [python, "-m", "uvicorn", "--port", str(port), "--log-level", "warning"]
    runserver = [python, "manage.py", "runserver", f"127.0.0.1:{port}"]
    return {
        "gunicorn": [*gunicorn, "--workers", "1", "site_settings.wsgi"],
        "gunicorn, 2 workers": [*gunicorn, "--workers", "2", "site_settings.wsgi"],
        "gunicorn --preload": [*gunicorn, "--workers", "2", "--preload", "site_settings.wsgi"],
        "uvicorn": [*uvicorn, "site_settings.asgi:application"],
        "runserver": runserver,
        "runserver --noreload": [*runserver, "--noreload"],
    }[kind]


class Server:
    """A server of the sample project, in a place with a runtime folder of its own."""

    def __init__(self, kind: str, place: Any, **environment: str) -> None:
        self.kind, self.place = kind, place
        project = place.folder / "site"
        if not project.exists():
            copy_project(place.folder)
            (project / "apps").mkdir()
        self.project: Path = project
        self.apps: Path = project / "apps"
        self.environment = {
            **place.environment,
            "PYTHONPATH": os.pathsep.join([str(self.apps), *sys.path]),
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "SITE_WITH_LIVEPATCH": "1",
            **environment,
        }
        self.port = free_port()
        self.lines: list[str] = []
        self._attached: queue.Queue[str] = queue.Queue()
        self.process: subprocess.Popen[str] | None = None

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``manage.py …``, to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS * 2,
        )

    def start(self, workers: int = 1) -> Server:
        """Start it, and wait until every worker has its kernel and it answers."""
        self.make_database()
        self.process = subprocess.Popen(
            commands(self.kind, self.port),
            cwd=self.project,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        for _ in range(workers):
            assert self._attached.get(timeout=SECONDS) != "ended", "".join(self.lines)
        self.wait_until_it_answers()
        return self

    def make_database(self) -> None:
        """The tables of the project: made once, then copied."""
        database = self.project / "site.sqlite3"
        if "SITE_POSTGRES" in self.environment:
            migrated = self.manage("migrate", "--verbosity", "0")
            assert migrated.returncode == 0, migrated.stderr
        if database.exists() or "SITE_POSTGRES" in self.environment:
            return
        if not DATABASE:
            migrated = self.manage("migrate", "--verbosity", "0")
            assert migrated.returncode == 0, migrated.stderr
            assert ATTACHED not in migrated.stdout
            with contextlib.closing(sqlite3.connect(database)) as made:
                made.execute("PRAGMA journal_mode=DELETE")
            DATABASE.append(database.read_bytes())
        database.write_bytes(DATABASE[0])

    def wait_until_it_answers(self) -> None:
        waited = threading.Event()
        for _ in range(SECONDS * 20):
            try:
                self.get("/blog/")
            except OSError:
                waited.wait(0.05)
            else:
                return
        raise AssertionError("it does not answer:\n" + "".join(self.lines))

    def get(self, path: str) -> tuple[int, str]:
        return ask(self.port, path)

    def end(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if ATTACHED in line:
                self._attached.put(line)
        self._attached.put("ended")


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    """One request on a connection of its own: the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
