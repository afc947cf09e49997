"""All of a change or none of it, both ways: what cannot be taken back is said and stays listed."""

from __future__ import annotations

import itertools

import pytest
from engine_support import Transaction, three_lines

import livepatch as lp
from livepatch.engine import Change, ChangeDescription, apply

TEXT = """
import math

class Meta(type):
    locked = False
    def __setattr__(cls, name, value):
        if Meta.locked:
            raise AttributeError("locked")
        super().__setattr__(name, value)
    def __delattr__(cls, name):
        if Meta.locked:
            raise AttributeError("locked")
        super().__delattr__(name)

class Base:
    def run(self): return "run"
    def end(self): return "end"

class Place(Base, metaclass=Meta):
    limit = 1
    floor = math.floor
    def own(self): return "own"

class Once(dict):
    locked = False
    def __setitem__(self, key, value):
        if Once.locked:
            raise KeyError("locked")
        super().__setitem__(key, value)

TABLE = Once(limit=1)
LIMIT = 1
def f(x=0): return "f"
def g(x=0): return "g"
"""

# Places that can be locked: how a layer comes there, what reads it, and what is there without us.
LOCKED = {
    "a value of a class": ("Place.limit", 7, lambda m: m.Place.limit, 1),
    "an inherited method": ("Place.run", lambda self: 7, lambda m: m.Place().run(), "run"),
    "a builtin": ("Place.floor", lambda x: 7, lambda m: m.Place.floor(1.5), 1),
    "an entry": ("TABLE['limit']", 7, lambda m: m.TABLE["limit"], 1),
}


class Place:
    """A place that can be locked: what is there cannot be exchanged then."""

    def __init__(self, app, kind):
        name, self.new, self._call, self.own = LOCKED[kind]
        self.module = app.load(TEXT)
        self.path = app[name]

    def lock(self, locked=True):
        self.module.Meta.locked = self.module.Once.locked = locked

    def replace(self, **options):
        return lp.replace(self.path, self.new, **options)

    @property
    def now(self):
        return self._call(self.module)


@pytest.fixture(params=LOCKED)
def place(app, request):
    made = Place(app, request.param)
    yield made
    made.lock(False)
    lp.restore_all()


def journal():
    return [str(entry) for entry in lp.journal]


def test_what_cannot_be_put_there_is_refused_and_nothing_has_changed(place, app):
    lp.replace(app["g"], lambda x=0: "new g", name="older")
    before = journal()
    place.lock()
    with pytest.raises(lp.PatchRefused) as caught:
        place.replace()
    three_lines(caught, place.path, "locked")
    assert (place.now, [layer.name for layer in lp.patches()]) == (place.own, ["older"])
    assert journal() == before


def test_in_a_transaction_everything_else_is_taken_back_too(place, app):
    before = journal()

    def body():
        with lp.transaction():
            lp.replace(app["f"], lambda x=0: "new f")
            place.lock()
            place.replace()

    with pytest.raises(lp.PatchRefused):
        body()
    assert (place.module.f(), place.now, len(lp.patches())) == ("f", place.own, 0)
    assert journal() == before


def test_what_cannot_be_taken_back_stays_listed_and_goes_with_the_next_restore(place, app):
    before = journal()

    def body():
        with lp.transaction():
            lp.replace(app["f"], lambda x=0: "new f")
            place.replace(name="stuck")
            lp.replace(app["g"], lambda x=0: "new g")
            place.lock()
            raise ZeroDivisionError

    with pytest.raises(lp.PatchRefused) as caught:
        body()
    three_lines(caught, place.path, "locked")
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert (place.module.f(), place.module.g(), place.now) == ("f", "g", 7)
    assert [layer.name for layer in lp.patches()] == ["stuck"]
    assert journal() == before
    place.lock(False)
    lp.restore(place.path)
    assert (place.now, len(lp.patches())) == (place.own, 0)


@pytest.mark.parametrize("verb", ["restore", "remove", "off", "restore name"])
def test_a_way_back_that_is_barred_is_refused_and_the_journal_is_as_it_was(place, verb):
    layer = place.replace(name="n")
    ways = {
        "restore": lambda: lp.restore(place.path),
        "restore name": lambda: lp.restore(place.path, name="n"),
        "remove": layer.remove,
        "off": layer.off,
    }
    before = journal()
    place.lock()
    with pytest.raises(lp.PatchRefused) as caught:
        ways[verb]()
    three_lines(caught, place.path, "locked")
    assert (layer.state, place.now, journal()) == ("active", 7, before)
    place.lock(False)
    ways[verb]()
    assert place.now == place.own


