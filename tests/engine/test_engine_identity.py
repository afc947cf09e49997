"""Whose a layer is: a stack belongs to one function itself, or one place, however it is spelled."""

from __future__ import annotations

import pytest
from engine_support import Transaction, three_lines

import livepatch as lp
from livepatch.engine import subscribe
from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.adopting import heal

TEXT = """
import functools

def timed(function):
    def wrapper(*args):
        return function(*args)
    return wrapper

def f(x=0): return "f"
def g(x=0): return "g"
a, b = timed(f), timed(g)
c, d = (lambda x=0: "c"), (lambda x=0: "d")

@functools.singledispatch
def show(value): return "any"
@show.register
def _(value: int): return "int"
on_int = show.dispatch(int)
@show.register
def _(value: str): return "str"
on_str = show.dispatch(str)

class P:
    kept = "p"
    @property
    def v(self): return self.kept
    @v.setter
    def v(self, value): self.kept = "set " + value

class Net:
    def forward(self): return "net"

one, two = Net(), Net()
"""


def written(app):
    instance = app.P()
    instance.v = "x"
    return instance.kept


# By the name of a pair: two names in the module, what calls each, and what they answer.
PAIRS = {
    "closures": ("a", "b", lambda m: m.a(1), lambda m: m.b(1), "f", "g"),
    "lambdas": ("c", "d", lambda m: m.c(1), lambda m: m.d(1), "c", "d"),
    "singledispatch": ("on_int", "on_str", lambda m: m.show(1), lambda m: m.show(""), "int", "str"),
    "accessors": ("P.v.fget", "P.v.fset", lambda m: m.P().v, written, "p", "set x"),
    "instances": ("one.forward", "two.forward", *[lambda m: m.one.forward()], None, "net", "net"),
}
PAIRS["instances"] = (*PAIRS["instances"][:3], lambda m: m.two.forward(), "net", "net")


def thing(module, name):
    for part in name.split("."):
        module = vars(module)[part] if isinstance(module, type) else getattr(module, part)
    return module


class Pair:
    """Two functions that are spelled alike."""

    def __init__(self, app, kind, form):
        first, second, *self._calls, self.own, self.other_own = PAIRS[kind]
        self.module = app.load(TEXT)
        self.names = app[first], app[second]
        self.first, self.second = self.names
        if form == "object":
            self.first, self.second = thing(self.module, first), thing(self.module, second)
        self.sets = kind == "accessors"

    def calls(self):
        return tuple(call(self.module) for call in self._calls)

    def new(self, word, setter=False):
        def get(*_):
            return word

        def put(self, value):
            self.kept = word

        return put if setter else get


@pytest.fixture(params=PAIRS)
def kind(request):
    return request.param


@pytest.fixture(params=["name", "object"])
def pair(app, kind, request):
    return Pair(app, kind, request.param)


def test_each_has_its_own_replacement(pair):
    first = lp.replace(pair.first, pair.new("A"), name="a")
    second = lp.replace(pair.second, pair.new("B", pair.sets), name="b")
    assert pair.calls() == ("A", "B")
    assert [layer.state for layer in (first, second)] == ["active", "active"]
    assert first.stacks != second.stacks
    lp.restore(pair.second)
    assert (pair.calls(), first.state, second.state) == (("A", pair.other_own), "active", "removed")
    lp.undo()
    lp.restore(pair.first)
    assert pair.calls() == (pair.own, "B")


def test_one_owner_and_name_lies_on_both(pair):
    first = lp.replace(pair.first, pair.new("A"))
    second = lp.replace(pair.second, pair.new("B", pair.sets))
    assert first is not second
    assert pair.calls() == ("A", "B")
    lp.replace(pair.first, pair.new("C"))
    assert (pair.calls(), len(lp.patches())) == (("C", "B"), 2)


def test_each_original_is_its_own(pair):
    lp.wrap(pair.first, lambda original, *args: original(*args), name="a")
    lp.wrap(pair.second, lambda original, *args: original(*args), name="b")
    assert pair.calls() == (pair.own, pair.other_own)


def test_a_refused_change_of_the_other_changes_nothing(pair):
    layer = lp.replace(pair.first, pair.new("A"), name="a")

    async def wrong(*_):
        return "wrong"

    with pytest.raises(lp.PatchRefused) as caught:
        lp.replace(pair.second, wrong, name="b")
    three_lines(caught)
    layer.off()
    assert pair.calls() == (pair.own, pair.other_own)
    layer.on()
    assert pair.calls() == ("A", pair.other_own)


def test_looking_for_what_was_loaded_again_does_not_take_the_other_in(pair):
    layer = lp.replace(pair.first, pair.new("A"), name="a")
    assert heal() == []
    with pytest.raises(lp.TargetNotFound):
        lp.restore(pair.second, name="a")
    assert "nothing to restore" in lp.restore(pair.second)
    assert (pair.calls(), layer.state) == (("A", pair.other_own), "active")


def test_both_wait_for_their_own_moment(pair):
    busy, changed = [True], []
    ends = [subscribe("is_idle", lambda _: not busy)]
    first = lp.replace(pair.first, pair.new("A"), when="idle")
    second = lp.replace(pair.second, pair.new("B", pair.sets), when="idle")
    try:
        assert first is not second
        assert all("pending" in str(layer) for layer in (first, second))
        assert [layer.state for layer in lp.patches()] == ["pending", "pending"]
        again = lp.replace(pair.first, pair.new("C"), when="idle")
        assert (again, len(registry.pending)) == (first, 2)
        assert "cancelled" in lp.restore(pair.second)
        assert (first.state, second.state) == ("pending", "removed")
        second = lp.replace(pair.second, pair.new("B", pair.sets), when="idle")
        first.on()
        second.on()
        assert pair.calls() == ("C", "B")
    finally:
        assert changed == []
        ends[0]()


