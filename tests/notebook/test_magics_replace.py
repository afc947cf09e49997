"""What %replace takes besides a function for a function: wrappers, values, classes, moments."""

from __future__ import annotations

import sys

import pytest
from class_kinds import KINDS, expected, load, seen
from notebook_support import TARGET
from samples import functions

import livepatch as lp

PLAIN = "samples.functions.plain"


@pytest.mark.parametrize(
    ("option", "cell", "result", "verb"),
    [
        ("--around", "def f(original, a):\n    return [original(a) + FACTOR]", [6], "wrap"),
        ("--before", "def f(a):\n    seen.append(('before', a))", 3, "before"),
        ("--after", "def f(result, a):\n    seen.append(('after', result))", 3, "after"),
    ],
)
def test_a_cell_goes_around_before_and_after(notebook, option, cell, result, verb):
    notebook.run("seen = []")
    answer = notebook.run(f"%%replace {TARGET} {option}\n{cell}")
    assert functions.uses_module(1) == result
    assert f'= lp.{verb}("{TARGET}"' in answer
    (layer,) = lp.patches()
    assert (layer.name, layer.owner, layer.verb) == (verb, "notebook", verb)
    expected = {"before": [("before", 1)], "after": [("after", 3)]}.get(verb, [])
    assert notebook.value("seen") == expected
    notebook.run(f"%%replace {TARGET} {option}\n{cell}")
    assert len(lp.patches()) == 1


@pytest.mark.parametrize(
    ("option", "cell", "found"),
    [
        ("--around", "async def f(original, a):\n    return 1", "the wrapper is a coroutine"),
        ("--around", "def f(a):\n    return a(1)", "also has a parameter `a`"),
        ("--before", "async def f(a): ...", "the hook is a coroutine"),
        ("--after", "def f(result, a):\n    yield", "the hook is a generator"),
    ],
)
def test_a_cell_of_a_kind_that_callers_cannot_use_is_refused(notebook, option, cell, found):
    recorded = len(lp.journal)
    answer = notebook.run(f"%%replace {TARGET} {option}\n{cell}")
    assert found in answer
    assert functions.uses_module(1) == 3
    assert (len(lp.patches()), len(lp.journal)) == (0, recorded)


def test_a_guarded_cell_that_fails_leaves_the_webui_its_own_answer(notebook):
    answer = notebook.run(f"%%replace {TARGET} --guard\ndef new(a):\n    return a / 0")
    assert "guarded: switched off after 3 failures" in answer
    assert "guard=True" in answer
    for _ in range(3):
        assert functions.uses_module(1) == 3
    assert "off" in notebook.run("%patches")


def test_a_change_waits_for_a_safe_point_and_is_forced(notebook):
    from livepatch.engine import subscribe

    unsubscribe = subscribe("is_idle", lambda _: False)
    try:
        cell = f"%%replace {TARGET} --when idle\ndef new(a):\n    return 'new'"
        assert "pending" in notebook.run(cell)
        assert functions.uses_module(1) == 3
        assert "pending" in notebook.run("%patches")
        notebook.run(f"%patches --on {TARGET}")
        assert functions.uses_module(1) == "new"
    finally:
        unsubscribe()


def test_a_plain_value_is_an_expression_of_the_notebook(notebook):
    notebook.run("base = 4")
    assert "lp.replace" in notebook.run("%replace samples.functions.FACTOR base + 1")
    assert functions.FACTOR == 5
    notebook.run("%replace samples.functions.LIMITS['steps'] 7")
    assert functions.LIMITS == {"steps": 7}
    notebook.run("%restore --all")
    assert (functions.FACTOR, functions.LIMITS) == (3, {"steps": 20})
    notebook.run("%replace samples.functions.FACTOR")
    assert "VALUE" in str(notebook.result.error_in_exec)


