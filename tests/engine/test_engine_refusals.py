"""What cannot be done is said in three lines, and changes nothing."""

from __future__ import annotations

import types

import pytest
from samples import functions

import livepatch as lp
from livepatch.engine.layers.installing import Wanted, patch_without_effect
from livepatch.engine.naming.completion import targets_beginning
from livepatch.engine.naming.targets import find

FUNCTION = "def new(a):\n    return a"


@pytest.mark.parametrize(
    ("target", "new", "error", "found", "advice"),
    [
        ("samples.functions.plian", FUNCTION, lp.TargetNotFound, "has no 'plian'", ".plain?"),
        ("samples.function.plain", FUNCTION, lp.TargetNotFound, "has no 'function'", "functions"),
        ("functions.plain", FUNCTION, lp.TargetNotFound, "functions", "samples.functions.plain?"),
        ("plain", FUNCTION, lp.TargetNotFound, "names no module", "samples.functions.plain"),
        ("no such", FUNCTION, lp.TargetNotFound, "not a dotted name", "package.module.function"),
        ("samples.functions.Child.gret", FUNCTION, lp.TargetNotFound, "'gret'", "Child.greet?"),
        ("samples.functions.FACTOR", FUNCTION, lp.PatchRefused, "of type int (3)", "function"),
        ("samples.functions.math", FUNCTION, lp.PatchRefused, "a module", "math.function"),
        ("builtins.dict.get", FUNCTION, lp.PatchRefused, "a class written in C", "subclass"),
        ("samples.functions.Child", len, lp.PatchRefused, "is a class", "a class"),
        ("samples.functions.cube.__len__", FUNCTION, lp.TargetNotFound, "no '__len__'", "dir("),
        ("samples.functions.cube.__init__", FUNCTION, lp.PatchRefused, "on the class", "Cube.__i"),
        ("samples.functions.LIMITS['no']", 3, lp.TargetNotFound, "no entry 'no'", "list("),
        ("samples.functions.LIMITS[no]", 3, lp.TargetNotFound, "not a dotted name", "D['key']"),
        ("samples.functions.plain", "def new(:", lp.PatchRefused, "line 1", "fix"),
        ("samples.functions.plain", "x = 1", lp.PatchRefused, "no function", "def plain(a, b"),
        ("samples.functions.plain", f"{FUNCTION}\n{FUNCTION}", lp.PatchRefused, "2 func", "one"),
        ("samples.functions.plain", f"x = 1\n{FUNCTION}", lp.PatchRefused, "x = 1", "own"),
        ("samples.functions.plain", f"@cache\n{FUNCTION}", lp.PatchRefused, "@cache", "leave"),
        ("samples.functions.plain", "def new(a):\n    yield a", lp.PatchRefused, "gener", "plain"),
        ("samples.functions.plain", 7, lp.PatchRefused, "a int, not", "give a function"),
        ("samples.functions.plain", functions.plain, lp.PatchRefused, "target itself", "another"),
        (
            "samples.functions.Child.static",
            vars(functions.Child)["static"],
            lp.PatchRefused,
            "target itself",
            "another",
        ),
        (functions.fetch, "def new(a):\n    yield a", lp.PatchRefused, "coroutine", "async def"),
    ],
)
def test_three_lines_and_nothing_changed(target, new, error, found, advice):
    before = functions.plain.__code__, functions.Child.greet.__code__, functions.fetch.__code__
    journal = len(lp.journal)
    with pytest.raises(error) as caught:
        lp.replace(target, new)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3, lines
    assert lines[0].startswith("replace ")
    assert found in lines[1]
    assert advice in lines[2]
    after = functions.plain.__code__, functions.Child.greet.__code__, functions.fetch.__code__
    assert after == before
    assert len(lp.patches()) == 0
    assert len(lp.journal) == journal


def test_looking_a_name_up_imports_nothing():
    import sys

    loaded = set(sys.modules)
    with pytest.raises(lp.TargetNotFound):
        lp.replace("samples.never_imported.function", FUNCTION)
    assert set(sys.modules) == loaded


