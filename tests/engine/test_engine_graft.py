"""A text compiled in the target's place: whose names it means, and what it shares."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import types

import pytest

import livepatch as lp
from livepatch.engine.switching.codes import uses_globals

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

import functools
@functools.lru_cache(maxsize=8)
def cached(n): return n

@functools.wraps(f)
def wrapping(n): return n
"""


@pytest.fixture
def webui(request):
    """A module of the webui, loaded for one test."""
    module = types.ModuleType("grafted_webui")
    sys.modules[module.__name__] = module
    text = getattr(request, "param", MODULE)
    exec(compile(text, "<grafted_webui>", "exec", dont_inherit=True), module.__dict__)
    lines = text.splitlines(keepends=True)
    linecache.cache["<grafted_webui>"] = (len(text), None, lines, "<grafted_webui>")
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
        "f", "def f():\n    global total, other\n    total += other\n    return missing"
    )
    assert "`missing`, `other` is defined nowhere yet" in answer
    assert "uses your `total`" in answer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(a, a): pass", "line 1 of the text does not compile: duplicate "),
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


def runs_in_itself(function, text_function_name="f"):
    """Whether the new code was installed itself, without a trampoline to another function."""
    return not any(callable(constant) for constant in function.__code__.co_consts)


@pytest.mark.parametrize("name", ["f", "counter", "Foo.me"])
def test_names_of_the_notebook_cost_no_trampoline(webui, name):
    text = "def new(*args):\n    local = n\n    return [n for _ in 'a'], (lambda: n)(), local"
    Notebook(n=5).replace(name, text)
    function = webui.Foo.me if name == "Foo.me" else getattr(webui, name)
    assert function() == ([5], 5, 5)
    assert runs_in_itself(function)


def test_a_deleted_name_of_the_notebook_is_a_name_error(webui):
    notebook = Notebook(n=5, max=7)
    notebook.replace("f", "def f(a): return max if a else n")
    assert (webui.f(0), webui.f(1)) == (5, 7)
    del notebook["n"], notebook["max"]
    with pytest.raises(NameError, match=r"^name 'n' is not defined$") as caught:
        webui.f(0)
    assert caught.value.name == "n"
    assert webui.f(1) is max
    notebook["n"] = 6
    assert webui.f(0) == 6


def test_code_with_names_of_the_notebook_can_be_hashed(webui):
    """Debuggers and profilers keep code objects in dicts."""
    Notebook(n=[5]).replace("f", "def f(): return n")
    assert webui.f.__code__ in {webui.f.__code__}


@pytest.mark.parametrize(
    "parameter", ["_livepatch_notebook", "_livepatch_new", "_livepatch_factory", "args", "self"]
)
def test_parameters_of_any_name(webui, parameter):
    Notebook(n=5).replace("f", f"def f({parameter}): return {parameter}, n")
    assert webui.f(1) == (1, 5)


def test_a_method_does_not_see_itself_by_its_name(webui):
    """As in any class: `open` in a method called `open` is the builtin."""
    Notebook().replace("Foo.me", "def len(self, text): return len(text)")
    assert webui.Foo().me("abc") == 3


def test_private_names_of_the_module_and_the_notebook(webui):
    webui._Foo__there = "module's"
    answer = Notebook(_Foo__here="notebook's").replace(
        "Foo.me", "def me(self):\n    __own = 1\n    return __there, __here, __own"
    )
    assert webui.Foo().me() == ("module's", "notebook's", 1)
    assert "uses your `_Foo__here` ·" in answer


def test_super_in_what_is_nested_in_a_method(webui):
    webui.Sub = type("Sub", (webui.Foo,), {"me": lambda self: 0, "__module__": webui.__name__})
    exec("class Sub(Foo):\n    def me(self): return 'sub'", webui.__dict__)
    text = (
        "def me(self):\n"
        "    def inner(): return __class__\n"
        "    return [super(Sub, self).me() for _ in 'a'], inner(), super().me(), n"
    )
    Notebook(n=1).replace("Sub.me", text)
    assert webui.Sub().me() == ([0], webui.Sub, 0, 1)


def test_a_class_body_reads_outer_names_until_it_binds_them(webui):
    text = (
        "def f():\n"
        "    class A:\n"
        "        n = n\n"
        "        k += 1\n"
        "        def m(self, given=n): return given, n\n"
        "        own = n * 10\n"
        "        seen = [x for x in (n,)]\n"
        "    return A.n, A.k, A().m(), A.own, A.seen"
    )
    Notebook(n=5, k=1).replace("f", text)
    assert webui.f() == (5, 2, (5, 5), 50, [5])