def test_a_name_that_someone_gave_to_the_other_is_no_definition_made_anew(app):
    module = app.load(TEXT)
    a, b = module.a, module.b
    layer = lp.replace(app["a"], lambda *_: "A")
    module.a = b
    assert layer.state == "stale"
    assert heal() == []
    second = lp.replace(app["a"], lambda *_: "B", name="second")
    assert (a(1), b(1), module.a(1)) == ("A", "B", "B")
    module.a, module.b = a, b
    assert (layer.state, second.state) == ("active", "stale")
    second.remove()
    assert (module.a(1), module.b(1)) == ("A", "g")


def test_names_that_were_exchanged_keep_the_layers_with_the_functions(app):
    module = app.load(TEXT)
    a, b = module.a, module.b
    lp.replace(app["a"], lambda *_: "A")
    module.a, module.b = b, a
    assert heal() == []
    assert (a(1), b(1)) == ("A", "g")
    lp.restore(a)
    assert (a(1), b(1)) == ("f", "g")


def test_a_printed_name_is_the_one_that_leads_there(app):
    module = app.load(TEXT)
    lp.replace(module.b, lambda *_: "B")
    assert [layer.target for layer in lp.patches()] == [app["b"]]
    lp.restore(app["b"])
    assert module.b(1) == "g"


LOADED = """
def outer(function):
    def wrapper(*args):
        return ("wrapped", function(*args))
    return wrapper

def greet(name):
    return "{word} " + name

class Greeter:
    def greet(self, name):
        return "{word} " + name

    @property
    def size(self):
        return "{word}"

made = outer(greet)
"""
# The name of a target, and what calls it.
RELOADED = {
    "greet": lambda m: m.greet("you"),
    "Greeter.greet": lambda m: m.Greeter().greet("you"),
    "Greeter.size.fget": lambda m: m.Greeter().size,
    "made": lambda m: m.made("you"),
}


@pytest.fixture(params=RELOADED)
def loaded(app, request):
    """A function with a layer whose module has been loaded again, with other text."""
    module = app.load(LOADED.format(word="old"))
    held = thing(module, request.param.replace(".size.fget", ""))
    layer = lp.wrap(app[request.param], lambda original, *args: [original(*args)], name="w")
    app.write(LOADED.format(word="new"))
    app.reload()
    call = RELOADED[request.param]
    return app[request.param], layer, (lambda: call(module)), held


def own_code(path, module):
    *holders, name = path.split(".")[1:]
    holder = module
    for part in holders:
        holder = vars(holder)[part]
    return (vars(holder)[name] if isinstance(holder, type) else getattr(holder, name)).__code__


def test_a_definition_made_anew_is_taken_in_by_a_change_alone(loaded, app):
    path, layer, call, _ = loaded
    own, code = call(), own_code(path, app.module)
    for look in (lambda: lp.patches(), lambda: str(layer), lambda: layer.state):
        look()
    with pytest.raises(lp.LivepatchError):
        lp.replace(path, "def new(*args):\n    yield 1", name="refused")
    with pytest.raises(lp.TargetNotFound):
        lp.restore(path, name="no such")
    assert (layer.state, call()) == ("stale", own)
    assert own_code(path, app.module) is code
    lp.replace(path, lambda *_: "second", name="second")
    assert (layer.state, call()) == ("active", "second")
    lp.restore(path, name="second")
    assert call() == [own]
    lp.restore(path)
    assert call() == own
    assert own_code(path, app.module) is code


def test_a_transaction_that_fails_gives_the_new_definition_back(loaded, app):
    path, layer, call, _ = loaded
    own, code = call(), own_code(path, app.module)
    transaction = Transaction()
    transaction.run(lp.replace, path, lambda *_: "second", name="second")
    assert call() == "second"
    transaction.fail()
    assert (call(), own_code(path, app.module)) == (own, code)
    assert layer.state == "stale"
    assert len(heal()) == 1
    assert (call(), layer.state) == ([own], "active")
    lp.restore(path)
    assert own_code(path, app.module) is code


def test_a_change_that_cannot_be_made_takes_nothing_in(loaded, app):
    path, layer, call, _ = loaded
    own, code = call(), own_code(path, app.module)
    refuse = subscribe("before_commit", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lp.replace(path, lambda *_: "second", name="second")
    refuse()
    assert (call(), own_code(path, app.module), layer.state) == (own, code, "stale")


def test_undo_of_a_change_after_the_reload_leaves_the_earlier_layer(loaded):
    path, layer, call, _ = loaded
    own = call()
    lp.replace(path, lambda *_: "second", name="second")
    lp.undo()
    assert (call(), layer.state) == ([own], "active")
    lp.undo()
    assert (call(), layer.state) == (own, "removed")


def test_restore_by_the_new_function_finds_the_layers_of_its_name(loaded, app):
    path, layer, call, _ = loaded
    own = call()
    function = thing(app.module, path.partition(".")[2])
    assert "restored" in lp.restore(function, name="w")
    assert (layer.state, call()) == ("removed", own)
