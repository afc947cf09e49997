"""Plain values and whole classes as targets."""

from __future__ import annotations

import collections
import os

import pytest
from samples import functions
from samples.functions import Shape

import livepatch as lp


def test_a_constant_and_an_entry_of_a_dictionary():
    layer = lp.replace("samples.functions.FACTOR", 5)
    assert (functions.FACTOR, functions.uses_module(2)) == (5, 10)
    assert "not reached: from-imports" in str(layer)
    lp.replace("samples.functions.LIMITS['steps']", 30)
    assert functions.LIMITS == {"steps": 30}
    lp.undo()
    assert functions.LIMITS == {"steps": 20}
    lp.redo()
    assert functions.LIMITS == {"steps": 30}
    assert [layer.target for layer in lp.patches()] == [
        "samples.functions.FACTOR",
        "samples.functions.LIMITS['steps']",
    ]
    lp.restore("samples.functions.LIMITS['steps']")
    lp.restore("samples.functions.FACTOR")
    assert (functions.FACTOR, functions.LIMITS) == (3, {"steps": 20})


def test_values_have_layers_too():
    lp.replace("samples.functions.FACTOR", 5, name="five")
    six = lp.replace("samples.functions.FACTOR", 6, name="six")
    lp.restore("samples.functions.FACTOR", name="five")
    assert functions.FACTOR == 6
    six.off()
    assert functions.FACTOR == 3
    six.on()
    assert functions.FACTOR == 6
    six.remove()
    assert functions.FACTOR == 3


def test_an_attribute_of_an_instance_is_a_value():
    lp.replace("samples.functions.cube.size", 10)
    assert functions.cube.area() == 100
    lp.restore("samples.functions.cube.size")
    assert vars(functions.cube) == {"size": 3}


def test_an_assignment_of_someone_else_is_noticed_and_can_be_adopted():
    layer = lp.replace("samples.functions.FACTOR", 5)
    functions.FACTOR = 7
    assert layer.state == "stale"
    with pytest.raises(lp.ForeignChange, match="int"):
        layer.remove()
    assert functions.FACTOR == 7
    lp.adopt("samples.functions.FACTOR")
    assert (functions.FACTOR, layer.state) == (5, "active")
    layer.remove()
    assert functions.FACTOR == 7
    functions.FACTOR = 3


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("samples.functions.LIMITS['no']", 1, "has no entry 'no'"),
        ("samples.functions.FACTOR", "def new(): ...", "of type int"),
        ("samples.functions.Shape.names[0]", "x", "cannot be set"),
        ("samples.functions.math", 1, "a module"),
    ],
)
def test_what_cannot_be_assigned_is_said(path, value, found):
    with pytest.raises(lp.LivepatchError, match=found) as caught:
        lp.replace(path, value)
    assert len(str(caught.value).splitlines()) == 3
    assert len(lp.patches()) == 0


class NewShape:
    """A class of the notebook's."""

    sides = 5

    def area(self):
        return ("new", self.size)

    def perimeter(self):
        return 4 * self.size

    @property
    def edge(self):
        return ("new", self.size)

    @edge.setter
    def edge(self, size):
        self.size = size + 1

    @staticmethod
    def kind():
        return "new"


def test_a_class_is_merged_into_the_old_one_and_its_instances_change():
    before, shape = dict(vars(Shape)), Shape(2)
    codes = Shape.area.__code__, Shape.kind.__code__, Shape.edge.fget.__code__
    layer = lp.replace("samples.functions.Shape", NewShape)
    shape.edge = 4
    assert (shape.area(), shape.perimeter(), shape.edge) == (("new", 5), 20, ("new", 5))
    assert (Shape.kind(), Shape.sides, shape.__class__) == ("new", 5, Shape)
    assert [patch.target for patch in lp.patches()] == ["samples.functions.Shape"]
    assert "perimeter" in str(layer)
    layer.off()
    assert (shape.area(), Shape.sides, hasattr(shape, "perimeter")) == (25, 4, False)
    layer.on()
    assert shape.perimeter() == 20
    lp.restore("samples.functions.Shape")
    assert dict(vars(Shape)) == before
    assert (Shape.area.__code__, Shape.kind.__code__, Shape.edge.fget.__code__) == codes
    lp.undo()
    assert shape.area() == ("new", 5)


def test_a_class_replaced_again_forgets_what_the_earlier_one_changed():
    lp.replace("samples.functions.Shape", NewShape)
    second = type("Second", (), {"area": lambda self: "second"})
    lp.replace("samples.functions.Shape", second)
    assert (Shape(2).area(), Shape.kind(), hasattr(Shape, "perimeter")) == ("second", "old", False)
    assert len(lp.patches()) == 1
    lp.undo()
    assert (Shape(2).area(), Shape.kind()) == (("new", 2), "new")