def test_a_default_in_a_class_body_means_the_classs_name(webui):
    text = (
        "def f():\n"
        "    class A:\n"
        "        n = 1\n"
        "        def m(self, g=n): return g, n\n"
        "    return A().m()"
    )
    Notebook(n="notebook's").replace("f", text)
    assert webui.f() == (1, "notebook's")


def test_an_assignment_expression_binds_around_its_comprehension(webui):
    Notebook(n=5, m="notebook's").replace("f", "def f(): return [(m := n) for _ in 'ab'], m")
    assert webui.f() == ([5, 5], 5)


@pytest.mark.parametrize(
    "text",
    [
        "@functools.lru_cache(maxsize=8)\ndef cached(n): return -n",
        "@lru_cache(maxsize=8)\ndef cached(n): return -n",
        "from functools import lru_cache as lru\n@lru(maxsize=8)\ndef cached(n): return -n",
    ],
)
def test_decorators_that_mean_those_of_the_target(webui, text):
    import functools

    answer = Notebook(lru_cache=functools.lru_cache).replace("cached", text)
    assert "keeps the webui's own @functools.lru_cache(maxsize=8)" in answer
    assert webui.cached(5) == -5
    assert webui.cached.cache_info().maxsize == 8


@pytest.mark.parametrize(
    ("decorators", "found"),
    [
        ("@functools.lru_cache(maxsize=9)", "the original's decorators are @functools.lru_cache"),
        ("@lru_cache(maxsize=8)", "those of the new code are @lru_cache(maxsize=8)"),
        ("@functools.lru_cache(maxsize=8)\n@functools.cache", "@functools.cache"),
    ],
)
def test_other_decorators_are_refused(webui, decorators, found):
    with pytest.raises(lp.PatchRefused) as caught:
        Notebook(lru_cache=print).replace("cached", f"{decorators}\ndef cached(n): return -n")
    assert found in caught.value.found
    assert webui.cached(5) == 5


def test_a_function_without_globals_runs_in_the_target_itself(webui):
    scope = {}
    exec("def plain(a, b=2, *, c=3): return a, b, c", scope)
    exec("def reads(a): return len(a)", scope)
    assert not uses_globals(scope["plain"].__code__)
    assert uses_globals(scope["reads"].__code__)
    lp.replace(webui.f, scope["plain"])
    assert webui.f(1) == (1, 2, 3)
    assert webui.f.__code__ is scope["plain"].__code__
    lp.restore(webui.f)
    lp.replace(webui.f, scope["reads"])
    assert webui.f("ab") == 2
    assert webui.f.__code__ is not scope["reads"].__code__


def test_a_replacement_keeps_its_own_cells_whatever_they_compare_as(webui):
    class Odd:
        def __eq__(self, other):
            raise AssertionError("compared")

    odd = Odd()

    def new():
        return odd

    lp.replace(webui.f, new)
    assert webui.f() is odd


def test_a_moved_function_has_its_own_defaults(webui):
    webui.only_there = 5
    default = [1]

    def new(a, b=default, *, c=default, d):
        return only_there, b, c, d  # noqa: F821

    lp.replace(webui.f, new)
    assert webui.f(1, d=2) == (5, [1], [1], 2)
    assert webui.f(1, d=2)[1] is default
    assert inspect.signature(webui.f) == inspect.signature(new)


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_what_a_function_says_of_itself(webui, future):
    before = inspect.signature(webui.f), webui.f.__doc__, dict(webui.f.__annotations__)
    text = (
        f'''{future}def f(a: Picture, /, b: int = 2, *c: Foo, d: str = "x", **e) -> K: "new doc"'''
    )
    Notebook(Picture=float).replace("f", text)
    signature = inspect.signature(webui.f)
    kinds = [parameter.kind.name for parameter in signature.parameters.values()]
    assert [kind[:4] for kind in kinds] == ["POSI", "POSI", "VAR_", "KEYW", "VAR_"]
    assert webui.f.__doc__ == "new doc"
    expected = "Picture" if future else float
    assert webui.f.__annotations__["a"] == expected
    assert webui.f.__defaults__ == (2,)
    lp.restore("grafted_webui.f")
    assert (inspect.signature(webui.f), webui.f.__doc__, webui.f.__annotations__) == before


CLASS = """\
import dataclasses


class Foo:
    n = n * 2

    def me(self, given=n):
        return given, extra, Foo, super().__repr__ is not None, dataclasses

    def hidden(self): return self.__hidden()

    class Inner:
        def m(self): return Foo, extra
"""


def body_of(webui, text, **names):
    from livepatch.engine.writing.class_text import ClassText

    written = ClassText("replace grafted_webui.Foo", text, "grafted_webui.Foo", webui.Foo, names)
    return written.build().attributes, written.facts


