"""Transactions, undo and redo: all of it or nothing, and the way back and forth."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from functools import partial

import pytest
from samples import functions
from soak import undoers

import livepatch as lp
from livepatch.engine import subscribe
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
    with pytest.raises(lp.PatchRefused, match="no step left to undo"):
        Journal().undo()


def test_undo_inside_a_transaction_is_refused():
    lp.replace("samples.functions.plain", lambda a: "before")
    with lp.transaction():
        with pytest.raises(lp.PatchRefused, match="a transaction is open"):
            lp.undo()
        with pytest.raises(lp.PatchRefused, match="a transaction is open"):
            lp.redo()
    assert functions.plain(1) == "before"


def test_a_task_that_outlives_the_transaction_makes_steps_of_its_own():
    async def begin_and_end():
        go_on = asyncio.Event()

        async def later():
            await go_on.wait()
            lp.replace("samples.functions.uses_module", lambda a: "later")

        with lp.transaction():
            task = asyncio.create_task(later())
            lp.replace("samples.functions.plain", lambda a: "inside")
            await asyncio.sleep(0)
        go_on.set()
        await task

    asyncio.run(begin_and_end())
    assert states() == ("inside", "later")
    lp.undo()
    assert states() == ("inside", 3)


@pytest.fixture
def many_switches():
    """Threads take turns at nearly every instruction."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def journal(many_switches):
    """A journal that begins now: undo reaches no step of another test."""
    journal = Journal()
    unsubscribe = subscribe("step", journal.record)
    yield journal
    unsubscribe()


def all_at_once(*works):
    """Run something in a thread each, all begun together; answer what they raised."""
    barrier, raised = threading.Barrier(len(works)), []

    def run(work):
        barrier.wait()
        try:
            work()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def undo_and_note(journal, undone):
    undone.append(journal.undo().number)


def test_no_two_undos_take_the_same_step_back(journal):
    for round_ in range(40):
        made = [lp.replace("samples.functions.plain", lambda a: a, name=f"{n}") for n in range(4)]
        steps = [entry.number for entry in journal[-4:]]
        undone = []
        assert all_at_once(*[partial(undo_and_note, journal, undone)] * 4) == []
        assert sorted(undone) == steps, round_
        assert [layer.state for layer in made] == ["removed"] * 4


def test_changes_undos_and_looks_in_several_threads_do_not_disturb_each_other(journal):
    for number in range(500):  # an undo looks past these
        lp.replace("samples.functions.plain", lambda a: a, name=f"{number % 5}")
    for _ in range(500):
        journal.undo()

    done = threading.Event()

    def change():
        for number in range(300):
            lp.replace("samples.functions.plain", lambda a: a, name=f"{number % 5}")
        done.set()

    def undo():
        while not done.is_set():
            with contextlib.suppress(lp.PatchRefused):
                journal.undo()

    def look():
        for _ in range(60):
            assert str(journal).startswith("Journal")
            assert all(entry.number for entry in journal)

    assert all_at_once(change, undo, undo, undo, look) == []


def test_two_undoers_and_a_writer_take_each_step_back_once(journal):
    undone, steps = undoers.change_and_undo(journal, lambda number: number < 300)
    assert undone == dict.fromkeys(range(1, 301), 1)
    assert steps == 300
    assert states() == (OLD, 3)


def test_what_others_did_to_the_function_meanwhile_stays():
    functions.annotated.count = 0
    layer = lp.replace("samples.functions.annotated", lambda a: a)
    functions.annotated.count += 1
    functions.annotated.later = "registered"
    layer.off()
    assert (functions.annotated.count, functions.annotated.later) == (1, "registered")
    layer.remove()
    functions.annotated.__defaults__ = ("changed",)
    try:
        lp.replace("samples.functions.annotated", lambda a, b: a)
        lp.restore("samples.functions.annotated")
        assert functions.annotated(1) == (1, "changed")
    finally:
        functions.annotated.__defaults__ = ("x",)
        del functions.annotated.count, functions.annotated.later


def test_a_foreign_change_of_the_defaults_is_noticed():
    layer = lp.replace("samples.functions.plain", lambda a, b=7: b)
    functions.plain.__defaults__, ours = (8,), functions.plain.__defaults__
    with pytest.raises(lp.ForeignChange, match=r"__defaults__: now \(8,\)"):
        layer.remove()
    functions.plain.__defaults__ = ours
    layer.remove()
    assert functions.plain(1) == OLD


def test_redo_leaves_a_foreign_change_alone():
    lp.replace("samples.functions.plain", lambda a: "first")
    lp.replace("samples.functions.plain", lambda a: "second")
    lp.undo()
    ours, foreign = functions.plain.__code__, (lambda a: "foreign").__code__
    functions.plain.__code__ = foreign
    with pytest.raises(lp.ForeignChange):
        lp.redo()
    assert functions.plain.__code__ is foreign
    functions.plain.__code__ = ours


def test_one_foreign_change_does_not_keep_the_others_patched():
    lp.replace("samples.functions.plain", lambda a: "patched")
    lp.replace("samples.functions.uses_module", lambda a: "patched")
    ours, functions.plain.__code__ = functions.plain.__code__, (lambda a: "foreign").__code__
    with pytest.raises(lp.ForeignChange):
        lp.restore_all()
    assert states() == ("foreign", 3)
    functions.plain.__code__ = ours


def test_a_rollback_takes_back_all_that_can_be():
    foreign = (lambda a: "foreign").__code__

    def fail():
        with lp.transaction():
            lp.replace("samples.functions.plain", lambda a: "new")
            lp.replace("samples.functions.uses_module", lambda a: "new")
            functions.plain.__code__, kept[0] = foreign, functions.plain.__code__
            raise ZeroDivisionError

    kept = [None]
    with pytest.raises(lp.ForeignChange) as caught:
        fail()
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert states() == ("foreign", 3)
    functions.plain.__code__ = kept[0]


def test_a_layer_whose_name_leads_elsewhere_is_stale():
    own = functions.uses_module
    layer = lp.replace("samples.functions.uses_module", lambda a: "patched")
    functions.uses_module = lambda a: "loaded again"
    assert layer.state == "stale"
    again = lp.replace("samples.functions.uses_module", lambda a: "patched again")
    lp.restore("samples.functions.uses_module")
    assert functions.uses_module(1) == "loaded again"
    assert own(1) == 3
    assert (layer.state, again.state) == ("removed", "removed")
    functions.uses_module = own


def test_a_removed_layer_cannot_be_switched():
    layer = lp.replace("samples.functions.plain", lambda a: "new")
    layer.remove()
    assert str(layer).startswith("removed samples.functions.plain")
    with pytest.raises(lp.PatchRefused, match="was removed"):
        layer.on()
