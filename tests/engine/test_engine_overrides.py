"""Where there is no code to change: a function of ours stands in the place that was named."""

from __future__ import annotations

import functools
import inspect

import pytest
from samples import functions
from samples.functions import Cube, Shape

import livepatch as lp


def namespaces():
    return dict(vars(Cube)), dict(vars(Shape)), dict(vars(functions.cube))


def test_an_inherited_method_changes_for_the_subclass_only():
    before = namespaces()
    layer = lp.replace("samples.functions.Cube.area", lambda self: -self.size)
    assert (Cube(3).area(), functions.cube.area(), Shape(3).area()) == (-3, -3, 9)
    assert "inherited from samples.functions.Shape" in str(layer)
    lp.wrap("samples.functions.Cube.area", lambda original, self: [original(self)])
    assert Cube(3).area() == [-3]
    layer.off()
    assert Cube(3).area() == [9]
    lp.replace("samples.functions.Shape.area", lambda self: "below")
    assert Cube(3).area() == ["below"]
    lp.restore("samples.functions.Shape.area")
    lp.restore("samples.functions.Cube.area")
    assert namespaces() == before
    lp.undo()
    assert Cube(3).area() == [9]


@pytest.mark.parametrize(
    ("path", "call", "old"),
    [
        ("Cube.kind", Cube.kind, "old"),
        ("Cube.unit", lambda: Cube.unit().size, 1),
        ("Cube.edge", lambda: Cube(7).edge, 7),
        ("Cube.__init__", lambda: Cube(5).size, 5),
    ],
)
def test_an_inherited_descriptor_keeps_its_kind(path, call, old):
    before = namespaces()
    lp.wrap(f"samples.functions.{path}", lambda original, *args: original(*args), name="through")
    assert call() == old
    lp.restore(f"samples.functions.{path}")
    assert namespaces() == before


def test_one_instance_changes_alone():
    other = Cube(3)
    before = namespaces()
    layer = lp.replace("samples.functions.cube.area", lambda self: "mine")
    assert (functions.cube.area(), other.area()) == ("mine", 9)
    layer.remove()
    layer = lp.replace(other.area, "def area(self):\n    return -self.size")
    assert (functions.cube.area(), other.area()) == (9, -3)
    lp.restore(other.area)
    assert layer.state == "removed"
    assert namespaces() == before
    assert "area" not in vars(other)


def test_an_instance_cannot_have_what_is_looked_up_on_its_class():
    for name in ("edge", "__init__"):
        with pytest.raises(lp.PatchRefused, match=f"samples.functions.Cube.{name}"):
            lp.replace(f"samples.functions.cube.{name}", lambda self: None)


def test_a_builtin_is_replaced_in_the_named_place_only():
    held = functions.floor
    layer = lp.replace("samples.functions.floor", lambda number: ("new", number))
    assert functions.floor(2.5) == ("new", 2.5)
    assert (held(2.5), functions.math.floor(2.5)) == (2, 2)
    assert "this place only" in str(layer)
    lp.restore("samples.functions.floor")
    assert functions.floor is held


def test_a_callable_instance_is_wrapped_in_the_named_place():
    held = functions.greeter
    lp.wrap("samples.functions.greeter", lambda original, name: original(name).upper())
    assert (functions.greeter("you"), held("you")) == ("HELLO YOU", "hello you")
    lp.restore("samples.functions.greeter")
    assert functions.greeter is held


def test_a_method_written_in_c_is_overridden_on_a_class_of_python():
    lp.wrap("samples.functions.Old.get", lambda original, self, key: ("new", original(self, key)))
    assert functions.Old(a=1).get("a") == ("new", 1)
    lp.restore("samples.functions.Old.get")
    assert "get" not in vars(functions.Old)
    with pytest.raises(lp.PatchRefused, match="written in C"):
        lp.replace("builtins.dict.get", lambda self, key: None)


def test_a_partial_object_changes_for_everyone_who_holds_it():
    held = functions.shout
    before = held.func, held.args, held.keywords
    lp.replace("samples.functions.shout", lambda *args, **kwargs: ("new", args, kwargs))
    assert held(2) == ("new", (2,), {})
    lp.restore("samples.functions.shout")
    assert (held.func, held.args, held.keywords) == before
    assert functions.shout is held
    lp.wrap(held, lambda original, *args: [original(*args)])
    assert held(2) == [("old", 1, 2, 9)]
    lp.restore(held)
    assert (held.func, held.args, held.keywords) == before


def test_a_cache_is_emptied_on_replace_and_on_restore():
    assert functions.cached(1) == ("old", 1)
    lp.replace("samples.functions.cached", lambda a: ("new", a))
    assert functions.cached(1) == ("new", 1)
    lp.undo()
    assert functions.cached(1) == ("old", 1)
    lp.redo()
    assert functions.cached(1) == ("new", 1)
    lp.restore("samples.functions.cached")
    assert functions.cached(1) == ("old", 1)


def test_the_setter_of_a_property_has_a_name_of_its_own():
    shape = Shape(1)
    lp.replace("samples.functions.Shape.edge.fset", "def edge(self, size):\n    self.size = -size")
    shape.edge = 5
    assert (shape.size, shape.edge) == (-5, -5)
    lp.restore("samples.functions.Shape.edge.fset")
    shape.edge = 5
    assert shape.size == 5


def test_single_dispatch_is_changed_below_its_dispatcher():
    class Shower:
        @functools.singledispatchmethod
        def show(self, value):
            return ("old", value)

        @show.register
        def _(self, value: int):
            return ("int", value)

    functions.Shower = Shower
    try:
        lp.replace("samples.functions.Shower.show", lambda self, value: ("new", value))
        assert (Shower().show("a"), Shower().show(1)) == (("new", "a"), ("int", 1))
        lp.restore("samples.functions.Shower.show")
        assert Shower().show("a") == ("old", "a")
    finally:
        del functions.Shower


def test_a_foreign_value_in_the_place_is_left_alone():
    layer = lp.replace("samples.functions.Cube.area", lambda self: "ours")
    ours = Cube.__dict__["area"]
    Cube.area = theirs = lambda self: "theirs"
    assert layer.state == "stale"
    with pytest.raises(lp.ForeignChange, match="test_engine_overrides"):
        layer.remove()
    assert Cube.__dict__["area"] is theirs
    Cube.area = ours
    layer.remove()
    assert "area" not in vars(Cube)


def test_the_signature_shown_is_that_of_what_runs_below_a_wrapper():
    before = inspect.signature(functions.plain)
    lp.wrap(functions.plain, lambda original, *args, **kwargs: original(*args, **kwargs))
    assert inspect.signature(functions.plain) == before
    assert functions.plain.__doc__ == "Doc of plain."
    lp.restore(functions.plain)
    assert "__signature__" not in vars(functions.plain)
