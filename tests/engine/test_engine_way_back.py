"""There is always a way back: what is gone already can be taken off, in whatever order."""

from __future__ import annotations

import math
from unittest import mock

import pytest
from engine_support import three_lines

import livepatch as lp

TEXT = """
import math
floor = math.floor
LIMIT = {limit}
SIZES = [1, 2]
TABLE = {{"steps": {limit}, "inner": {{"deep": 1}}}}
PAIR = ("a", 1)

def h(a=0): return "{word}"

class Base:
    def below(self): return "below"
    rate = 1

class C(Base):
    limit = {limit}
    ceil = math.ceil
    def m(self): return "{word}"
    @staticmethod
    def s(): return "{word}"
    @classmethod
    def c(cls): return "{word}"

class Callable:
    def __call__(self, *args): return "{word}"
called = Callable()
one = C()
"""
OLD, NEW = TEXT.format(limit=5, word="old"), TEXT.format(limit=6, word="new")

WAYS = {
    "restore": lambda layer: lp.restore(layer.target),
    "restore name": lambda layer: lp.restore(layer.target, name=layer.name),
    "remove": lambda layer: layer.remove(),
    "off": lambda layer: layer.off(),
    "restore_all": lambda layer: lp.restore_all(),
    "undo": lambda layer: lp.undo(),
}


@pytest.fixture(params=WAYS)
def take_off(request):
    """A way to take a layer off; whether it is off for good."""

    def take(layer):
        WAYS[request.param](layer)
        if request.param == "off":
            assert layer.state == "off"
            layer.remove()
        assert (layer.state, len(lp.patches())) == ("removed", 0)

    return take


# Places whose module is loaded again: how they are replaced, and what stands there afterwards.
RELOADED = {
    "floor": (lambda x: "ours", lambda m: m.floor is math.floor),
    "LIMIT": (7, lambda m: m.LIMIT in (5, 6)),
    "SIZES": ([7], lambda m: m.SIZES == [1, 2]),
    "TABLE": ({}, lambda m: m.TABLE["steps"] in (5, 6)),
    "PAIR": (7, lambda m: m.PAIR == ("a", 1)),
    "called": (lambda *a: "ours", lambda m: m.called() in ("old", "new")),
    "h": (lambda a=0: "ours", lambda m: m.h() in ("old", "new")),
    "C.m": (lambda self: "ours", lambda m: m.C().m() in ("old", "new")),
    "C.limit": (7, lambda m: m.C.limit in (5, 6)),
    "C.ceil": (lambda *a: "ours", lambda m: m.C.ceil is math.ceil),
    "TABLE['steps']": (7, lambda m: m.TABLE["steps"] in (5, 6)),
}


@pytest.mark.parametrize("text", [OLD, NEW], ids=["as it was", "edited"])
@pytest.mark.parametrize("name", RELOADED)
def test_after_a_reload(app, name, text, take_off):
    module = app.load(OLD)
    new, is_own = RELOADED[name]
    layer = lp.replace(app[name], new, name="n")
    app.write(text)
    app.reload()
    assert is_own(module)
    shown = vars(module).get(name)
    assert layer.state == "stale"
    take_off(layer)
    assert is_own(module)
    assert vars(module).get(name) is shown  # nothing was put there, for however short


@pytest.mark.parametrize("name", ["floor", "LIMIT", "SIZES", "h"])
def test_after_a_reload_it_can_be_laid_again(app, name):
    module = app.load(OLD)
    new, is_own = RELOADED[name]
    lp.replace(app[name], new)
    app.write(NEW)
    app.reload()
    layer = lp.replace(app[name], new)
    assert not is_own(module)
    assert layer.state == "active"
    lp.restore(app[name])
    assert is_own(module)
    if name == "LIMIT":
        assert module.LIMIT == 6
    assert len(lp.patches()) == 0


def test_a_value_of_a_reloaded_module_can_be_switched_on_again(app):
    module = app.load(OLD)
    layer = lp.replace(app["LIMIT"], 7)
    app.write(NEW)
    app.reload()
    layer.off()
    assert module.LIMIT == 6
    layer.on()
    assert (module.LIMIT, layer.state) == (7, "active")
    layer.remove()
    assert module.LIMIT == 6


