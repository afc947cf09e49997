"""A text compiled in the target's place: whose names it means, and what it shares."""

from __future__ import annotations

import sys
import types

import pytest

import livepatch as lp

MODULE = """
import math
K = 3

class Foo:
    n = 1
    def me(self): return 0
    @classmethod
    def make(cls): return 0
    def private(self): return 0
    def __hidden(self): return "hidden"

def make_counter():
    count = 0
    def counter():
        nonlocal count
        count += 1
        return count
    return counter

counter = make_counter()

def f(*args): return "old"
"""


@pytest.fixture
def webui(request):
    """A module of the webui, loaded for one test."""
    module = types.ModuleType("grafted_webui")
    sys.modules[module.__name__] = module
    exec(getattr(request, "param", MODULE), module.__dict__)
    yield module
    lp.restore_all()
    del sys.modules[module.__name__]


class Notebook(dict):
    """A notebook's namespace."""

    def __init__(self, **names):
        super().__init__(__name__="livepatch_notebook", lp=lp, **names)

    def replace(self, name, text):
        exec(f"layer = lp.replace('grafted_webui.{name}', {text!r})", self)
        return str(self["layer"])


def test_the_class_by_its_own_name_is_the_class(webui):
    notebook = Notebook()
    notebook.replace("Foo.make", "def make(cls): return Foo()")
    notebook.replace(
        "Foo.me", "def me(self): return isinstance(self, Foo), Foo.n, super(Foo, self)"
    )
    made = webui.Foo.make()
    assert type(made) is webui.Foo
    assert made.me()[:2] == (True, 1)
    notebook.replace("Foo.private", "def private(self): return self.__hidden()")
    assert made.private() == "hidden"


def test_a_closure_variable_can_be_written(webui):
    assert webui.counter() == 1
    notebook = Notebook()
    notebook.replace(
        "counter", "def counter():\n    nonlocal count\n    count += 10\n    return count"
    )
    assert webui.counter() == 11
    lp.restore("grafted_webui.counter")
    assert webui.counter() == 12


@pytest.mark.parametrize("webui", ["from __future__ import annotations" + MODULE], indirect=True)
def test_annotations_that_are_text_stay_as_written(webui):
    notebook = Notebook(Picture=int)
    notebook.replace("f", "def f(a: Picture, *b: Foo) -> Picture: return a")
    assert webui.f.__annotations__ == {"a": "Picture", "b": "Foo", "return": "Picture"}


SCOPES = {
    "comprehension over its own name": ("[n for n in n.upper()]", ["N"]),
    "nested comprehension": ("[[n, m] for m in n]", [["n", "n"]]),
    "lambda": ("(lambda m: m + n)(n)", "nn"),
    "beside a lambda's own": ("(lambda n: n)(1), n", (1, "n")),
    "walrus in a comprehension": ("[(m := n) for _ in n] + [m]", ["n", "n"]),
    "f-string": ("f'{n}{n!r}'", "n'n'"),
}


@pytest.mark.parametrize(("expression", "expected"), SCOPES.values(), ids=SCOPES.keys())
def test_names_of_the_notebook_in_every_scope(webui, expression, expected):
    answer = Notebook(n="n").replace("f", f"def f():\n    return {expression}")
    assert "uses your `n`" in answer
    assert webui.f() == expected


def test_a_class_body_binds_for_itself_only(webui):
    text = (
        "def f():\n"
        "    class A:\n"
        "        n = 1\n"
        "        def m(self): return n\n"
        "    return A().m(), A.n"
    )
    Notebook(n="notebook's").replace("f", text)
    assert webui.f() == ("notebook's", 1)


def test_local_names_are_not_the_notebooks(webui):
    text = (
        "def f(a, *, b=n):\n"
        "    for n1 in (a,): pass\n"
        "    try: raise ValueError\n"
        "    except ValueError as e: kept = type(e).__name__\n"
        "    with open(a) if False else memoryview(b'') as w: pass\n"
        "    import math as m\n"
        "    match a:\n"
        "        case [x, *rest]: pass\n"
        "        case x: rest = None\n"
        "    return n1, b, kept, m.floor(1.5), x, rest\n"
    )
    notebook = Notebook(n=5, n1=0, e=0, w=0, m=0, x=0, rest=0)
    answer = notebook.replace("f", text)
    assert webui.f(2) == (2, 5, "ValueError", 1, 2, None)
    assert "uses your `n` ·" in answer


def test_recursion_means_the_cells_own_function(webui):
    notebook = Notebook(fact=lambda n: "an old one")
    notebook.replace("f", "def fact(n): return 1 if n < 2 else n * fact(n - 1)")
    assert webui.f(5) == 120


def test_a_saved_original_is_the_webuis_own_code(webui):
    """The idiom of older scripts; under the patch it would call itself for ever."""
    saved = webui.f
    answer = Notebook(saved=saved).replace("f", "def f(*args): return ['new', saved(*args)]")
    assert webui.f() == ["new", "old"]
    assert "`saved` is the webui's own code" in answer
    lp.restore_all()

    def new(*args):
        return ["newer", saved(*args)]

    lp.replace(webui.f, new)
    assert webui.f() == ["newer", "old"]


def test_a_builtin_that_the_notebook_means_otherwise(webui):
    notebook = Notebook()
    exec("def max(*a): return 'mine'", notebook)
    assert "uses your `max`" in notebook.replace("f", "def f(): return max(1, 2)")
    assert webui.f() == "mine"


def test_a_name_that_is_nowhere_is_said(webui):
    answer = Notebook(total=1).replace(
        "f", "def f():\n    global total\n    total += 1\n    return missing"
    )
    assert "`missing`, `total` is defined nowhere yet" in answer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(a, a): pass", "line 1 of the text does not compile: duplicate argument 'a'"),
        ("def f():\n    break", "line 2 of the text does not compile: 'break' outside loop"),
        ("def f(a=undefined): pass", "raised NameError: name 'undefined' is not defined"),
        ("import no_such_module\ndef f(): pass", "raised ModuleNotFoundError"),
        ("def f(): '\0'", "does not compile"),
    ],
)
def test_what_does_not_compile_or_run_is_three_lines(webui, text, found):
    with pytest.raises(lp.PatchRefused) as caught:
        Notebook().replace("f", text)
    assert len(str(caught.value).splitlines()) == 3
    assert found in str(caught.value).splitlines()[1]
    assert webui.f() == "old"


def test_imports_of_a_refused_text_do_not_run(webui):
    notebook = Notebook()
    with pytest.raises(lp.PatchRefused, match="a generator"):
        notebook.replace("f", "import textwrap\ndef f(): yield textwrap")
    assert "textwrap" not in notebook


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with 3.12")
def test_type_parameters_are_the_texts_own(webui):
    answer = Notebook(T="notebook's").replace("f", "def f[T](x: T) -> T: return x, T")
    assert "uses your" not in answer
    assert str(webui.f(1)[1]) == "T"