def test_without_the_gil_nothing_is_changed(monkeypatch):
    monkeypatch.setattr("sys._is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(lp.PatchRefused, match="PYTHON_GIL=1"):
        lp.replace("samples.functions.plain", FUNCTION)
    assert functions.plain(1) == ("old", 1, 2, 1)


def test_restoring_what_is_not_patched():
    assert "nothing to restore" in lp.restore("samples.functions.plain")
    layer = lp.replace("samples.functions.plain", FUNCTION)
    with pytest.raises(lp.TargetNotFound, match="its layers are: 'replace'"):
        lp.restore("samples.functions.plain", name="other")
    layer.remove()


def test_a_foreign_change_of_the_code_is_noticed_and_left_alone():
    layer = lp.replace("samples.functions.plain", FUNCTION)
    ours = functions.plain.__code__
    foreign = (lambda a: "foreign").__code__
    functions.plain.__code__ = foreign
    for change in (layer.remove, layer.off, lambda: lp.replace(functions.plain, FUNCTION), lp.undo):
        with pytest.raises(lp.ForeignChange, match=r"test_engine_refusals\.py"):
            change()
        assert functions.plain.__code__ is foreign
    functions.plain.__code__ = ours
    layer.remove()
    assert functions.plain(1) == ("old", 1, 2, 1)


def test_imports_above_the_function_run_for_the_writer():
    namespace = {"__name__": "livepatch_notebook", "lp": lp}
    text = "import textwrap\\ndef new(a):\\n    return textwrap.shorten(a, 5)"
    exec(f"layer = lp.replace('samples.functions.plain', '{text}')", namespace)
    assert functions.plain("one two") == "[...]"
    assert namespace["textwrap"].__name__ == "textwrap"
    assert not hasattr(functions, "textwrap")
    namespace["layer"].remove()


class Proxy:
    """As a web framework's: it knows what it stands for only inside a request."""

    @property
    def __class__(self):
        raise RuntimeError("outside of a request")

    @property
    def __dict__(self):
        raise RuntimeError("outside of a request")


def test_a_proxy_is_not_asked_what_it_stands_for(monkeypatch):
    proxy = Proxy()
    monkeypatch.setattr(functions, "current_request", proxy, raising=False)
    for path in ("current_request", "nowhere.current_request"):
        with pytest.raises(lp.TargetNotFound):
            lp.replace(path, lambda: 0)
    assert "samples.functions.plain" in targets_beginning("samples.functions.")
    assert "samples.functions.cached" in targets_beginning("samples.functions.ca")
    lp.replace("samples.functions.current_request", 1)
    assert functions.current_request == 1
    lp.restore("samples.functions.current_request")
    assert functions.current_request is proxy


def test_the_name_of_a_pair_is_looked_up_in_the_holder_itself():
    script = types.ModuleType("not_in_sys_modules")
    exec("def run(a):\n    return 'old'", script.__dict__)

    class Local:
        def run(self):
            return "old"

    lp.replace(script, "run", lambda a: "new")
    lp.replace(Local, "run", lambda self: "new")
    assert (script.run(1), Local().run()) == ("new", "new")
    lp.restore(script, "run")
    lp.restore(Local, "run")
    assert (script.run(1), Local().run()) == ("old", "old")
    with pytest.raises(lp.TargetNotFound, match=r"did you mean not_in_sys_modules\.run\?"):
        lp.replace(script, "runs", lambda a: "new")


@pytest.mark.parametrize("wrapper", [lambda: 1, lambda **kwargs: 1, "def f(*, original): return 1"])
def test_a_wrapper_that_cannot_take_the_original_is_refused(wrapper):
    with pytest.raises(lp.PatchRefused, match="has no parameter for `original`") as refused:
        lp.wrap("samples.functions.plain", wrapper, name="wrapper")
    assert len(str(refused.value).splitlines()) == 3
    assert functions.plain(1) == ("old", 1, 2, 1)


def test_a_dry_run_looks_at_the_wrapper_and_not_at_what_it_wraps(monkeypatch):
    monkeypatch.setattr(functions, "nothing", lambda: "old", raising=False)
    wanted = Wanted("wrap", "wrapper", "a test", {})
    target = find("", functions.nothing)
    patch_without_effect("", target, "def wrapper(original): return original()", wanted)
    with pytest.raises(lp.PatchRefused, match="has no parameter for `original`"):
        patch_without_effect("", target, "def wrapper(): return 1", wanted)