def test_a_class_of_a_cell_changes_its_instances(notebook):
    shape = functions.Shape(2)
    cell = "class Shape:\n    def area(self):\n        return factor * self.size * FACTOR"
    notebook.run("factor = 10")
    answer = notebook.run(f"%%replace samples.functions.Shape\n{cell}")
    assert "changed: area" in answer
    assert shape.area() == 60
    notebook.run("factor = 100")
    assert shape.area() == 600
    notebook.run("%restore samples.functions.Shape")
    assert shape.area() == 4


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_the_definitions_of_every_kind_of_class_by_magic(notebook, app, kind):
    load(app, kind)
    cls = app.module.C
    one, held = eval(kind.make, vars(app.module)), [*vars(cls).items()]
    assert "changed: " in notebook.run(f"%%replace {app['C']}\n{kind.text}")
    for instance in (one, eval(kind.make, vars(app.module))):
        assert seen(app, kind, instance) == expected(app, kind.after)
    notebook.run(f"%restore {app['C']}")
    assert seen(app, kind, one) == expected(app, kind.before)
    assert [(n, id(v)) for n, v in vars(cls).items()] == [(n, id(v)) for n, v in held]


def test_a_class_with_slots_of_a_cell_is_not_made_a_second_time(notebook, app):
    app.load(
        "made = []\n"
        "class Base:\n"
        "    __slots__ = ()\n"
        "    def __init_subclass__(cls): made.append(cls)\n"
        "class Point(Base):\n"
        "    __slots__ = ('x',)\n"
        "    def __init__(self, x): self.x = x\n"
        "    def me(self): return self.x\n"
    )
    point = app.module.Point(3)
    cell = (
        "class Point(Base):\n"
        "    __slots__ = ('x',)\n"
        "    def __init__(self, x): self.x = x\n"
        "    def me(self): return self.x * factor, super().__repr__()[:1]\n"
    )
    notebook.run("factor = 10")
    would = notebook.run(f"%%replace {app['Point']} --dry-run\n{cell}")
    assert "would replace" in would
    assert point.me() == 3
    answer = notebook.run(f"%%replace {app['Point']}\n{cell}")
    assert "changed: me ·" in answer
    assert "uses your `factor`" in answer
    assert (point.me(), app.module.made) == ((30, "<"), [app.module.Point])
    notebook.run(f"%%replace {app['Point']}\n{cell.replace('factor', 'factor * 2')}")
    assert point.me() == (60, "<")
    notebook.run(f"%%replace {app['Point']}\n{cell.replace('(Base)', '')}")
    assert "its bases are (Base)" in str(notebook.result.error_in_exec)
    notebook.run(f"%restore {app['Point']}")
    assert point.me() == 3


def test_foreign_changes_are_shown(notebook):
    assert "foreign" in notebook.run("%patches --foreign").lower()


def test_two_ways_at_once_are_a_usage_error(notebook):
    notebook.run(f"%%replace {TARGET} --before --after\ndef f(a): ...")
    assert "not both" in str(notebook.result.error_in_exec)


def test_autoreload_keeps_the_layers_and_says_so(notebook, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "livepatch_autoreloaded.py"
    path.write_text("def greet():\n    return 'hello'\n\ndef other():\n    return 1\n")
    try:
        notebook.run("%load_ext autoreload\n%autoreload 2\nimport livepatch_autoreloaded as m")
        held = notebook.value("m.greet")
        cell = "def f(original):\n    return original().upper()"
        notebook.run(f"%%replace livepatch_autoreloaded.greet --around\n{cell}")
        assert notebook.value("m.greet()") == "HELLO"
        text = path.read_text().replace("return 1", "return 2")
        path.write_text(text.replace("hello", "howdy, all"))
        shown = notebook.run("m.other()")
        assert "kept the layers on livepatch_autoreloaded.greet" in shown
        assert notebook.value("(m.other(), m.greet())") == (2, "HOWDY, ALL")
        assert held() == "HOWDY, ALL"
        notebook.run("%restore livepatch_autoreloaded.greet")
        assert notebook.value("m.greet()") == "howdy, all"
    finally:
        notebook.run("%autoreload 0\n%unload_ext autoreload")
        sys.modules.pop("livepatch_autoreloaded", None)