def test_undo_that_is_barred_undoes_nothing_else(place, app):
    lp.replace(app["f"], lambda x=0: "new f")
    place.replace(name="n")
    place.lock()
    for _ in range(2):
        with pytest.raises(lp.PatchRefused) as caught:
            lp.undo()
        three_lines(caught, place.path, "locked")
        assert (place.module.f(), place.now, lp.journal[-1].undone) == ("new f", 7, False)
    place.lock(False)
    lp.undo()
    assert (place.module.f(), place.now) == ("new f", place.own)
    place.lock()
    with pytest.raises(lp.PatchRefused):
        lp.redo()
    assert (place.now, len(lp.patches())) == (place.own, 1)
    place.lock(False)
    lp.redo()
    assert place.now == 7


def test_restore_all_restores_what_can_be_as_one_step(place, app):
    lp.replace(app["f"], lambda x=0: "new f")
    stuck = place.replace(name="stuck")
    lp.replace(app["g"], lambda x=0: "new g")
    steps = lp.journal[-1].number  # not its length: it keeps a bounded number of steps
    place.lock()
    with pytest.raises(lp.PatchRefused) as caught:
        lp.restore_all()
    three_lines(caught, place.path, "locked")
    assert (place.module.f(), place.module.g(), place.now) == ("f", "g", 7)
    assert (lp.journal[-1].number, list(lp.patches())) == (steps + 1, [stuck])
    lp.undo()
    assert (place.module.f(), place.module.g(), len(lp.patches())) == ("new f", "new g", 3)
    lp.redo()
    with pytest.raises(lp.PatchRefused):
        lp.restore_all()
    assert lp.journal[-1].number == steps + 1  # nothing could be restored: no step
    place.lock(False)
    lp.restore_all()
    assert (place.now, len(lp.patches())) == (place.own, 0)


def test_a_way_back_that_was_barred_leaves_the_step_undoable(place):
    with lp.transaction():
        place.replace()
    place.lock()
    with pytest.raises(lp.PatchRefused):
        lp.restore_all()
    place.lock(False)
    lp.undo()
    assert (place.now, len(lp.patches())) == (place.own, 0)


def test_several_that_are_barred_are_all_named(app):
    module = app.load(TEXT)
    for name, (path, new, *_) in LOCKED.items():
        lp.replace(app[path], new, name=name)
    module.Meta.locked = module.Once.locked = True
    with pytest.raises(lp.PatchRefused) as caught:
        lp.restore_all()
    three_lines(caught, *(app[path] for path, *_ in LOCKED.values()))
    assert len(lp.patches()) == len(LOCKED)
    module.Meta.locked = module.Once.locked = False
    lp.restore_all()
    assert len(lp.patches()) == 0


def test_a_layer_on_top_of_a_locked_place_goes_without_a_write(place):
    """The function in the place stays: only its code changes."""
    if place.new == 7:
        pytest.skip("a plain value is written each time")
    place.replace(name="below")
    top = place.replace(name="top")
    place.lock()
    top.remove()
    assert (place.now, [layer.name for layer in lp.patches()]) == (7, ["below"])


# The protocol, for every kind of change.
class Note(Change):
    """Something that becomes true and untrue, or fails to."""

    def __init__(self, name, log, *, commit=None, revert=None):
        self.name, self.log, self.fails = name, log, {"commit": commit, "revert": revert}

    def _do(self, what):
        if self.fails[what] is not None:
            raise self.fails[what]
        self.log.append(f"{what} {self.name}")

    def prepare(self):
        pass

    def commit(self):
        self._do("commit")

    def revert(self):
        self._do("revert")

    def describe(self):
        return ChangeDescription("note", self.name, "a test", "note")


@pytest.mark.parametrize("error", [ValueError("no"), KeyError(), lp.ForeignChange("a", "no", "c")])
def test_the_failing_change_that_cannot_go_back_holds_nothing_up(error):
    log, steps = [], len(lp.journal)
    changes = [
        Note("one", log),
        Note("two", log, revert=LookupError("two stays")),
        Note("three", log),
        Note("four", log, commit=error, revert=OSError("four stays")),
        Note("five", log),
    ]
    with pytest.raises(lp.PatchRefused) as caught:
        apply(*changes)
    three_lines(caught, "two", "four", "two stays", "four stays")
    assert caught.value.__cause__ is error
    assert log == ["commit one", "commit two", "commit three", "revert three", "revert one"]
    assert len(lp.journal) == steps


