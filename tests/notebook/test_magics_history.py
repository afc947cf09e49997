"""%undo, %redo and %journal: back and forth, and every step with its difference."""

from __future__ import annotations

from samples import functions

import livepatch as lp

TARGET = "samples.functions.uses_module"


def replace(notebook, body):
    notebook.run(f"%%replace {TARGET}\ndef uses_module(a):\n    return {body}")
    return lp.journal[-1].number


def test_undo_and_redo(notebook):
    replace(notebook, "'new'")
    shown = notebook.run("%undo")
    assert f"undone: replace {TARGET} · notebook's 'replace'" in shown
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
    assert row.endswith("undone")


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
