"""The text of a function is the one that it was compiled from, whatever its file has now."""

from __future__ import annotations

import importlib.util
import inspect
import sys

import pytest
from engine_support import three_lines

import livepatch as lp
from livepatch.engine.reading.sources import definition_of, source_of

TEXT = """
import functools

only_there = 5

def f(x=1): return ["webui", x]

def deco(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return ["deco", *function(*args, **kwargs)]
    return inner

@deco
def decorated(x=1):
    return ["webui", x]
"""
# What stands beside the webui: its functions use names that only the webui's module has.
BESIDE = """\
def before(): return 1

def new(x=1):
    return ["new", only_there, x]

def other(x=1):
    return ["other", only_there, x]

made = lambda x=1: ["lambda", only_there, x]

class Holder:
    def new(self, x=1):
        return ["method", only_there, x]

    def recursive(self, x=1):
        return (lambda n: ["inner", only_there, n])(x)
"""
# How the file looks later, and whether the text of ``new`` is still in it.
EDITED = {
    "a line above": (f"# a comment\n{BESIDE}", True),
    "two functions exchanged": (
        BESIDE.replace("def new(x", "def _(x")
        .replace("def other(", "def new(")
        .replace("_(", "o("),
        False,
    ),
    "other code in the same line": (BESIDE.replace('["new", only_there', '["edited", 1'), False),
    "another operator": (
        BESIDE.replace('["new", only_there, x]', '["new", only_there, -x]'),
        False,
    ),
    "another constant": (BESIDE.replace('"new", only', '"wen", only'), False),
    "another function in its line": (BESIDE.replace("def before(): return 1\n\n", ""), True),
    "removed": ("def before(): return 1\n", False),
    "no Python any more": (BESIDE + "def (", True),
    "in a class of that name": (
        "class new:\n    def new(x=1):\n        return 'class', only_there\n",
        False,
    ),
    "empty": ("", False),
}


@pytest.fixture
def beside(tmp_path):
    """A module beside the webui's, and a function that edits its file."""
    path = tmp_path / "edited_beside.py"

    def edit(text):
        path.write_text(text, encoding="utf-8")

    edit(BESIDE)
    spec = importlib.util.spec_from_file_location("edited_beside", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    module.edit = edit
    yield module
    del sys.modules[module.__name__]


def given(app, beside, name, by_object):
    target = app.module.f if by_object else app["f"]
    return lp.replace(target, getattr(beside, name))


@pytest.mark.parametrize("by_object", [False, True])
@pytest.mark.parametrize("edit", EDITED)
def test_no_other_function_is_compiled(app, beside, edit, by_object):
    app.load(TEXT)
    text, is_there = EDITED[edit]
    beside.edit(text)
    steps = len(lp.journal)
    try:
        given(app, beside, "new", by_object)
    except lp.PatchRefused as refused:
        assert not (is_there and edit != "no Python any more")
        three_lines(
            refused, app["f"], "edited_beside.py:3", "has a different one now" if text else ""
        )
        assert app.module.f(2) == ["webui", 2]
        assert len(lp.journal) == steps
        assert not lp.patches()
    else:
        assert is_there
        assert app.module.f(2) == ["new", 5, 2]


@pytest.mark.parametrize("edit", EDITED)
def test_a_text_that_was_read_before_is_kept(app, beside, edit):
    app.load(TEXT)
    given(app, beside, "new", by_object=False).remove()
    beside.edit(EDITED[edit][0])
    given(app, beside, "new", by_object=False)
    assert app.module.f(2) == ["new", 5, 2]
    assert source_of(beside.new) == 'def new(x=1):\n    return ["new", only_there, x]\n'
    # One that was not asked for then, of a file that was.
    assert source_of(beside.other) == 'def other(x=1):\n    return ["other", only_there, x]\n'
    assert lp.journal


@pytest.mark.parametrize("name", ["made", "Holder.new", "Holder.recursive"])
def test_lambdas_and_methods_of_an_edited_file(app, beside, name):
    app.load(TEXT)
    function = beside
    for part in name.split("."):
        function = getattr(function, part)
    beside.edit(f"\n\n{BESIDE}")
    assert "only_there" in source_of(function)
    assert definition_of(function) is not None
    beside.edit(BESIDE.replace("only_there, ", "1, "))
    beside.made = None

    def text_of(code):
        return source_of(code.replace(co_firstlineno=code.co_firstlineno))

    assert "only_there" in text_of(function.__code__)


def test_the_text_of_an_edited_module_is_not_shown_for_what_runs(app):
    app.load(TEXT)
    app.write(TEXT.replace('def f(x=1): return ["webui", x]', "def f(x=1): return 'edited'"))
    assert source_of(app.module.f) is None
    app.write(TEXT.replace("\ndef f", "\n\n\ndef f"))
    assert source_of(app.module.f) == 'def f(x=1): return ["webui", x]\n'
    app.write("")
    assert source_of(app.module.f) == 'def f(x=1): return ["webui", x]\n'
    app.write(TEXT.replace('def f(x=1): return ["webui", x]', "def f(x=1): return 'edited'"))
    app.reload()
    assert source_of(app.module.f) == "def f(x=1): return 'edited'\n"


@pytest.mark.parametrize("by_object", [False, True])
def test_decorators_of_an_edited_module(app, by_object):
    app.load(TEXT)
    target = app.module.decorated if by_object else app["decorated"]
    app.write(TEXT.replace("\ndef deco(", "\n@deco\ndef another(x): return x\n\ndef deco("))
    lp.replace(target, "@deco\ndef decorated(x=1): return ['new', x]")
    assert app.module.decorated(2) == ["deco", "new", 2]
    lp.restore(target)
    app.load_edited = app.write(TEXT.replace("@deco\n", "@deco\n@deco\n"))
    lp.replace(target, "@deco\ndef decorated(x=1): return ['newer', x]")
    assert app.module.decorated(2) == ["deco", "newer", 2]


def test_decorators_that_cannot_be_told(app):
    app.load(TEXT)
    app.write(TEXT.replace("@deco\ndef decorated(x=1):\n    return", "@deco\ndef decorated(y):\n "))
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["decorated"], "@deco\ndef decorated(x=1): return ['new', x]")
    three_lines(refused, "cannot be read", "has a different one now")
    assert app.module.decorated(2) == ["deco", "webui", 2]


def test_the_text_of_a_function_that_was_moved(app, beside):
    app.load(TEXT)
    given(app, beside, "new", by_object=True)
    beside.edit("")
    assert (
        source_of(app.module.f)
        == inspect.cleandoc(
            """
        def new(x=1):
            return ["new", only_there, x]
        """
        )
        + "\n"
    )


def test_the_text_of_a_class_has_the_methods_that_run(app, beside):
    app.load(TEXT)
    holder = beside.Holder
    beside.edit(f"# above\n{BESIDE}")
    assert source_of(holder).startswith("class Holder:\n    def new(self")
    lp.replace(holder.new, "def new(self, x=1): return x")
    assert source_of(holder).startswith("class Holder:\n    def new(self")
    lp.restore_all()
    beside.edit(BESIDE.replace('["method", only_there', '["edited", only_there'))
    assert source_of(holder) is None