# Places that unittest.mock patches; what calls or reads them; what our layer is.
MOCKED = {
    "h": (lambda m: m.h(), lambda *a: "ours"),
    "floor": (lambda m: m.floor(1.5), lambda *a: "ours"),
    "called": (lambda m: m.called(), lambda *a: "ours"),
    "C.m": (lambda m: m.C().m(), lambda *a: "ours"),
    "C.s": (lambda m: m.C.s(), lambda *a: "ours"),
    "C.c": (lambda m: m.C.c(), lambda *a: "ours"),
    "C.below": (lambda m: m.C().below(), lambda *a: "ours"),
    "C.ceil": (lambda m: m.C.ceil(1.5), lambda *a: "ours"),
    "one.m": (lambda m: m.one.m(), lambda *a: "ours"),
    "LIMIT": (lambda m: m.LIMIT, "ours"),
    "PAIR": (lambda m: m.PAIR, "ours"),
    "C.limit": (lambda m: m.C.limit, "ours"),
}


def patched(app, name, how):
    """A patch of unittest.mock that is not active yet."""
    *holders, last = name.split(".")
    holder = app.module
    for part in holders:
        holder = getattr(holder, part)
    is_value = isinstance(MOCKED[name][1], str)
    options = {
        "mock": {"new": "theirs"} if is_value else {"return_value": "theirs"},
        "new": {"new": "theirs" if is_value else (lambda *a: "theirs")},
        "autospec": {"new": "theirs"} if is_value else {"autospec": True},
    }[how]
    return mock.patch.object(holder, last, **options)


@pytest.mark.parametrize("how", ["mock", "new", "autospec"])
@pytest.mark.parametrize("name", MOCKED)
def test_a_mock_that_was_there_before_ours_and_leaves_first(app, name, how, take_off):
    module = app.load(OLD)
    read, new = MOCKED[name]
    own = read(module)
    with patched(app, name, how):
        layer = lp.replace(app[name], new, name="n")
        assert read(module) == "ours"
    assert read(module) == own
    take_off(layer)
    assert read(module) == own


@pytest.mark.parametrize("how", ["mock", "new", "autospec"])
@pytest.mark.parametrize("name", MOCKED)
def test_ours_that_is_taken_off_inside_the_mock(app, name, how, take_off):
    module = app.load(OLD)
    read, new = MOCKED[name]
    own = read(module)
    with patched(app, name, how):
        theirs = read(module)
        layer = lp.replace(app[name], new, name="n")
        take_off(layer)
        assert isinstance(read(module), type(theirs))
        assert read(module) != "ours"
    assert read(module) == own


@pytest.mark.parametrize("how", ["mock", "new"])
@pytest.mark.parametrize("name", MOCKED)
def test_a_mock_that_came_after_ours_and_leaves_first(app, name, how, take_off):
    module = app.load(OLD)
    read, new = MOCKED[name]
    own = read(module)
    layer = lp.replace(app[name], new, name="n")
    with patched(app, name, how):
        assert read(module) == "theirs"
    assert (read(module), layer.state) == ("ours", "active")
    take_off(layer)
    assert read(module) == own


@pytest.mark.parametrize("how", ["mock", "new"])
@pytest.mark.parametrize("name", MOCKED)
def test_a_mock_on_top_of_ours_is_left_alone(app, name, how):
    """Of a place: refused while it is there. Of a function itself: taken off below it."""
    module = app.load(OLD)
    read, new = MOCKED[name]
    own = read(module)
    layer = lp.replace(app[name], new, name="n")
    with patched(app, name, how):
        try:
            layer.remove()
        except lp.ForeignChange as error:
            three_lines(error, app[name])
            assert layer.state == "stale"
        else:
            assert name in ("h", "C.m", "C.s", "C.c")
        assert read(module) == "theirs"
    lp.restore(app[name])
    assert (read(module), len(lp.patches())) == (own, 0)


@pytest.mark.parametrize("name", ["TABLE['steps']", "TABLE['new']"])
def test_a_dictionary_that_mock_changes_for_a_while(app, name, take_off):
    module = app.load(OLD)
    own = dict(module.TABLE)
    with mock.patch.dict(module.TABLE, {"steps": 1, "new": 1}):
        layer = lp.replace(app[name], 7, name="n")
    take_off(layer)
    assert own == module.TABLE


