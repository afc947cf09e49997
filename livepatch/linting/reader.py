"""Lets a separate process read a stranger's files, so that this process survives any of them."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from livepatch.errors import LivepatchError

from .findings import not_looked_at
from .jobs import Looked
from .worker import READY

if TYPE_CHECKING:
    from types import TracebackType

    from .jobs import Job

SECONDS = 10
"""Of CPU time, for one file."""
PATIENCE = 90.0
"""In seconds, for one file on a busy machine; its CPU time ends long before."""
_BOOT = """\
import importlib.machinery, importlib.util, sys
seconds, folder, *places = sys.argv[1:]
found = importlib.machinery.ModuleSpec("livepatch", None, is_package=True)
found.submodule_search_locations = [folder]
sys.modules["livepatch"] = importlib.util.module_from_spec(found)
sys.path += places
from livepatch.linting.worker import main
main(int(seconds))
"""
# The package is this process's own, also where another one is installed; of it only what reading
# takes is imported, so its front door is not executed.
_TOLD = 2_000  # bytes, of what a process says that does not start
_LAST_WORDS = 5.0  # seconds, in which a process ends whose answers have ended


class Reader:
    """Reads files in a process of its own; when a file ends that, the next gets a new one.

    Args:
        asked: what the user asked for, the first line of an error.

    Attributes:
        ends: how many processes files have ended.
    """

    def __init__(self, asked: str) -> None:
        self.ends = 0
        self._asked = asked
        self._process: _Process | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()

    def look_at(self, job: Job) -> Looked:
        """One file against the rules.

        Args:
            job: the file.

        Raises:
            LivepatchError: no process can be started.
        """
        process = self._process or self._start()
        line = process.ask(job.to_line())
        try:
            return Looked.from_line(line or b"")
        except ValueError:
            late = f"takes longer than {PATIENCE:.0f} s to read"
            why = late if line is None else process.end()
            process.kill()
            self._process = None
            self.ends += 1
            return Looked(job.shown, [not_looked_at(job.shown, why)])

    def _start(self) -> _Process:
        try:
            process = _Process()
        except (OSError, RuntimeError, MemoryError) as error:
            raise self._cannot_start(f"{type(error).__name__}: {error}") from error
        first = process.answer()
        if first != READY:
            told = [first or b"", *process.rest()]
            process.kill()
            last = b"".join(told)[-_TOLD:].decode(errors="replace").strip().split("\n")[-1]
            raise self._cannot_start(last or "it ended without an answer")
        self._process = process
        return process

    def _cannot_start(self, found: str) -> LivepatchError:
        return LivepatchError(
            self._asked,
            f"the process that reads the files did not start ({sys.executable}): {found}",
            "look at the limits of this process (memory, processes, open files), or run it in a "
            "terminal: livepatch lint PATH",
        )


class _Process:
    """One such process. Its answers come through a thread: waiting for them can be interrupted."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-B", "-X", "utf8", "-W", "ignore"]
        self._process = subprocess.Popen(
            [*command, "-c", _BOOT, str(SECONDS), *_places()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        self._answers: queue.Queue[bytes] = queue.Queue()
        try:
            threading.Thread(
                target=_follow, args=(self._process.stdout, self._answers), daemon=True
            ).start()
        except RuntimeError:
            self.kill()
            raise

    def ask(self, line: bytes) -> bytes | None:
        """The answer to a line; empty when it has ended, None when it takes too long."""
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except OSError:
            return b""
        return self.answer()

    def answer(self) -> bytes | None:
        """The next line of its answers."""
        try:
            return self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            return None

    def rest(self) -> list[bytes]:
        """What it says until it ends."""
        return [*iter(lambda: self.answer() or b"", b"")]

    def end(self) -> str:
        """How it ended, or is about to: what the file has done that it was reading."""
        try:
            code = self._process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            return "made the process that reads it return an invalid answer"
        if -code == getattr(signal, "SIGXCPU", None):
            return f"takes longer than {SECONDS} s to read"
        return f"ended the process that reads it ({_name_of(code)})"

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._stdin.close()


def _follow(answers: IO[bytes], told: queue.Queue[bytes]) -> None:
    with answers:
        for line in answers:
            told.put(line)
    told.put(b"")


def _name_of(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _places() -> list[str]:
    """Where the process finds livepatch, then tree-sitter: they may be lent to this process."""
    found = [find_spec(name) for name in ("livepatch", "tree_sitter", "tree_sitter_javascript")]
    ours, *others = [Path(s.origin).absolute().parent for s in found if s and s.origin]
    return [str(ours), *dict.fromkeys(str(folder.parent) for folder in others)]
