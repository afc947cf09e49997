"""The tour is a notebook of the user's own: what becomes of it when a cell of it is broken.

That the tour itself runs from top to bottom, and puts everything back, is in test_reach_lab.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import nbformat

from livepatch.reach.demo import tour_notebook

if TYPE_CHECKING:
    from reach_support import Place

RUN = (
    "import pathlib, sys; from livepatch.reach.demo import run_once;"
    "sys.exit(run_once(notebook=pathlib.Path(sys.argv[1])))"
)


def test_a_broken_cell_ends_the_tour_and_is_named_and_the_webui_is_ended(here: Place) -> None:
    tour = nbformat.read(tour_notebook(), as_version=4)
    during = next(
        number
        for number, cell in enumerate(tour.cells)
        if "during" in cell.metadata.get("tags", ())
    )
    broken = nbformat.v4.new_code_cell("the_broken_cell = 1 / 0")
    tour.cells.insert(during + 1, broken)
    copy = here.folder / "tour.ipynb"
    nbformat.write(tour, copy)
    found = subprocess.run(
        [sys.executable, "-c", RUN, str(copy)],
        env=here.environment,
        cwd=here.folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert found.returncode == 1
    assert "the_broken_cell = 1 / 0" in found.stderr
    assert "ZeroDivisionError" in found.stderr
    answers = [line.split(": ", 1) for line in found.stdout.splitlines()]
    assert [moment for moment, _ in answers] == ["before", "during"]
    assert answers[0][1] != answers[1][1]
    assert json.loads(here.livepatch("list", "--json").stdout) == []


def test_the_tour_in_the_repository_holds_no_outputs() -> None:
    tour = nbformat.read(tour_notebook(), as_version=4)
    nbformat.validate(tour)
    cells = [cell for cell in tour.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in cells] == [[] for _ in cells]
    assert {cell.execution_count for cell in cells} == {None}
