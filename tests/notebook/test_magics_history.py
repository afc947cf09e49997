"""%undo, %redo and %journal: back and forth, and every step with its difference."""

from __future__ import annotations

import time

import pytest
from samples import functions

import livepatch as lp

TARGET = "samples.functions.uses_module"


def replace(notebook, body):
    notebook.run(f"%%replace {TARGET}\ndef uses_module(a):\n    return {body}")
    return lp.journal[-1].number


def rows_of(notebook):
    lines = notebook.run("%journal").splitlines()
    return {line.split()[0]: line for line in lines if line[:1].isdigit()}


def test_undo_and_redo(notebook):
    replace(notebook, "'new'")
    shown = notebook.run("%undo")
    assert f"undone: replace {TARGET} · notebook · live: what the webui had" in shown
    assert "= lp.undo()" in shown
    assert functions.uses_module(1) == 3
    assert f"redone: replace {TARGET}" in notebook.run("%redo")
    assert functions.uses_module(1) == "new"


def test_nothing_to_redo_is_three_lines(notebook):
    replace(notebook, "'new'")
    shown = notebook.run("%redo").splitlines()
    assert shown[0] == "PatchRefused: redo"
    assert len(shown) == 3


def test_the_journal_lists_the_steps_and_says_which_are_undone(notebook):
    number = replace(notebook, "'new'")
    notebook.run("%undo")
    shown = notebook.run("%journal")
    assert "= lp.journal" in shown
    (row,) = [line for line in shown.splitlines() if line.startswith(f"{number} ")]
    assert f"replace {TARGET}" in row
    assert "undone" in row


def test_equal_steps_are_told_apart_and_the_live_one_is_marked(notebook):
    numbers = [replace(notebook, text) for text in ("'one'", "'two'", "'three'")]
    rows = {
        line.split()[0]: line
        for line in notebook.run("%journal").splitlines()
        if line[:1].isdigit()
    }
    one, two, three = (rows[str(number)] for number in numbers)
    assert ["return 'one'" in one, "return 'two'" in two, "return 'three'" in three] == [True] * 3
    assert [" live " in row for row in (one, two, three)] == [False, False, True]
    said = notebook.run("%undo")
    assert f"live: step {numbers[1]}, return 'two'" in said
    rows = {
        line.split()[0]: line
        for line in notebook.run("%journal").splitlines()
        if line[:1].isdigit()
    }
    assert " live " in rows[str(numbers[1])]
    assert f"live: step {numbers[2]}, return 'three'" in notebook.run("%redo")
    for _ in range(3):
        said = notebook.run("%undo")
    assert "live: what the webui had" in said
    assert " live " not in notebook.run("%journal").replace("live: ", "")
    html = notebook.value("%journal")._repr_mimebundle_()["text/html"]
    assert "return &#x27;three&#x27;" in html


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has no time zone of a process")
def test_times_are_those_of_the_place(notebook, monkeypatch):
    replace(notebook, "'one'")
    monkeypatch.setenv("TZ", "Asia/Kolkata")  # half an hour apart from whole ones
    time.tzset()
    try:
        shown = notebook.run("%journal").splitlines()[-1]
        assert f"{lp.journal[-1].time.astimezone():%H:%M:%S}" in shown
        assert f"{lp.journal[-1].time:%H:%M:%S}" not in shown
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_step_is_shown_as_the_difference_that_it_made(notebook):
    first, second = replace(notebook, "'one'"), replace(notebook, "'two'")
    notebook.run(f"%restore {TARGET}")
    third = lp.journal[-1].number
    shown = [notebook.run(f"%journal --diff {number}") for number in (first, second, third)]
    assert "-    return math.floor(a) * FACTOR\n+    return 'one'" in shown[0]
    assert "-    return 'one'\n+    return 'two'" in shown[1]
    assert "-    return 'two'\n+    return math.floor(a) * FACTOR" in shown[2]
    assert f"lp.journal.diff({first})" in shown[0]


def test_a_step_that_was_undone_before_is_no_part_of_the_next_difference(notebook):
    replace(notebook, "'one'")
    notebook.run("%undo")
    two, three = replace(notebook, "'two'"), replace(notebook, "'three'")
    shown = notebook.run(f"%journal --diff {two}")
    assert "-    return math.floor(a) * FACTOR\n+    return 'two'" in shown
    notebook.run("%undo")
    notebook.run("%undo")  # both were true when they were made
    shown = notebook.run(f"%journal --diff {three}")
    assert "-    return 'two'\n+    return 'three'" in shown


def test_a_step_that_is_not_there_is_three_lines(notebook):
    shown = notebook.run("%journal --diff 1000000").splitlines()
    assert shown == [
        "TargetNotFound: journal --diff 1000000",
        "the journal has no step 1000000",
        "look at %journal",
    ]


def test_the_journal_as_a_cells_value_opens_to_differences(notebook):
    replace(notebook, "'<b>'")
    data = lp.journal._repr_mimebundle_()
    assert "<details" in data["text/html"]
    assert "&lt;b&gt;" in data["text/html"]
    assert "<b>" not in data["text/html"]
    assert f"replace {TARGET}" in data["text/plain"]
    assert notebook.value("import livepatch as lp\nlp.journal") is lp.journal


def test_a_step_of_several_changes_shows_each(notebook):
    with lp.transaction():
        lp.replace(TARGET, "def f(a):\n    return 1")
        lp.wrap("samples.functions.plain", lambda original, a: original(a))
        lp.patches()[-1].off()
    text = str(lp.journal.diff(lp.journal[-1].number))
    assert "+    return 1" in text
    assert "wrap samples.functions.plain" in text
    assert "no text changed" in text
