"""The protocol of a change: what is seen at once, and what waits for the end of the step."""

from __future__ import annotations

import contextlib

import pytest
from samples import functions

import livepatch as lp
from livepatch.engine import Change, ChangeDescription, apply, live_layers, subscribe
from livepatch.engine.changing.registry import registry


class Board:
    """Something of a webui that shows its notes in one go."""

    path = "the board"

    def __init__(self):
        self.notes = ()
        self.shown = ()
        self.stores = 0

    def own_layers(self):
        return [Note(self, note) for note in self.notes]

    def way_back(self):
        return Take(self, self.notes, ())


class Note:
    target = path = "the board"
    owner, state, verb = "a test", "active", "write"

    def __init__(self, board, name):
        self.stack, self.name = board, name


class Take(Change):
    """From some notes to others."""

    def __init__(self, board, before, after):
        self.board, self.before, self.after = board, before, after

    def prepare(self):
        pass

    def commit(self):
        self._take(self.after)

    def revert(self):
        self._take(self.before)

    def _take(self, notes):
        self.board.notes = notes
        if notes:
            registry.changed[id(self.board)] = self.board
        else:
            registry.changed.pop(id(self.board), None)

    def show(self, together):
        assert self in together
        if self.board.shown != self.board.notes:
            self.board.shown = self.board.notes
            self.board.stores += 1

    def describe(self):
        return ChangeDescription("write", "the board", "a test", str(self.after))


def write(board, note):
    apply(Take(board, board.notes, (*board.notes, note)))


@pytest.fixture
def board():
    return Board()


def test_a_single_change_is_shown_at_once(board):
    write(board, "one")
    assert board.shown == ("one",)


def test_the_changes_of_a_transaction_are_shown_together_as_the_outermost_ends(board):
    with lp.transaction():
        write(board, "one")
        with lp.transaction():
            write(board, "two")
        assert (board.notes, board.shown) == (("one", "two"), ())
    assert board.shown == ("one", "two")
    assert board.stores == 1


def test_what_is_rolled_back_was_never_shown(board):
    def write_and_fail():
        with lp.transaction():
            write(board, "one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert (board.notes, board.shown, board.stores) == ((), (), 0)


def test_undo_and_redo_show_a_whole_step(board):
    with lp.transaction():
        write(board, "one")
        write(board, "two")
    lp.undo()
    assert (board.shown, board.stores) == ((), 2)
    lp.redo()
    assert (board.shown, board.stores) == (("one", "two"), 3)


def test_restore_all_and_patches_know_what_is_no_function(board):
    write(board, "one")
    assert [(layer.target, layer.name) for layer in lp.patches()] == [("the board", "one")]
    assert len(live_layers()) == 1
    assert "restored 1 target · the board" in lp.restore_all()
    assert (board.shown, len(lp.patches())) == ((), 0)
    lp.undo()
    assert board.shown == ("one",)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (lp.ForeignChange("restore the wall", "someone painted it", "ask them"), lp.ForeignChange),
        (TypeError("someone painted it"), lp.PatchRefused),
    ],
)
def test_what_refuses_to_go_back_holds_nothing_else_up(board, error, raised):
    class Stubborn(Board):
        def way_back(self):
            raise error

    wall = Stubborn()
    write(wall, "paint")
    write(board, "one")
    with pytest.raises(raised, match="someone painted it"):
        lp.restore_all()
    assert board.shown == ()
    apply(Take(wall, wall.notes, ()))


class Unshowable(Take):
    def show(self, together):
        if self.board.notes == self.after:
            raise LookupError("cannot be shown")
        super().show(together)


@pytest.mark.parametrize("inside", [False, True])
def test_what_cannot_be_shown_is_taken_back_with_all_that_was_shown(board, inside):
    other, steps = Board(), len(lp.journal)

    def change():
        apply(Take(board, (), ("one",)), Unshowable(other, (), ("two",)))

    around = lp.transaction() if inside else contextlib.nullcontext()
    with pytest.raises(LookupError, match="cannot be shown"), around:
        change()
    assert (board.notes, board.shown, other.notes, other.shown) == ((), (), (), ())
    assert len(lp.journal) == steps


def test_what_cannot_be_shown_and_not_be_taken_back_is_named_and_the_rest_is_shown_again(board):
    class Stuck(Unshowable):
        def revert(self):
            raise OSError("nor be taken back")

    other = Board()

    def change():
        with lp.transaction():
            apply(Take(board, (), ("one",)))
            apply(Stuck(other, (), ("two",)))

    with pytest.raises(LookupError, match="cannot be shown") as caught:
        change()
    assert "nor be taken back" in str(caught.value.__context__)
    assert (board.notes, board.shown) == ((), ())
    registry.changed.pop(id(other))


def test_a_refused_change_leaves_what_is_said_of_the_layer():
    target = "samples.functions.plain"
    layer = lp.replace(target, lambda a, b=2: "new", name="one")

    def refuse(_):
        raise lp.PatchRefused("wrap", "not now", "later")

    unsubscribe = subscribe("before_commit", refuse)
    try:
        with pytest.raises(lp.PatchRefused):
            lp.wrap(target, lambda original, *a, **k: "wrapped", name="one")
    finally:
        unsubscribe()
    assert (layer.verb, layer.state, functions.plain(1)) == ("replace", "active", "new")
    lp.wrap(target, lambda original, *a, **k: "wrapped", name="one")
    assert layer.verb == "wrap"
