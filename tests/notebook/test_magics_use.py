"""What people did with 0.1 and were let down by, typed into a notebook: by cell and by name."""

from __future__ import annotations

import importlib
from unittest import mock

import pytest

import livepatch as lp

TEXT = """
import collections, dataclasses, enum, functools, json, math

def timed(function):
    def wrapper(*args):
        return function(*args)
    return wrapper

@timed
def a(x=0): return "a"
@timed
def b(x=0): return "b"
one, two = (lambda x=0: "one"), (lambda x=0: "two")

@functools.wraps(json.dumps)
def dumps(value, **options): return "mine:" + json.dumps(value, **options)

class Base:
    def run(self): return "base"
class Sub(Base):
    @functools.wraps(Base.run)
    def run(self): return "sub"

class Property:
    stored = 0
    @property
    def v(self): return self.stored
    @v.setter
    def v(self, value): self.stored = value

class Constructed:
    def __init__(self, x): self.x = x

@functools.total_ordering
class Small:
    def __lt__(self, other): return True
    def __eq__(self, other): return False
@functools.total_ordering
class Large:
    def __lt__(self, other): return True
    def __eq__(self, other): return False

@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int = 1
frozen = Frozen()
class Color(enum.Enum):
    RED = 1
class Meta(type):
    def __setattr__(cls, name, value): raise AttributeError("locked")
class Locked(Base, metaclass=Meta): pass
dictionary, queue = collections.UserDict({3: 4}), collections.deque([1])

floor = math.floor
LIMIT = 5
def h(original=0): return ("h", original)
"""

# Each: what is replaced, the cell, what reads it, then what its neighbours are that stay.
CASES = {
    "a closure": ("a", "def new(*args): return 'new'", "m.a()", "m.b()"),
    "the other closure": ("b", "def new(*args): return 'new'", "m.b()", "m.a()"),
    "a lambda": ("one", "def new(x=0): return 'new'", "m.one()", "m.two()"),
    "a getter": (
        "Property.v.fget",
        "def new(self): return 'new'",
        "m.Property().v",
        "(p := m.Property(), setattr(p, 'v', 3), p.stored)[2]",
    ),
    "a setter": (
        "Property.v.fset",
        "def new(self, value): self.stored = 'new'",
        "(p := m.Property(), setattr(p, 'v', 3), p.stored)[2]",
        "m.Property().v",
    ),
    "what bears another's name": (
        "dumps",
        "def new(value, **options): return 'new'",
        "m.dumps(1)",
        "m.json.dumps(1)",
    ),
    "what bears the name of a base's": (
        "Sub.run",
        "def new(self): return 'new'",
        "m.Sub().run()",
        "m.Base().run()",
    ),
    "a constructor that was inherited": (
        "Constructed.__new__",
        "def new(cls, x): return 'new'",
        "getattr(m.Constructed(1), 'x', 'new')",
        "m.Base().run()",
    ),
    "a function that classes share": (
        "Small.__gt__",
        "def new(self, other): return 'new'",
        "m.Small() > 1",
        "m.Large() > 1",
    ),
    "a parameter named original": (
        "h",
        "def new(original=0): return 'new'",
        "m.h(original=1)",
        "m.floor(1.5)",
    ),
}


@pytest.fixture
def module(app):
    return app.load(TEXT)


@pytest.mark.parametrize("way", ["magic", "verb", "object"])
@pytest.mark.parametrize("case", CASES)
def test_it_changes_the_target_alone_and_comes_back(notebook, app, module, case, way):
    name, cell, read, neighbours = CASES[case]
    path, names = app[name], {"m": module}
    own, others = eval(read, dict(names)), eval(neighbours, dict(names))
    assert own != "new"
    if way == "object":
        target = eval(f"m.{name}", dict(names))
        if case in ("a constructor that was inherited", "what bears the name of a base's"):
            pytest.skip("the object does not say which class is meant")
        if case == "a function that classes share":
            pytest.skip("the object is both classes'")
        lp.replace(target, cell)
    elif way == "verb":
        lp.replace(path, cell)
    else:
        assert f"replaced {path}" in notebook.run(f"%%replace {path}\n{cell}")
    assert (eval(read, dict(names)), eval(neighbours, dict(names))) == ("new", others)
    if way == "magic":
        assert f"restored {path}" in notebook.run(f"%restore {path}")
    elif way == "verb":
        lp.restore(path)
    else:
        lp.restore(target)
    assert (eval(read, dict(names)), eval(neighbours, dict(names))) == (own, others)
    assert len(lp.patches()) == 0


PAIRS = {
    "closures": ("a", "b", "*args", "(m.a(), m.b())"),
    "lambdas": ("one", "two", "x=0", "(m.one(), m.two())"),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_two_that_share_a_qualname_are_each_their_own(notebook, app, module, pair):
    first, second, parameters, read = PAIRS[pair]
    own = eval(read, {"m": module})
    for name in (first, second):
        notebook.run(f"%%replace {app[name]}\ndef new({parameters}): return 'new {name}'")
    assert eval(read, {"m": module}) == (f"new {first}", f"new {second}")
    notebook.run(f"%restore {app[second]}")
    assert eval(read, {"m": module}) == (f"new {first}", own[1])
    notebook.run(f"%restore {app[first]}")
    assert eval(read, {"m": module}) == own


REFUSED = ["frozen.x", "Color.RED", "Locked.run"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_place_that_takes_nothing_is_refused_in_three_lines(notebook, app, module, name):
    steps = list(lp.journal)
    notebook.run("def new(self): return 7" if name == "Locked.run" else "new = 7")
    said = notebook.run(f"%replace {app[name]} new").strip().splitlines()
    assert len(said) == 3, said
    assert app[name] in said[0]
    assert (list(lp.journal), len(lp.patches())) == (steps, 0)
    assert module.frozen.x == 1
    assert module.Locked().run() == "base"


@pytest.mark.parametrize(("name", "key", "own"), [("dictionary", 3, 4), ("queue", 0, 1)])
def test_entries_of_other_containers(notebook, app, module, name, key, own):
    notebook.run("new = 7")
    path = f"{app[name]}[{key}]"
    said = notebook.run(f"%replace {path} new")
    now = getattr(module, name)[key]
    if now == own:
        assert len(said.strip().splitlines()) == 3, said
    else:
        assert now == 7
        notebook.run(f"%restore {path}")
    assert (getattr(module, name)[key], len(lp.patches())) == (own, 0)


@pytest.mark.parametrize("way", ["%restore {path}", "%restore --all"])
@pytest.mark.parametrize("name", ["floor", "LIMIT"])
def test_a_reload_is_no_end_of_the_way_back(notebook, app, module, name, way):
    notebook.run("def new(x): return 'new'" if name == "floor" else "new = 7")
    notebook.run(f"%replace {app[name]} new")
    importlib.reload(module)
    notebook.run(way.format(path=app[name]))
    assert len(lp.patches()) == 0
    assert (module.floor(1.5), module.LIMIT) == (1, 5)


def test_a_mock_that_leaves_is_no_end_of_the_way_back(notebook, app, module):
    with mock.patch(app["h"]):
        notebook.run(f"%%replace {app['h']}\ndef new(original=0): return 'new'")
    assert f"restored {app['h']}" in notebook.run(f"%restore {app['h']}")
    assert (module.h(), len(lp.patches())) == (("h", 0), 0)
