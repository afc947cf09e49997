"""A magic and a report of another package: docs/plugins.md's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin_support import install, run, seen_by

if TYPE_CHECKING:
    from pathlib import Path

NOTEBOOK = """
import json
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()


def state():
    completers = shell.strdispatchers["complete_command"].strs
    magics = shell.magics_manager
    return [sorted(magics.magics["line"]), sorted(magics.registry), sorted(completers),
            len(shell.configurables)]


def offered(line):
    with provisionalcompleter():
        return [c.text for c in shell.Completer.completions(line, len(line))]


shell.run_line_magic("load_ext", "autoreload")  # IPython makes %load_ext at its first call
before = state()
shell.run_line_magic("load_ext", "livepatch")
report = shell.run_line_magic("threads", "Main")
seen = {
    "rows": [[row.name, row.function] for row in report],
    "text": str(report).splitlines()[:2],
    "html": "<table" in report._repr_mimebundle_()["text/html"],
    "tab": offered("%threads MainT"),
    "help": shell.object_inspect("%threads")["docstring"],
    "ours": "replace" in shell.magics_manager.magics["line"],
}
shell.run_line_magic("unload_ext", "livepatch")
seen["left"] = state() == before
shell.run_line_magic("load_ext", "livepatch")
seen["again"] = len(shell.run_line_magic("threads", "Main"))
print(json.dumps(seen))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    install(site, "plugins.md", "class ThreadsMagics")
    return site


def test_one_file_gives_a_magic_with_completion_help_and_a_report(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    file = tmp_path / "notebook.py"
    file.write_text(NOTEBOOK)
    seen = seen_by(run(site, str(file)))
    text = seen.pop("help")
    assert text.startswith("Show the threads of the webui, and what each of them runs now::")
    assert "%threads MainThread" in text
    assert seen == {
        "rows": [["MainThread", "threads"]],
        "text": ["Threads of the webui", "thread      runs     line"],
        "html": True,
        "tab": ["MainThread"],
        "ours": True,
        "left": True,
        "again": 1,
    }


def test_what_is_no_class_of_magics_is_told_and_left_out(site: Path, tmp_path: Path) -> None:
    (site / "threads-1.0.dist-info" / "entry_points.txt").write_text(
        "[livepatch.magics]\nthreads = livepatch_threads:threads\n"
    )
    program = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "livepatch")
magics = shell.magics_manager.magics["line"]
print("replace" in magics, "threads" in magics)
"""
    done = run(site, "-c", program)
    assert done.stdout.splitlines()[-1] == "True False"
    assert "is no class of magics" in done.stderr