def test_a_failing_change_that_goes_back_raises_its_own_error():
    log = []
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught:
        apply(Note("one", log), Note("two", log, commit=error))
    assert caught.value is error
    assert log == ["commit one", "revert two", "revert one"]


def test_a_rollback_goes_on_after_any_error():
    log = []

    def body():
        with lp.transaction():
            apply(Note("one", log))
            apply(Note("two", log, revert=LookupError("two stays")))
            apply(Note("three", log))
            raise ZeroDivisionError

    with pytest.raises(lp.PatchRefused) as caught:
        body()
    three_lines(caught, "two", "two stays")
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert log[3:] == ["revert three", "commit two", "revert one"]  # what stays stays whole


# Transactions beside each other on one layer identity.
VERBS = {
    "replace": lambda target, word: lp.replace(target, lambda x=0: word, name="n"),
    "wrap": lambda target, word: lp.wrap(target, lambda original, *a: word, name="n"),
    "value": lambda target, word: lp.replace(target.replace(".f", ".LIMIT"), word, name="n"),
}


@pytest.fixture(params=VERBS)
def said(app, request):
    """Changes the target to say a word; and what it says now."""
    module, verb = app.load(TEXT), VERBS[request.param]
    is_value = request.param == "value"

    def say(word):
        return verb(app["f"], word)

    def now():
        return module.LIMIT if is_value else module.f()

    own = now()
    return say, lambda: "own" if now() == own else now()


@pytest.mark.parametrize("first_begins_first", [True, False])
def test_a_rollback_leaves_what_another_has_committed_since(said, first_begins_first):
    say, now = said
    if first_begins_first:
        one, two = Transaction(), Transaction()
    else:
        two, one = Transaction(), Transaction()
    one.run(say, "one")
    two.run(say, "two")
    two.commit()
    one.fail()
    assert (now(), [layer.state for layer in lp.patches()]) == ("two", ["active"])
    lp.undo()
    assert (now(), len(lp.patches())) == ("own", 0)  # not the one that was given up
    lp.redo()
    assert now() == "two"


def test_a_rollback_gives_back_what_another_has_committed_before(said):
    say, now = said
    one, two = Transaction(), Transaction()
    one.run(say, "one")
    two.run(say, "two")
    two.fail()
    assert now() == "one"
    one.commit()
    assert now() == "one"
    lp.undo()
    assert now() == "own"


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("with_layer", [True, False])
def test_when_both_are_given_up_what_was_before_is_there(said, order, with_layer):
    say, now = said
    if with_layer:
        say("before")
    both = {"one": Transaction(), "two": Transaction()}
    for name, transaction in both.items():
        transaction.run(say, name)
    for name in order:
        both[name].fail()
    assert now() == ("before" if with_layer else "own")
    assert len(lp.patches()) == with_layer


@pytest.mark.parametrize("order", list(itertools.permutations(["one", "two", "three"])))
@pytest.mark.parametrize("kept", [None, "one", "two", "three"])
def test_three_in_any_order(said, order, kept):
    say, now = said
    layer = say("before")
    three = {name: Transaction() for name in ("one", "two", "three")}
    for name, transaction in three.items():
        transaction.run(say, name)
    for name in order:
        three[name].commit() if name == kept else three[name].fail()
    assert now() == (kept or "before")
    assert [layer.state for layer in lp.patches()] == ["active"]
    layer.remove()
    assert now() == "own"


def test_a_switch_that_is_given_up_leaves_the_text_of_another(said):
    say, now = said
    layer = say("before")
    one, two = Transaction(), Transaction()
    one.run(layer.off)
    assert now() == "own"
    two.run(say, "two")
    two.commit()
    one.fail()
    assert (now(), layer.state) == ("two", "active")


def test_a_removal_that_is_given_up_leaves_what_another_has_laid_since(said):
    say, now = said
    layer = say("before")
    one, two = Transaction(), Transaction()
    one.run(layer.remove)
    assert now() == "own"
    two.run(say, "two")
    two.commit()
    one.fail()
    assert now() == "two"
    assert now() == "two"


def test_what_waits_is_given_up_by_its_own_transaction_alone(app):
    module = app.load(TEXT)
    from livepatch.engine import subscribe

    end = subscribe("is_idle", lambda _: False)
    try:
        one, two = Transaction(), Transaction()
        layer = one.run(lp.replace, app["f"], lambda x=0: "one", when="idle")
        assert two.run(lp.replace, app["f"], lambda x=0: "two", when="idle") is layer
        two.commit()
        one.fail()
        assert layer.state == "pending"
        layer.on()
        assert module.f() == "two"
    finally:
        end()
