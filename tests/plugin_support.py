"""Packages of somebody else's that plug into livepatch: made from the manual, run on their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from webui_process import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def code_in(page: str, mark: str) -> str:
    """The one block of Python in a page of the manual that has some text."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if mark in block]
    return str(found)


def install(site: Path, page: str, mark: str) -> None:
    """Lay a package of the manual with its one file where Python finds it, as pip would."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    code = code_in(page, mark)
    group, name, module, what = re.findall(
        rf'^\[project\.entry-points\."([\w.]+)"\]\n(\w+) = "(\w+):({mark.split()[-1]})"$',
        text,
        re.MULTILINE,
    )[0]
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / f"{module}.py").write_text(code, encoding="utf-8")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{what}\n")


def run(site: Path, *words: str, isolated: bool = False) -> Any:
    """Run Python where the package is installed; isolated: where nothing else is."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{REPOSITORY}"}
    return subprocess.run(
        [sys.executable, *(["-I", "-S"] if isolated else []), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def seen_by(done: Any) -> Any:
    """What a program says in its last line, when it says nothing on stderr."""
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])
