"""However many ask for a thing, and when: its layers lie on one stack over its own code."""

from __future__ import annotations

import gc
import math
import sys
import threading
import types
import weakref

import pytest

import livepatch as lp
from livepatch.engine import subscribe
from livepatch.engine.layers.installing import Wanted, install
from livepatch.engine.naming.targets import find

TEXT = """
import math
import threading

inside, let_go = threading.Event(), threading.Event()

def busy(a):
    inside.set()
    let_go.wait(20)
    return ("old", a)

def plain(a):
    return ("old", a)

class Base:
    def area(self):
        return "old"

class Sub(Base):
    pass

floor = math.floor
CALLBACK = None
TABLE = {"steps": 20}
net = Sub()
"""


@pytest.fixture
def webui(tmp_path, monkeypatch):
    """A module of its own for each test: nobody holds a stack of it."""
    made = types.ModuleType("one_stack_webui")
    path = tmp_path / "one_stack_webui.py"
    path.write_text(TEXT)
    made.__file__ = str(path)
    exec(compile(TEXT, path, "exec"), made.__dict__)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield made
    made.let_go.set()
    lp.restore_all()


def test_a_change_that_waits_and_one_that_does_not(webui):
    own, changed = webui.busy.__code__, threading.Event()
    thread = threading.Thread(target=webui.busy, args=(1,))
    thread.start()
    assert webui.inside.wait(10)
    waits = lp.replace("one_stack_webui.busy", lambda a: "waited", name="a", when="idle")
    at_once = lp.wrap("one_stack_webui.busy", lambda original, a: [original(a)], name="b")
    unsubscribe = subscribe("step", lambda _: changed.set())
    webui.let_go.set()
    thread.join(10)
    assert changed.wait(10)
    unsubscribe()
    assert (waits.state, at_once.state, webui.busy(1)) == ("active", "active", "waited")
    lp.restore("one_stack_webui.busy")
    assert webui.busy.__code__ is own


def test_an_import_in_a_cell_that_patches_the_same_function(webui, tmp_path):
    own = webui.plain.__code__
    (tmp_path / "one_stack_patcher.py").write_text(
        "import livepatch as lp\n"
        "lp.replace('one_stack_webui.plain', lambda a: 'import', name='import', owner='other')\n"
    )
    try:
        text = "import one_stack_patcher\ndef plain(a):\n    return 'cell'"
        lp.replace("one_stack_webui.plain", text)
    finally:
        del sys.modules["one_stack_patcher"]
    assert [(layer.owner, layer.state) for layer in lp.patches()] == [
        ("other", "active"),
        (__name__, "active"),
    ]
    assert webui.plain(1) == "cell"
    lp.restore("one_stack_webui.plain")
    assert webui.plain.__code__ is own


@pytest.mark.parametrize("name", ["Sub.area", "floor", "net.area"])
def test_two_who_look_for_a_place_before_either_has_changed_it(webui, name):
    path = f"one_stack_webui.{name}"
    first, second = find("", path), find("", path)
    install("", first, lambda *_: "first", Wanted("replace", "a", "one", {}))
    install("", second, lambda original, *a: [original(*a)], Wanted("wrap", "b", "other", {}))
    call = {"Sub.area": webui.net.area, "floor": lambda: webui.floor(1), "net.area": webui.net.area}
    assert call[name]() == ["first"] if name != "net.area" else webui.net.area() == ["first"]
    assert [layer.state for layer in lp.patches()] == ["active", "active"]
    lp.restore_all()
    assert (vars(webui.Sub).get("area"), vars(webui.net)) == (None, {})
    assert webui.floor is math.floor


@pytest.mark.parametrize("name", ["Sub.area", "net.area"])
def test_what_was_inherited_formerly_is_not_called_any_more(webui, name):
    layer = lp.replace(f"one_stack_webui.{name}", lambda self: "new")
    layer.remove()  # the journal still knows it
    webui.Base.area = lambda self: "theirs"
    lp.wrap(f"one_stack_webui.{name}", lambda original, self: [original(self)])
    assert webui.net.area() == ["theirs"]


def test_another_builtin_in_a_place_that_was_restored_is_not_foreign(webui):
    lp.replace("one_stack_webui.floor", lambda x: "new").remove()
    webui.floor = math.ceil
    lp.wrap("one_stack_webui.floor", lambda original, x: [original(x)])
    assert webui.floor(1.5) == [2]
    lp.restore("one_stack_webui.floor")
    assert webui.floor is math.ceil


def test_a_value_that_is_a_callable_by_now_is_replaced_in_its_layer(webui):
    lp.replace("one_stack_webui.CALLBACK", len)
    lp.replace("one_stack_webui.CALLBACK", max)
    assert (webui.CALLBACK, len(lp.patches())) == (max, 1)
    lp.restore("one_stack_webui.CALLBACK")
    assert webui.CALLBACK is None


def test_layers_in_a_holder_that_the_name_has_left_are_stale(webui):
    method = lp.replace("one_stack_webui.net.area", lambda self: "new")
    entry = lp.replace("one_stack_webui.TABLE['steps']", 30)
    assert (method.state, entry.state) == ("active", "active")
    webui.net, webui.TABLE = webui.Sub(), {"steps": 20}
    assert (method.state, entry.state) == ("stale", "stale")
    lp.adopt("one_stack_webui.net.area")
    assert (method.state, webui.net.area()) == ("active", "new")
    lp.restore_all()
    assert (webui.net.area(), webui.TABLE) == ("old", {"steps": 20})


def test_an_instance_with_a_layer_is_kept_for_undo(webui):
    kept = weakref.ref(webui.net)
    lp.replace("one_stack_webui.net.area", lambda self: "new").remove()
    webui.net = webui.Sub()
    gc.collect()
    lp.undo()
    assert kept().area() == "new"
