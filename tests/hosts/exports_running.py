"""Webuis with the user's extension of the contract of exports, with livepatch and without."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exports_changes import TAILS
from running import HERE, REPOSITORY, STAND_INS, START_SECONDS, Webui

if TYPE_CHECKING:
    from collections.abc import Sequence

PACK = "zz_pack"
SCRIPTS = {"comfyui": f"custom_nodes/{PACK}.py", "textgen": f"extensions/{PACK}/script.py"}


class Home:
    """A folder with the user's extensions, where a webui looks for them.

    Args:
        flavor: the kind of webui.
        command: the program and its arguments; None: the stand-in.
        folder: an empty folder.
    """

    def __init__(self, flavor: str, command: list[str] | None, folder: Path) -> None:
        self.flavor, self.command, self.folder = flavor, command, folder
        self.others: tuple[str, ...] = ()  # extensions to be named before the user's
        self.script = folder / SCRIPTS.get(flavor, f"extensions/{PACK}/scripts/{PACK}.py")
        self.script.parent.mkdir(parents=True)
        (folder / "models").mkdir()  # text-generation-webui lists it at once
        tail = HERE / "exports" / f"tail_{TAILS.get(flavor, 'scripts')}.py"
        own = HERE / "exports" / f"{PACK}.py"
        body, end, begins = own.read_text().partition('if "EXPORTS_BLOCK" in')
        self.script.write_text(f"{body}{tail.read_text()}\n\n{end}{begins}")

    @property
    def extensions(self) -> Path:
        """Where exports are put."""
        return self.folder / ("custom_nodes" if self.flavor == "comfyui" else "extensions")

    def arguments(self, names: Sequence[str] = ()) -> list[str]:
        """What the program has to be told, to find them."""
        port = str(_free_port())
        if self.flavor == "textgen":
            given = ["--user-data-dir", str(self.folder), "--extensions"]
            given += [*self.others, PACK, *names]
            return given if self.command is None else [*given, "--api-port", port]
        if self.command is None:
            return []
        if self.flavor == "comfyui":
            paths = self.folder / "paths.yaml"
            paths.write_text(f"zz:\n  custom_nodes: {self.extensions}\n")
            return ["--extra-model-paths-config", str(paths), "--port", port]
        return ["--data-dir", str(self.folder), "--port", port]

    def live(self) -> Webui:
        """The webui with a kernel in it."""
        command = self.command
        return Webui(self.flavor, command, self.folder, self.arguments())

    def fresh(self, exports: Sequence[Path], names: Sequence[str]) -> dict[str, Any]:
        """What a fresh webui without livepatch says that has loaded exports."""
        probe = self.folder / "probe"
        shutil.rmtree(probe, ignore_errors=True)
        probe.mkdir()
        (probe / "wanted.json").write_text(json.dumps([*names]))
        placed = [Path(shutil.copytree(one, self.extensions / one.name)) for one in exports]
        try:
            return self._answer(probe, names)
        finally:
            for one in placed:
                shutil.rmtree(one)

    def _answer(self, probe: Path, names: Sequence[str]) -> dict[str, Any]:
        command = self.command
        if command is None:
            script = HERE / STAND_INS[self.flavor][0]
            command = [sys.executable, str(script), *self.arguments(names)]
        else:
            script = Path(command[1])
            command = [*command, *self.arguments(names)]
        # With two dozen extensions more than it has otherwise.
        seconds = 2 * START_SECONDS[self.command is not None]
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in paths if p and Path(p) != REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            "STAND_IN_DATA": str(self.folder),
            "EXPORTS_PROBE": str(probe),
            "EXPORTS_SECONDS": str(0.9 * seconds),
            **({"EXPORTS_BLOCK": "1"} if self.command is None else {}),
        }
        with (probe / "log.txt").open("w") as log:
            process = subprocess.Popen(
                command,
                cwd=script.parent,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            return _awaited(probe, process, seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _awaited(probe: Path, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
    pause, end = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if (probe / "answer.json").exists():
            answer: dict[str, Any] = json.loads((probe / "answer.json").read_text())
            return {**answer, "log": (probe / "log.txt").read_text(errors="replace")}
        pause.wait(0.1)
    raise AssertionError((probe / "log.txt").read_text(errors="replace")[-4000:])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