def test_what_a_mock_left_can_be_adopted(app):
    module = app.load(OLD)
    with mock.patch.object(module, "h"):
        layer = lp.wrap(app["h"], lambda original, *a: ["ours", original(*a)], name="n")
    assert module.h() == "old"
    lp.adopt(app["h"])
    assert (module.h(), layer.state) == (["ours", "old"], "active")
    lp.undo()
    assert (module.h(), layer.state) == ("old", "stale")
    lp.restore(app["h"])
    assert (module.h(), layer.state) == ("old", "removed")


# What somebody else put on top is refused, and adopting it is the way out.
ON_TOP = {
    "floor": (lambda *a: "theirs", lambda m: m.floor(1.5)),
    "C.below": (lambda *a: "theirs", lambda m: m.C().below()),
    "called": (lambda *a: "theirs", lambda m: m.called()),
    "one.m": (lambda *a: "theirs", lambda m: m.one.m()),
    "LIMIT": ("theirs", lambda m: m.LIMIT),
    "TABLE['steps']": ("theirs", lambda m: m.TABLE["steps"]),
}
KINDS = {
    "a function": lambda theirs: theirs,
    "a builtin": lambda theirs: math.trunc,
    "a value": lambda theirs: 3,
}


def assign(module, name, value):
    if "[" in name:
        module.TABLE["steps"] = value
        return
    *holders, last = name.split(".")
    for part in holders:
        module = getattr(module, part)
    setattr(module, last, value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ON_TOP)
@pytest.mark.parametrize("layers", [1, 2])
def test_what_is_on_top_is_refused_and_can_be_adopted(app, name, kind, layers):
    module = app.load(OLD)
    theirs, read = ON_TOP[name]
    is_value = isinstance(theirs, str)
    theirs = KINDS[kind](theirs)
    for number in range(layers):
        lp.replace(app[name], "ours" if is_value else lambda *a: "ours", name=f"n{number}")
    assert read(module) == "ours"
    assign(module, name, theirs)
    for way in (*WAYS.values(),):
        with pytest.raises(lp.ForeignChange) as caught:
            way(lp.patches()[-1])
        three_lines(caught, app[name], "adopt")
    assert len(lp.patches()) == layers
    lp.adopt(app[name])
    lp.restore(app[name])
    assert len(lp.patches()) == 0
    stands = module.TABLE["steps"] if "[" in name else eval(f"m.{name}", {"m": module})
    assert stands is theirs or getattr(stands, "__func__", None) is theirs


@pytest.mark.parametrize("name", ["floor", "C.below", "called", "one.m"])
def test_a_wrapper_on_top_stays_and_calls_what_is_below(app, name, take_off):
    module = app.load(OLD)
    _, read = ON_TOP[name]
    own = read(module)
    layer = lp.wrap(app[name], lambda original, *a: ["ours", original(*a)], name="n")
    assert read(module) == ["ours", own]
    *holders, last = name.split(".")
    holder = module
    for part in holders:
        holder = getattr(holder, part)
    below = getattr(holder, last)
    setattr(holder, last, theirs := lambda *a: ["theirs", below(*a)])
    assert (read(module), layer.state) == (["theirs", ["ours", own]], "active")
    take_off(layer)
    assert read(module) == ["theirs", own]
    assert vars(holder)[last] is theirs


@pytest.mark.parametrize("verb", ["restore", "restore name", "remove", "restore_all"])
@pytest.mark.parametrize("name", ["h", "C.m"])
def test_what_somebody_made_of_it_while_ours_was_off_is_no_hindrance(app, name, verb):
    module = app.load(OLD)
    layer = lp.replace(app[name], lambda *_: "ours")
    layer.off()
    function = module.h if name == "h" else module.C.m
    function.__code__ = (lambda *_: "theirs").__code__
    with pytest.raises(lp.ForeignChange):
        layer.on()
    WAYS[verb](layer)
    assert (function("it"), len(lp.patches())) == ("theirs", 0)


def test_an_inherited_method_of_a_class_that_was_loaded_again_is_stale_until_adopted(app):
    module = app.load(OLD)
    layer = lp.replace(app["C.below"], lambda self: "ours")
    former = module.C()
    app.write(NEW)
    app.reload()
    assert (module.C().below(), layer.state) == ("below", "stale")
    lp.adopt(app["C.below"])
    assert (module.C().below(), layer.state) == ("ours", "active")
    lp.restore(app["C.below"])
    assert (module.C().below(), former.below(), len(lp.patches())) == ("below", "below", 0)
