"""Observes what importing a file does, in a clean process: LP120."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.files.untrusted import Unreadable, read_untrusted

from .findings import Finding
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 60
"""In seconds, for the import of one file and of what it imports."""


def effects_of_import(path: Path, root: Path) -> Iterator[Finding]:
    """What one import did that can be seen from outside.

    Modules that are not installed, such as the webui's, are stood in for.

    Args:
        path: the file.
        root: the extension's folder.
    """
    script = files("livepatch.linting") / "templates" / "watched_import.py.txt"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        watched, seen = Path(folder) / "watched.py", Path(folder) / "seen.json"
        watched.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
        command = [sys.executable, "-I", "-B", str(watched), str(path.absolute())]
        command += [str(root.absolute()), str(seen)]
        if not _run(command, folder):
            yield _finding(path, 1, f"importing it takes longer than {TIMEOUT} s")
            return
        for line, what in _seen(seen):
            yield _finding(path, line, what)


def _run(command: list[str], folder: str) -> bool:
    """Run a command, and end all that it started; whether it ended in time.

    Nothing of what it prints is kept: it may be without end.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        start_new_session=True,
    )
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        return False
    finally:
        _end(process)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        # The group outlives its leader as long as it has members: programs that the import started.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _seen(file: Path) -> list[tuple[int, str]]:
    """What the process wrote down; whatever else the import has put there is nothing."""
    try:
        told = json.loads(read_untrusted(file))
        return [(int(line), str(what)) for line, what in told]
    except (Unreadable, ValueError, TypeError, RecursionError):
        return []


def _finding(path: Path, line: int, what: str) -> Finding:
    return Finding(str(path), line, "LP120", what, RULES["LP120"].fix)
