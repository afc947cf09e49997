"""Names that a text declares as global, and names of functions that a library generated."""

from __future__ import annotations

import importlib.util
import textwrap

import pytest
from engine_support import three_lines

import livepatch as lp

TEXT = """
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple

count = 10
helper = "the module's"

def f(x=1): return ["webui", x]

class C:
    def run(self, x=1): return ["webui", x]

class Named(NamedTuple):
    a: int
    b: int = 2

Pair = namedtuple("Pair", "a b")

@dataclass
class Data:
    a: int = 1

scope = {"__name__": "app_of_test", "inner": "its own"}
exec("def generated(x=1): return ['webui', inner, x]", scope)
generated = scope["generated"]
"""


def cell(target, text, names):
    """A cell of a notebook with these names."""
    names.update({"__name__": "livepatch_notebook", "lp": lp, "target": target})
    exec(f"layer = lp.replace(target, {text!r})", names)
    return names["layer"].answer


@pytest.fixture(params=["by name", "as object"])
def target(request, app):
    """What is given as target, of a dotted name in the loaded module."""
    app.load(TEXT)

    def given(name):
        if request.param == "by name":
            return app[name]
        value = app.module
        for part in name.split("."):
            value = getattr(value, part)
        return value

    return given


COUNTS = """\
def f(x=1):
    global {name}
    {name} += x
    return {name}
"""


def test_a_global_of_the_module_is_written_there(app, target):
    notebook = {"count": 100}
    cell(target("f"), COUNTS.format(name="count"), notebook)
    assert [app.module.f(), app.module.f(5)] == [11, 16]
    assert (app.module.count, notebook["count"]) == (16, 100)


def test_a_global_that_only_the_notebook_has_is_written_there(app, target):
    notebook = {"mine": 100}
    answer = cell(target("f"), COUNTS.format(name="mine"), notebook)
    assert "uses your `mine`" in answer
    assert "defined nowhere" not in answer
    assert [app.module.f(), app.module.f(5)] == [101, 106]
    assert notebook["mine"] == 106
    assert not hasattr(app.module, "mine")
    notebook["mine"] = 0
    assert app.module.f() == 1


def test_a_global_that_is_nowhere_is_said_and_becomes_the_modules(app, target):
    answer = cell(target("f"), "def f(x=1):\n    global fresh\n    fresh = x\n    return fresh", {})
    assert "`fresh` is defined nowhere yet" in answer
    assert app.module.f(3) == app.module.fresh == 3


@pytest.mark.parametrize(
    "body",
    [
        "global mine\n    for mine in [x]: pass\n    return mine",
        "global mine\n    with open(__file__) as mine: pass\n    mine = x\n    return mine",
        "global mine\n    (mine, _), *_ = [(x, 1)]\n    return mine",
        "global mine\n    del mine\n    mine = x\n    return mine",
        "def inner():\n        global mine\n        mine = x\n    inner()\n    return mine",
        "global mine\n    def inner():\n        return mine\n    mine = x\n    return inner()",
        "class I:\n        global mine\n        mine = x\n    return mine",
        "global mine\n    mine = x\n    return [mine for _ in '1'][0]",
    ],
)
def test_every_way_to_write_a_global_of_the_notebook(app, target, body):
    notebook = {"mine": 100}
    cell(target("f"), f"def f(x=1):\n    {body}\n", notebook)
    assert app.module.f(7) == notebook["mine"] == 7
    assert not hasattr(app.module, "mine")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("def mine(): return x\n    return mine()", 7),
        ("import sys as mine\n    return mine.maxsize and 7", 7),
        ("return (mine := x)", 7),
    ],
)
def test_what_binds_a_name_only_binds_that_of_the_module(app, target, body, answer):
    notebook = {"mine": 100}
    cell(target("f"), f"def f(x=1):\n    global mine\n    {body}\n", notebook)
    assert app.module.f(7) == answer
    assert notebook["mine"] == 100
    assert hasattr(app.module, "mine")


@pytest.mark.parametrize("name", ["mine", "fresh", "count"])
def test_a_function_that_is_moved_writes_where_it_was_written(app, target, tmp_path, name):
    path = tmp_path / "moved_from.py"
    text = f"mine = count = 100\ndef new(x=1):\n    global {name}\n    {name} = x\n    "
    path.write_text(text + f"return {name}, helper", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("moved_from", path)
    beside = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(beside)
    lp.replace(target("f"), beside.new)
    assert app.module.f(7) == (7, "the module's")
    assert getattr(beside, name) == 7
    assert getattr(app.module, name, None) == (10 if name == "count" else None)


@pytest.mark.parametrize(
    ("name", "text", "call", "expected"),
    [
        (
            "Pair._replace",
            "def _replace(self, **new): return helper, len(new), mine",
            lambda m: m.Pair(1, 2)._replace(a=1),
            ("the module's", 1, "notebook's"),
        ),
        (
            "Data.__repr__",
            "def __repr__(self): return f'{helper} {self.a} {mine}'",
            lambda m: repr(m.Data(3)),
            "the module's 3 notebook's",
        ),
        (
            "Data.__init__",
            "def __init__(self, a=1): self.a = helper, max(a, 2), mine",
            lambda m: m.Data(3).a,
            ("the module's", 3, "notebook's"),
        ),
        (
            "generated",
            "def generated(x=1): return inner, helper, max(x, 2), mine",
            lambda m: m.generated(),
            ("its own", "the module's", 2, "notebook's"),
        ),
    ],
)
@pytest.mark.parametrize("as_function", [False, True])
def test_a_generated_function_reads_the_names_of_its_module(
    app, target, tmp_path, name, text, call, expected, as_function
):
    # Whose a named tuple's `_replace` is, it does not say itself.
    what = app[name] if name == "Pair._replace" else target(name)
    before = call(app.module)
    if as_function:
        path = tmp_path / "generated_beside.py"
        path.write_text(f'mine = "notebook\'s"\n{text}\n', encoding="utf-8")
        spec = importlib.util.spec_from_file_location("generated_beside", path)
        beside = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(beside)
        layer = lp.replace(what, getattr(beside, name.rpartition(".")[2]))
    else:
        notebook = {"mine": "notebook's"}
        cell(what, text, notebook)
        layer = notebook["layer"]
    assert call(app.module) == expected
    layer.remove()
    assert call(app.module) == before


def test_the_new_of_a_named_tuple(app):
    module = app.load(TEXT)
    for name in ("Named", "Pair"):
        text = "def __new__(cls, a, b=2): return tuple.__new__(cls, (a, len(helper) + b))"
        lp.replace(app[f"{name}.__new__"], textwrap.dedent(text))
        assert tuple(getattr(module, name)(1, 2)) == (1, 14)
        try:
            layer = lp.replace(getattr(module, name).__new__, text)
        except lp.PatchRefused as refused:
            three_lines(refused, "it was generated")
        else:
            assert tuple(getattr(module, name)(1, 2)) == (1, 14)
            layer.remove()
    lp.restore_all()
    assert module.Named(1) == (1, 2)


def test_an_indented_text_with_less_indented_lines_in_quotes(app, target):
    text = '    def f(x=1):\n        return """\nless\n  """ + str(x)\n'
    cell(target("f"), text, {})
    assert app.module.f(7) == "\nless\n  7"
    cell(target("C.run"), text.replace("f(x=1)", "run(self, x=1)"), {})
    assert app.module.C().run(7) == "\nless\n  7"