def test_a_class_in_the_place_of_another(webui):
    body, facts = body_of(webui, CLASS, n=5, extra="notebook's")
    assert facts == ("uses your `dataclasses`, `extra`, `n`",)
    assert [*body] == ["n", "me", "hidden", "Inner"]
    assert (body["me"].__module__, body["me"].__qualname__) == (webui.__name__, "Foo.me")
    assert body["me"](webui.Foo())[:4] == (10, "notebook's", webui.Foo, True)
    assert body["Inner"]().m() == (webui.Foo, "notebook's")
    assert body["hidden"](webui.Foo()) == "hidden"
    assert inspect.getsource(body["hidden"]).strip() == "def hidden(self): return self.__hidden()"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class Foo:\n    def f(: pass", "line 2 of the text does not compile"),
        ("class Foo:\n    return 1", "line 2 of the text does not compile"),
        ("def Foo(): pass", "the text defines no class"),
        ("class A: pass\nclass B: pass", "the text defines 2 classes: A, B"),
        ("x = 1\nclass A: pass", "line 1 of the text is neither a class nor an import: x = 1"),
        ("class A:\n    x = 1 / 0", "raised ZeroDivisionError"),
        ("class A:\n    if n: x = 1", "line 2 of the text is not a definition: if n:"),
        ("@len\nclass A: pass", "its decorators cannot be read, those of the text are @len"),
    ],
)
def test_a_class_whose_text_cannot_be_taken_is_three_lines(webui, text, found):
    with pytest.raises(lp.PatchRefused) as caught:
        body_of(webui, text)
    assert len(str(caught.value).splitlines()) == 3
    assert found in caught.value.found


def test_a_method_that_the_notebook_saved_is_the_webuis_own_code(webui):
    saved = webui.Foo.me
    text = "class Foo:\n    def me(self): return 'new', saved(self)"
    body, facts = body_of(webui, text, saved=saved)
    webui.Foo.me.__code__ = body["me"].__code__  # as the merge does it
    assert webui.Foo().me() == ("new", 0)
    assert facts == ("`saved` is the webui's own code",)


def test_a_text_is_parsed_where_another_threads_parsing_came_in_between(webui, monkeypatch):
    """CPython 3.11 raises SystemError in one of the two, about text that is sound."""
    own, raised = ast.parse, []

    def parse(*arguments, **options):
        if len(raised) < 3:
            raised.append(SystemError("AST constructor recursion depth mismatch"))
            raise raised[-1]
        return own(*arguments, **options)

    monkeypatch.setattr(ast, "parse", parse)
    lp.replace("grafted_webui.f", "def f(*args):\n    return 'new'")
    assert webui.f(1) == "new"
    assert len(raised) == 3


def test_a_class_with_conditional_annotations_inside_a_method(webui):
    """From 3.14 on the set of those that ran is a name of the class around the method."""
    lp.replace(
        "grafted_webui.Foo.me",
        "def me(self):\n"
        "    class Nested:\n"
        "        try:\n"
        "            a: int = 1\n"
        "        except Exception: pass\n"
        "        def method(self):\n"
        "            class Deeper:\n"
        "                if self:\n"
        "                    b: str = 'b'\n"
        "            return Deeper.__annotations__\n"
        "    return Nested.__annotations__, Nested().method()",
    )
    assert webui.Foo().me() == ({"a": int}, {"b": str})


def test_blank_lines_in_quotes_stay_as_they_are(webui):
    notebook = Notebook()
    notebook.replace("f", 'def f(*args):\n    return """a\n   \nb"""')
    assert webui.f() == "a\n   \nb"
    notebook.replace("f", '\n    def f(*args):\n        return "indented"')
    assert webui.f() == "indented"


def test_an_import_of_everything_binds_in_the_notebook(webui):
    said = Notebook().replace("f", "from colorsys import *\ndef f(*args):\n    return hsv_to_rgb")
    assert "uses your `hsv_to_rgb`" in said
    assert webui.f().__module__ == "colorsys"


def test_a_class_of_the_notebook_in_a_match_statement(webui):
    notebook = Notebook()
    exec("class Point:\n    x = 1\n    class Inner: __match_args__, y = ('y',), 2", notebook)
    said = notebook.replace(
        "f",
        "def f(given):\n"
        "    if given is not None:\n"
        "        match given:\n"
        "            case Point.Inner(2): return 'inner'\n"
        "            case Point(x=1) | [Point()]: return 'point'\n"
        "            case math.inf: return 'infinite'\n"
        "            case int(): return 'int'\n"
        "    return 'none'\n",
    )
    assert "uses your `Point`" in said
    point = notebook["Point"]
    given = (point(), point.Inner(), [point()], float("inf"), 1, None)
    expected = ["point", "inner", "point", "infinite", "int", "none"]
    assert [webui.f(each) for each in given] == expected