def test_a_method_of_a_merged_class_can_be_restored_alone():
    lp.replace("samples.functions.Shape", NewShape)
    lp.restore("samples.functions.Shape.area")
    assert (Shape(2).area(), Shape.kind()) == (4, "new")
    lp.restore("samples.functions.Shape")
    assert Shape.kind() == "old"


@pytest.mark.parametrize(
    ("new", "found"),
    [
        (type("Other", (dict,), {}), "its bases are"),
        (type("Slotted", (), {"__slots__": ("size",)}), "its __slots__ are"),
        (type("Meta", (type,), {})("Other", (), {}), "its metaclass is"),
        (lambda: None, "is a class"),
        (type("Empty", (), {}), "nothing in the new class differs"),
    ],
    ids=["bases", "slots", "metaclass", "function", "empty"],
)
def test_a_class_of_another_shape_is_refused(new, found):
    with pytest.raises(lp.PatchRefused, match=found) as caught:
        lp.replace("samples.functions.Shape", new)
    assert len(str(caught.value).splitlines()) == 3
    assert len(lp.patches()) == 0


class Aliases:
    def __str__(self):
        return "old"

    __repr__ = __str__

    def text(self):
        return "old"

    label = property(text)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"__str__": lambda self: "s", "__repr__": lambda self: "r"}, ("s", "r")),
        ({"__repr__": lambda self: "r", "__str__": lambda self: "s"}, ("s", "r")),
        ({"__repr__": lambda self: "r"}, ("old", "r")),
        ({"__str__": lambda self: "s"}, ("s", "s")),
    ],
)
def test_two_names_of_one_method_can_become_two_methods(body, expected):
    before, instance = dict(vars(Aliases)), Aliases()
    lp.replace(Aliases, type("Aliases", (), body))
    assert (str(instance), repr(instance)) == expected
    lp.restore(Aliases)
    assert dict(vars(Aliases)) == before
    assert (str(instance), repr(instance)) == ("old", "old")


def test_a_property_of_a_method_follows_it_or_becomes_its_own():
    class Follows:
        def text(self):
            return "new"

        label = property(text)

    class Apart:
        def text(self):
            return "new"

        @property
        def label(self):
            return "apart"

    instance = Aliases()
    lp.replace(Aliases, Follows)
    assert (instance.text(), instance.label) == ("new", "new")
    lp.replace(Aliases, Apart)
    assert (instance.text(), instance.label) == ("new", "apart")
    lp.restore(Aliases)
    assert (instance.text(), instance.label) == ("old", "old")


def test_a_class_replaced_again_keeps_what_it_adds():
    before, shape = dict(vars(Shape)), Shape(2)
    text = "class Shape:\n    def added(self): return 'first'\n    NUMBER = 1"
    for version in (text, text, text.replace("first", "second"), text):
        lp.replace("samples.functions.Shape", version)
        word = "second" if "second" in version else "first"
        assert (shape.added(), shape.NUMBER) == (word, 1)
    assert len(lp.patches()) == 1
    lp.restore("samples.functions.Shape")
    assert dict(vars(Shape)) == before


def made_with(number):
    def method(self, step=number):
        return number, step

    return method


def test_methods_that_differ_only_in_what_they_hold_are_not_the_same():
    class Old:
        held = made_with(1)

        def default(self, flag=1):
            return flag

    class New:
        held = made_with(2)

        def default(self, flag=True):
            return flag

    lp.replace(Old, New)
    assert (Old().held(), Old().default()) == ((2, 2), True)
    assert Old().default() is True
    lp.restore(Old)
    assert (Old().held(), Old().default()) == ((1, 1), 1)


def test_an_entry_that_is_made_anew_at_each_reading_is_restored(monkeypatch):
    monkeypatch.setenv("LIVEPATCH_TEST", "old")
    layer = lp.replace("os.environ['LIVEPATCH_TEST']", "new value")
    assert (os.environ["LIVEPATCH_TEST"], layer.state) == ("new value", "active")
    lp.restore("os.environ['LIVEPATCH_TEST']")
    assert os.environ["LIVEPATCH_TEST"] == "old"


def test_looking_for_an_entry_neither_makes_it_nor_raises_anything_else(monkeypatch):
    made = collections.defaultdict(list)
    monkeypatch.setattr(functions, "MADE", made, raising=False)
    monkeypatch.setattr(functions, "LISTED", [1], raising=False)
    for path in ("MADE['new']", "LISTED['x']", "LISTED[5]", "LISTED[0][1]"):
        with pytest.raises(lp.TargetNotFound) as refused:
            lp.replace(f"samples.functions.{path}", 1)
        assert "has no entry" in refused.value.found
    assert made == {}
