"""Webuis under contract: stand-ins, and real ones by the commands that environment variables give.

``LIVEPATCH_COMFYUI="/envs/comfy/bin/python /src/ComfyUI/main.py --cpu"`` has the contract run
against a real checkout as well; its environment needs ipykernel, livepatch comes from here. The
webui runs under ``livepatch run``, and the tests run cells in its kernel, as a notebook does.
"""

from __future__ import annotations

import ast
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from livepatch.reach import webuis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
STAND_INS = {
    "a1111": ["a1111/launch.py"],
    "forge": ["forge/launch.py"],
    "forge-classic": ["forge_classic/launch.py"],
    "sdnext": ["sdnext/launch.py"],
    "textgen": ["textgen/server.py", "--extensions", "shout", "whisper"],
    "comfyui": ["comfyui/main.py"],
}
VARIABLES = {
    "LIVEPATCH_A1111": "a1111",
    "LIVEPATCH_FORGE": "forge",
    "LIVEPATCH_FORGE_CLASSIC": "forge-classic",
    "LIVEPATCH_SDNEXT": "sdnext",
    "LIVEPATCH_TEXTGEN": "textgen",
    "LIVEPATCH_COMFYUI": "comfyui",
}
START_SECONDS = {True: 280, False: 60}  # a real one on a loaded machine; a stand-in
BEGIN = """
import threading, time
import livepatch as lp
from livepatch.errors import LivepatchError
%load_ext livepatch
"""


WAIT = """
_until = time.monotonic() + 10
while not _asked() and time.monotonic() < _until:
    time.sleep(0.02)
_asked()
"""


class Webui:
    """A webui that runs, with a kernel in it.

    Args:
        flavor: its kind.
        command: the program and its arguments; None: the stand-in.
        extensions: the folder of the user's extensions; of a stand-in only.
        further: more arguments of the program.
    """

    def __init__(
        self,
        flavor: str,
        command: list[str] | None,
        extensions: Path | None = None,
        further: Sequence[str] = (),
    ) -> None:
        self.flavor = flavor
        self.is_real = command is not None
        self.folder = Path(tempfile.mkdtemp(prefix="lp-"))
        program, arguments = sys.executable, STAND_INS[flavor]
        script = HERE / arguments[0]
        if command is not None:
            program, script, *arguments = command  # type: ignore[assignment]
            arguments = ["", *arguments]
        paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "LIVEPATCH_RUNTIME_DIR": str(self.folder / "rt"),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("LIVEPATCH_WEBUI", None)
        if extensions is not None:
            environment["STAND_IN_DATA"] = str(extensions)
        run = ["-m", "livepatch", "run", "--name", "contract"]
        self.log = (self.folder / "log.txt").open("w")
        self.process = subprocess.Popen(
            [program, *run, str(script), *arguments[1:], *further],
            cwd=Path(script).parent,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.environment = environment
        # Not above: pytest wants to load it itself, for the tests that take its fixtures.
        from kernel_support import Client

        try:
            self.client = Client(self._connection_file())
            self.run(BEGIN)
            self.wait_until(f"lp.host().flavor == {flavor!r} and bool(lp.host().address)")
        except BaseException:
            self.close()
            raise

    def run(self, code: str) -> Any:
        """Run a cell; answers the value of its last expression."""
        answer = self.client.run(textwrap.dedent(code))
        assert answer.status == "ok", f"{answer.traceback}\n{answer.stdout}{self.output()[-3000:]}"
        if not answer.results:
            return None
        try:
            return ast.literal_eval(answer.result)
        except (ValueError, SyntaxError):
            return answer.result

    def shows(self, code: str) -> str:
        """What a cell shows: what it prints, its results and its error."""
        answer = self.client.run(textwrap.dedent(code))
        return "\n".join([answer.stdout, answer.stderr, *answer.results, answer.traceback])

    def output(self) -> str:
        """What the webui has printed."""
        return (self.folder / "log.txt").read_text(errors="replace")

    def close(self) -> None:
        """End it."""
        if hasattr(self, "client"):
            self.client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connection_file(self) -> Path:
        pause = threading.Event()
        end = time.monotonic() + START_SECONDS[self.is_real]
        while time.monotonic() < end and self.process.poll() is None:
            for path in (self.folder / "rt").glob("*.json"):
                if webuis._read(path) is not None:
                    return path
            pause.wait(0.05)
        raise AssertionError(f"it has no kernel:\n{self.output()[-3000:]}")

    def wait_until(self, expression: str) -> None:
        """Wait until an expression is true, for as long as a start may take."""
        """Wait until an expression of a cell is true of the webui."""
        self.run(f"_asked = lambda: {expression}")
        end = time.monotonic() + START_SECONDS[self.is_real]
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(TimeoutError):  # it starts, or has just ended
                if self.run(WAIT):
                    return
        raise AssertionError(f"{expression} never came true:\n{self.output()[-3000:]}")


def webuis_of(*flavors: str) -> list[Any]:
    """The stand-ins of some flavors, and the real ones of those that have a command."""
    found = [pytest.param((flavor, None), id=flavor) for flavor in flavors]
    for variable, flavor in VARIABLES.items():
        command = os.environ.get(variable)
        if command and flavor in flavors:
            given = (flavor, shlex.split(command))
            found.append(pytest.param(given, id=f"{flavor}-real"))
    return found


def started(
    parameter: tuple[str, list[str] | None], begin: str, extensions: Path | None = None
) -> Iterator[Webui]:
    """The webui of a parameter, for the tests of one file, after a first cell."""
    webui = Webui(*parameter, extensions)
    try:
        webui.run(begin)
        yield webui
    finally:
        webui.close()
