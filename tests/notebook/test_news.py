"""What layers come to by themselves is said: in the next cell, and in the list of layers."""

from __future__ import annotations

import importlib
import sys

import pytest
from notebook_support import TARGET, a_notebook
from samples import functions

import livepatch as lp


@pytest.fixture
def notebook():
    with a_notebook() as notebook:
        yield notebook


def test_a_guards_failures_are_said_in_the_next_cell_and_with_the_layer(notebook):
    notebook.run(
        f"%%replace --guard {TARGET}\ndef uses_module(*args):\n    raise ValueError('boom')"
    )
    functions.uses_module(3)
    said = notebook.run("1")
    assert (
        f"1 failure in {TARGET} (notebook) · the layer below answered · the last: ValueError"
        in said
    )
    assert "failure" not in notebook.run("1")  # once
    report = notebook.value("%patches")
    assert report.columns[-1].heading == "why"
    assert "1 failure, the last at " in report.rows()[0][-1]
    assert "ValueError: boom" in report.rows()[0][-1]
    functions.uses_module(3)
    functions.uses_module(3)
    said = notebook.run("1")
    assert "2 failures" in said
    assert "switched off" in said
    (row,) = notebook.value("%patches").rows()
    assert row[1] == "off"
    assert "by its guard: 3 failures" in row[-1]
    assert "boom" in notebook.value("%patches")._repr_mimebundle_()["text/html"]


def test_one_that_the_user_switched_off_has_no_reason(notebook):
    notebook.run(f"%%replace {TARGET}\ndef uses_module(*args):\n    return 1")
    notebook.run(f"%patches --off {TARGET}")
    assert [column.heading for column in notebook.value("%patches").columns][-1] == "name"


def test_a_layer_that_became_stale_is_said_once_with_the_reason(notebook, tmp_path, monkeypatch):
    path = tmp_path / "news_sample.py"
    path.write_text("LIMIT = 1\n\nclass A:\n    def f(self):\n        return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("news_sample")
    try:
        lp.replace("news_sample.A.f", "def f(self):\n    return 2")
        module.A.f = lambda self: 3  # somebody else
        said = notebook.run("1")
        assert "stale: news_sample.A.f" in said
        assert "stale" not in notebook.run("1")
        (row,) = notebook.value("%patches").rows()
        assert row[1] == "stale"
        assert row[-1]
    finally:
        lp.restore_all()
        del sys.modules["news_sample"]
