"""What importing a file does, seen in a clean process: LP120."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .findings import Finding
    from .source import PythonFile

TIMEOUT = 60
"""In seconds, for the import of one file and of what it imports."""


def effects_of_import(file: PythonFile, root: Path) -> Iterator[Finding]:
    """What one import did that can be seen from outside.

    Modules that are not installed, such as the webui's, are stood in for.

    Args:
        file: the file.
        root: the extension's folder.
    """
    script = files("livepatch.authoring") / "templates" / "watched_import.py.txt"
    with tempfile.TemporaryDirectory() as folder:
        watched = Path(folder) / "watched.py"
        watched.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
        command = [sys.executable, "-I", "-B", str(watched), str(file.path.absolute())]
        try:
            done = subprocess.run(
                [*command, str(root.absolute())],
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                cwd=folder,
            )
        except subprocess.TimeoutExpired:
            yield file.finding(1, "LP120", f"importing it takes longer than {TIMEOUT} s")
            return
    marked = [line for line in done.stdout.splitlines() if line.startswith("livepatch-seen ")]
    for line in marked:
        seen = json.loads(line.partition(" ")[2])
        yield file.finding(seen["line"], "LP120", seen["what"])
