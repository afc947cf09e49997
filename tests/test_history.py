"""Transactions, undo and redo: all of it or nothing, and the way back and forth."""

from __future__ import annotations

import pytest
from samples import functions

import livepatch as lp
from livepatch.history import Journal

OLD = ("old", 1, 2, 1)


def states():
    return functions.plain(1), functions.uses_module(1)


def test_a_transaction_that_raises_leaves_everything_as_it_was():
    lp.replace("samples.functions.uses_module", lambda a: "patched before")
    journal = len(lp.journal)

    def change_both_and_fail():
        with lp.transaction():
            lp.replace("samples.functions.plain", lambda a: "new")
            lp.restore("samples.functions.uses_module")
            assert states() == ("new", 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_both_and_fail()
    assert states() == (OLD, "patched before")
    assert len(lp.journal) == journal


def test_a_transaction_is_one_step_for_undo_and_redo():
    with lp.transaction():
        lp.replace("samples.functions.plain", lambda a: "one")
        lp.replace("samples.functions.uses_module", lambda a: "two")
    assert states() == ("one", "two")
    lp.undo()
    assert states() == (OLD, 3)
    lp.redo()
    assert states() == ("one", "two")


def test_an_inner_transaction_rolls_back_alone():
    def fail_inside():
        with lp.transaction():
            lp.replace("samples.functions.uses_module", lambda a: "inner")
            raise ValueError("inner")

    with lp.transaction():
        lp.replace("samples.functions.plain", lambda a: "outer")
        with pytest.raises(ValueError, match="inner"):
            fail_inside()
        assert states() == ("outer", 3)
    lp.undo()
    assert states() == (OLD, 3)


def test_undo_brings_back_an_earlier_text_and_a_restored_layer():
    lp.replace("samples.functions.plain", lambda a: "first")
    lp.replace("samples.functions.plain", lambda a: "second")
    lp.restore("samples.functions.plain")
    assert functions.plain(1) == OLD
    lp.undo()
    assert functions.plain(1) == "second"
    lp.undo()
    assert functions.plain(1) == "first"
    lp.undo()
    assert functions.plain(1) == OLD
    for expected in ("first", "second", OLD):
        lp.redo()
        assert functions.plain(1) == expected


def test_a_new_step_ends_redo():
    lp.replace("samples.functions.plain", lambda a: "first")
    lp.undo()
    lp.replace("samples.functions.plain", lambda a: "second")
    with pytest.raises(lp.PatchRefused, match="no step is undone"):
        lp.redo()
    assert functions.plain(1) == "second"


def test_undo_of_a_middle_layer_keeps_what_came_on_top():
    lower = lp.replace("samples.functions.plain", lambda a: "lower", name="lower")
    lp.replace("samples.functions.plain", lambda a: "upper", name="upper")
    lower.remove()
    assert functions.plain(1) == "upper"
    lp.undo()
    assert [layer.name for layer in lp.patches()] == ["lower", "upper"]


def test_the_journal_tells_what_who_and_with_which_text():
    lp.replace("samples.functions.plain", "def new(a):\n    return a")
    (change,) = lp.journal[-1].changes
    assert (change.verb, change.target) == ("replace", "samples.functions.plain")
    assert change.owner == __name__
    assert change.source == "def new(a):\n    return a"


def test_nothing_to_undo_is_said():
    with pytest.raises(lp.PatchRefused, match="no step that is not undone"):
        Journal().undo()
