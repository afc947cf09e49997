"""when="idle": a change that waits until no call is inside its target."""

from __future__ import annotations

import threading

import pytest
from samples import functions

import livepatch as lp
from livepatch.engine import subscribe
from livepatch.engine.changing.registry import registry

PLAIN = "samples.functions.plain"


@pytest.fixture
def busy():
    """A call that is inside the target until it is let go."""
    inside, let_go = threading.Event(), threading.Event()

    def waits(a):
        inside.set()
        let_go.wait(20)
        return "waited"

    layer = lp.replace(PLAIN, waits, name="waits")
    results = []
    thread = threading.Thread(target=lambda: results.append(functions.plain(1)))
    thread.start()
    assert inside.wait(10)
    yield lambda: (let_go.set(), thread.join(10))
    let_go.set()
    thread.join(10)
    assert results == ["waited"]
    layer.remove()


def placed():
    """An event that is set when a change has become true."""
    event = threading.Event()
    return event, subscribe("step", lambda step: event.set())


def test_it_waits_for_the_end_of_a_call(busy):
    changed, unsubscribe = placed()
    try:
        layer = lp.replace(PLAIN, lambda a: "new", when="idle")
        assert (layer.state, "pending" in str(layer)) == ("pending", True)
        assert [patch.state for patch in lp.patches()] == ["active", "pending"]
        assert not changed.wait(0.2)
        busy()
        assert changed.wait(10)
        assert functions.plain(1) == "new"
        assert layer.state == "active"
    finally:
        unsubscribe()


def test_it_can_be_cancelled_and_forced(busy):
    layer = lp.replace(PLAIN, lambda a: "new", when="idle")
    layer.remove()
    assert layer.state == "removed"
    layer = lp.wrap(PLAIN, lambda original, a: "forced", when="idle", name="w")
    assert functions.plain.__code__.co_name == "plain"
    layer.on()
    assert (layer.state, functions.plain(1)) == ("active", "forced")
    lp.replace(PLAIN, lambda a: "new", when="idle", name="third")
    assert "cancelled" in lp.restore(PLAIN, name="third")
    assert not registry.pending


def test_the_webui_has_its_word():
    running, changed = [True], placed()
    unsubscribe = subscribe("is_idle", lambda _: not running)
    try:
        layer = lp.replace("samples.functions.numbers", lambda count: (yield "new"), when="idle")
        assert not changed[0].wait(0.1)
        assert layer.state == "pending"
        running.clear()
        assert changed[0].wait(10)
        assert list(functions.numbers(1)) == ["new"]
    finally:
        unsubscribe()
        changed[1]()


@pytest.mark.parametrize("name", ["fetch", "numbers", "stream"])
def test_without_its_word_what_can_be_suspended_is_refused(name):
    with pytest.raises(lp.PatchRefused, match="no lock that tells") as caught:
        lp.wrap(f"samples.functions.{name}", lambda original, *args: original(*args), when="idle")
    assert len(str(caught.value).splitlines()) == 3
    assert not registry.pending


def test_an_unknown_moment_is_refused():
    with pytest.raises(lp.PatchRefused, match="unknown"):
        lp.replace(PLAIN, lambda a: a, when="later")


@pytest.fixture
def never_idle():
    unsubscribe = subscribe("is_idle", lambda _: False)
    yield
    unsubscribe()


def test_what_a_failed_transaction_asked_for_does_not_come_later(never_idle):
    earlier = lp.replace(PLAIN, lambda a: "earlier", name="earlier", when="idle")
    other = lp.replace(PLAIN, lambda a: "other", name="other", when="idle")

    def body():
        with lp.transaction():
            later = lp.replace(PLAIN, lambda a: "later", name="later", when="idle")
            lp.replace(PLAIN, lambda a: "again", name="other", when="idle")
        earlier.remove()
        other.on()
        seen.append((functions.plain(1), later.state, later))
        raise LookupError

    seen = []
    with pytest.raises(LookupError), lp.transaction():
        body()
    assert seen[0][:2] == ("again", "pending")
    later = seen[0][2]
    assert functions.plain(1) == ("old", 1, 2, 1)
    assert (earlier.state, other.state, later.state) == ("pending", "pending", "removed")
    other.on()
    assert functions.plain(1) == "other"


def test_what_a_transaction_asks_for_waits_for_its_end():
    changed, unsubscribe = placed()
    try:
        with lp.transaction():
            with lp.transaction():
                layer = lp.replace(PLAIN, lambda a: "new", when="idle")
            assert not changed.wait(0.2)
            assert layer.state == "pending"
        assert changed.wait(10)
        assert functions.plain(1) == "new"
    finally:
        unsubscribe()


def test_one_thread_looks_for_the_moment(never_idle):
    for _ in range(4):
        lp.replace(PLAIN, lambda a: "new", when="idle").remove()
        layer = lp.replace(PLAIN, lambda a: "new", when="idle")
    watching = [t for t in threading.enumerate() if t.name == "livepatch-idle" and t.is_alive()]
    assert len(watching) == 1
    layer.remove()


def test_a_refused_change_leaves_the_one_that_waits(never_idle):
    waits = lp.replace(PLAIN, lambda a: "waits", when="idle")
    unsubscribe = subscribe("before_commit", lambda _: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            lp.replace(PLAIN, lambda a: "now")
        with pytest.raises(ZeroDivisionError):
            waits.on()
    finally:
        unsubscribe()
    assert (waits.state, functions.plain(1)) == ("pending", ("old", 1, 2, 1))
