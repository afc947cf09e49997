"""The check of an export: linted by our own rules, and applied and removed in a clean process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.answers import counted
from livepatch.errors import ExportRefused
from livepatch.linting.lint import lint

from .carrying import FOLDER
from .runtime.callbacks import Callback
from .runtime.middleware import Middleware

if TYPE_CHECKING:
    from livepatch.linting.report import LintReport

    from .folder import Names
    from .live import Live

TIMEOUT = 120
"""In seconds: a clean process imports what the changes import, and that may be torch."""


@dataclass(frozen=True)
class Checked:
    """What the clean process saw.

    Attributes:
        applied: how many changes it made and took back.
        warnings: what was left out there.
        linted: what our own rules say of it, in words.
    """

    applied: int
    warnings: tuple[str, ...]
    linted: str


def check(path: Path, names: Names, live: Live, asked: str) -> Checked:
    """Load an export in a clean process in which livepatch cannot be imported.

    What the webui has and that process has not is stood in for by functions of the same kind.

    Raises:
        ExportRefused: it could not be loaded, applied or removed there.
    """
    layout = names.adapter.layout
    request = {
        "path": str(path),
        "package": names.package,
        "entry": layout.entry.format(name=names.name, package=names.package),
        "app": layout.app,
        "webui": layout.check,
        "hooks": sorted(live.hooks),
        "stand_ins": live.stand_ins,
        "middleware": _middleware_names(live),
        "modules": sorted(live.gatherer.modules - _installed(live.gatherer.modules)),
        "events": [
            (c.event, c.label)
            for c in live.changes
            if isinstance(c, Callback) and c.action != "add"
        ],
    }
    script = files("livepatch.exporting") / "templates" / "check.py.txt"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "check.py"
        file.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", str(file), json.dumps(request)],
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                cwd=folder,
            )
        except subprocess.TimeoutExpired as error:
            raise _refused(asked, f"it did not end within {TIMEOUT} s") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines() or ["no word"]
        raise _refused(asked, last[-1])
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return Checked(answer["applied"], tuple(answer["warnings"]), _linted(path))


def _linted(path: Path) -> str:
    findings = _findings(path)
    if not findings:
        return "lints clean"
    first, count = findings[0], len(findings)
    place = f"{Path(first.path).name}:{first.line}"
    return f"lint: {counted(count, 'finding')}, the first at {place}: {first.message}"


def _findings(path: Path) -> LintReport:
    """What our rules say of the user's own files; what is carried of livepatch is none of them."""
    if not path.is_dir():
        return lint(path)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / path.name
        shutil.copytree(path, own, ignore=shutil.ignore_patterns(FOLDER))
        return lint(own)


def _refused(asked: str, found: str) -> ExportRefused:
    return ExportRefused(
        asked,
        f"a clean process could not load it: {found}; no file was kept",
        "fix what it names (an import that only this process has?) and export again",
    )


def _middleware_names(live: Live) -> list[str]:
    return [c.label for c in live.changes if isinstance(c, Middleware) and c.action == "remove"]


def _installed(modules: set[str]) -> set[str]:
    """Which modules a clean process of the same Python can import."""
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")}
    found = set()
    for name in modules:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file is None or any(str(file).startswith(place) for place in places if place):
            found.add(name)
    return {n for n in found if not n.startswith("livepatch.")}
