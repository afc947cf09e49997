"""The check of an export: linted by our own rules, then loaded as the webui loads it.

A process of its own has the webui's folders and the names of its modules, but never the webui
itself: see ``host_modules`` for what is there, ``check_process`` for what is done.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.answers import counted
from livepatch.errors import ExportRefused
from livepatch.linting.lint import lint

from .carrying import FOLDER
from .check_process.looking import facts_of
from .expected import expected_of
from .runtime.middleware import Middleware

if TYPE_CHECKING:
    from livepatch.linting.report import LintReport

    from .expected import Expected
    from .folder import Names
    from .live import Live

TIMEOUT = 120.0
"""In seconds: the process imports what the changes import, and that may be torch."""
BEGIN = """\
import importlib.util, sys
home = sys.argv.pop(1)
search = {"submodule_search_locations": [home]}
spec = importlib.util.spec_from_file_location("export_check", home + "/__init__.py", **search)
sys.modules["export_check"] = importlib.util.module_from_spec(spec)
from export_check.process import main
main()
"""
MOST = 5


@dataclass(frozen=True)
class Checked:
    """What the check saw.

    Attributes:
        linted: what our own rules say of it, in words.
        applied: how many changes it made and took back; None: it was not checked.
        compared: how many targets were compared with what is live.
        answered: of how many functions what they return was compared.
        left_out: what it would leave out in a fresh webui.
        not_checked: what could not be looked at.
    """

    linted: str
    applied: int | None = None
    compared: int = 0
    answered: int = 0
    left_out: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()

    def told(self) -> list[str]:
        """What is to be said of it."""
        if self.applied is None:
            return ["not checked, as you asked"]
        told = [f"applied {self.applied} and took them back in a clean process"]
        same = [f"{counted(self.compared, 'target')} as live"] if self.compared else []
        if self.answered:
            same.append(f"{counted(self.answered, 'function')} with the same results")
        told += [", ".join(same)] if same else []
        return told + [f"not checked: {text}" for text in self.not_checked]


def checked_export(
    path: Path, names: Names, live: Live, asked: str, timeout: float | None
) -> Checked:
    """Load an export in a process in which livepatch cannot be imported, and compare.

    Args:
        path: the export's folder, or its file.
        names: what it is called.
        live: what is live.
        asked: the user's request in words.
        timeout: how long that may take, in seconds; None: it is only linted.

    Raises:
        ExportRefused: it could not be loaded, applied or taken back there, or it does something
            else than what is live.
    """
    linted = _linted(path)
    if timeout is None:
        return Checked(linted)
    expected = expected_of(live, names)
    request = _request(path, names, live, expected)
    answer = _answer_of_process(asked, request, timeout)
    if answer["wrong"]:
        raise _differs(asked, answer["wrong"])
    left_out = tuple(text.removeprefix("left out: ") for text in answer["left_out"])
    if left_out and live.changes and not answer["applied"]:
        raise _refused(asked, f"it would change nothing: {'; '.join(left_out[:MOST])}")
    notes = (*answer["notes"], *expected.not_checked)
    counts = (answer["applied"], answer["compared"], answer["answered"])
    return Checked(linted, *counts, left_out, notes)


def _request(path: Path, names: Names, live: Live, expected: Expected) -> dict[str, Any]:
    layout = names.adapter.layout
    is_stacked = any(isinstance(change, Middleware) for change in live.changes)
    hooks = {hook: facts_of(live.functions[name]) for hook, name in live.hooks.items()}
    return {
        "path": str(path),
        "name": names.name,
        "package": names.package,
        "entry": layout.entry.format(name=names.name, package=names.package),
        "app": layout.app if is_stacked or layout.app == "aiohttp" else "",
        "middleware": live.middleware if is_stacked else {"base": [], "live": None},
        "webui": layout.check,
        "roots": sorted(expected.modules.roots),
        "modules": expected.modules.asked(),
        "targets": expected.targets,
        "hooks": hooks,
        "events": [(event, label) for event, both in live.called.items() for label in both[0]],
        "callbacks": {event: both[1] for event, both in live.called.items()},
    }


def _answer_of_process(asked: str, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="livepatch-check-") as folder,
        as_file(files("livepatch.exporting") / "check_process") as home,
    ):
        webui = Path(folder) / "webui"
        webui.mkdir()
        file = Path(folder) / "request.json"
        file.write_text(json.dumps({**request, "folder": str(webui)}), encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", BEGIN, str(home), str(file)],
                capture_output=True,
                text=True,
                timeout=timeout,
                cwd=folder,
            )
        except subprocess.TimeoutExpired as error:
            found = f"the check did not end within {timeout:g} s"
            advice = "give it more time: %export … --timeout S; or leave it out: --no-check"
            raise ExportRefused(asked, f"{found}; no file was kept", advice) from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines() or ["no word"]
        raise _refused(asked, last[-1])
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


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
        f"the check could not load it as the webui does: {found}; no file was kept",
        "fix what it names (an import that only this process has?) and export again; "
        "--no-check writes it all the same",
    )


def _differs(asked: str, wrong: list[str]) -> ExportRefused:
    more = f" and {len(wrong) - MOST} more" if len(wrong) > MOST else ""
    return ExportRefused(
        asked,
        f"the export does not do what is live: {'; '.join(wrong[:MOST])}{more}; no file was kept",
        "make that change in another way; --no-check writes it all the same",
    )
