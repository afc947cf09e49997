"""The notebook that leads from a patch to an extension runs from top to bottom."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import nbformat
import pytest

from livepatch.reach.demo import tour_notebook

if TYPE_CHECKING:
    from reach_support import Place

NOTEBOOK = tour_notebook().with_name("from-patch-to-extension.ipynb")
RUN = (
    "import pathlib, sys; from livepatch.reach.demo import run_once;"
    "sys.exit(run_once(notebook=pathlib.Path(sys.argv[1])))"
)


@pytest.mark.timeout(240)
def test_the_fresh_webui_shows_the_same_picture(here: Place) -> None:
    # The cells themselves assert that undo, redo and the exported folder give the same pictures.
    found = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK)],
        env=here.environment,
        cwd=here.folder,
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert found.returncode == 0, found.stderr
    answers = dict(line.split(": ", 1) for line in found.stdout.splitlines())
    assert list(answers) == ["before", "during", "after"]
    before, during, after = map(json.loads, answers.values())
    assert before == after != during
    assert json.loads(here.livepatch("list", "--json").stdout) == []


def test_the_notebook_in_the_repository_holds_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in cells] == [[] for _ in cells]
    assert {cell.execution_count for cell in cells} == {None}
