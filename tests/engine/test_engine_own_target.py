"""New code that holds its own target means the webui's code there, or is refused: it never circles.

Also what new code is at the moment when it is given: two functions in each other's place.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import operator
import sys
import textwrap
import types

import pytest
from engine_support import three_lines

import livepatch as lp

TEXT = """
MARK = "webui"

def f(x=1): return ["f", MARK, x]
def g(x=1): return ["g", MARK, x]
def h(x=1): return ["h", MARK, x]
def tree(n): return ["webui", n, tree(n - 1)] if n else []

class C:
    def run(self, x=1): return ["run", MARK, x]

@__import__("functools").lru_cache
def cached(x=1): return ["cached", x]

def closed():
    def loop(n): return ["webui", n, loop(n - 1)] if n else []
    return loop
loop = closed()
"""
OWN = ["f", "webui", 2]


def marked(function):
    def inner(*args, **kwargs):
        return ["new", *function(*args, **kwargs)]

    return inner


def call_given(given, x=1):
    return ["new", *given(x)]


def call_named(x=1, *, given):
    return ["new", *given(x)]


class Holder:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return ["new", *self.function(*args)]

    run = __call__


class WithSlots:
    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return ["new", *self.function(*args)]


def with_default(old):
    def new(x=1, _old=old):
        return ["new", *_old(x)]

    return new


def with_keyword_default(old):
    def new(x=1, *, _old=old):
        return ["new", *_old(x)]

    return new


def over(make, call):
    """New code that calls what ``make`` makes of the target."""

    def variant(old):
        held = make(old)

        def new(x=1):
            return ["new", *call(held, x)]

        return new

    return variant


def asking(held):
    def new(x=1):
        return ["new", *(held.inner if hasattr(held, "inner") else held).old(x)]

    return new


def running(held):
    def new(x=1):
        return held.run(x)

    return new


def with_own_attribute(old):
    def new(x=1):
        return ["new", *new.old(x)]

    new.old = old
    return new


def closed_in_a_circle(old):
    def new(x=1):
        return ["new", *old(x)] if x < 10 else new(2)

    return new


def through_a_helper(old):
    """A helper that holds the new code, and with it the target; the circle ends in the target."""

    def helper(x):
        return new(x - 1)

    def new(x=1):
        return ["new", *old(2)] if x == 0 else helper(x)

    return new


def calling_a_helper_each_time(old):
    def helper(x):
        return ["helper", *new(x - 1)] if x else old(2)

    def new(x=1):
        return ["new", *helper(x)]

    return new


def held_by_a_list_in_a_circle(old):
    held = []

    def new(x=1):
        return old(x) if x == 0 else held[0](x - 1)

    held.append(new)
    return new


# What means the webui's own code.
LED = {
    "a closure": marked,
    "a closure in a closure": lambda old: marked(marked(old)),
    "closures of three": lambda old: marked(marked(marked(old))),
    "wraps": lambda old: functools.wraps(old)(marked(marked(old))),
    "a circle": closed_in_a_circle,
    "a circle of two": through_a_helper,
    "a circle of two, always": calling_a_helper_each_time,
    "circles in a circle": lambda old: calling_a_helper_each_time(through_a_helper(old)),
    "a default value": with_default,
    "a keyword's default value": with_keyword_default,
    "a default value of a default value": lambda old: with_default(with_default(old)),
    "a partial's argument": lambda old: functools.partial(call_given, old),
    "a partial's keyword": lambda old: functools.partial(call_named, given=old),
    "a partial of a partial": lambda old: functools.partial(
        functools.partial(call_given), marked(old)
    ),
    "a partial in a closure": lambda old: marked(functools.partial(old)),
    "a cache": lambda old: functools.lru_cache(marked(old)),
    "a cache in a closure": lambda old: marked(functools.lru_cache(maxsize=3)(old)),
    "a tuple": over(lambda old: (1, (old,)), lambda held, x: held[1][0](x)),
    "a bound method": lambda old: types.MethodType(marked(lambda self, x: old(x)), 3),
}
# What belongs to others as well: how the way to it is written.
REFUSED = {
    "a list": (over(lambda old: [old], lambda held, x: held[0](x)), "held[0]"),
    "a dictionary": (over(lambda old: {"k": old}, lambda held, x: held["k"](x)), "held['k']"),
    "a set": (over(lambda old: {old}, lambda held, x: next(iter(held))(x)), "held[0]"),
    "a list in a circle": (held_by_a_list_in_a_circle, "held[0], there in old"),
    "a list of closures": (over(lambda o: [marked(o)], lambda held, x: held[0](x)), "function"),
    "an attribute": (lambda old: asking(types.SimpleNamespace(old=old)), "held.old"),
    "an attribute's attribute": (
        lambda old: asking(types.SimpleNamespace(inner=types.SimpleNamespace(old=old))),
        "held.inner.old",
    ),
    "what a method asks for": (lambda old: running(Holder(old)), "held.function"),
    "its own attribute": (with_own_attribute, "new.old"),
    "a callable instance": (Holder, "the new code.function"),
    "a method of an instance": (lambda old: Holder(old).run, "the new code.function"),
    "an instance in a closure": (lambda old: marked(Holder(old)), "function.function"),
    "a slot": (WithSlots, "the new code.function"),
}


@pytest.fixture(params=["by name", "as object"])
def target(request, app):
    """What is given as target, of a name of the loaded module."""
    app.load(TEXT)

    def given(name):
        by_name = request.param == "by name"
        return app[name] if by_name else operator.attrgetter(name)(app.module)

    return given


@pytest.mark.parametrize("kind", LED)
def test_what_holds_its_target_means_the_webuis_code(app, target, kind):
    layer = lp.replace(target("f"), LED[kind](app.module.f))
    answer = app.module.f(2)
    assert answer[-3:] == OWN
    assert answer[0] == "new"
    layer.off()
    assert app.module.f(2) == OWN
    layer.on()
    assert app.module.f(2) == answer
    lp.restore(target("f"))
    assert app.module.f(2) == OWN


@pytest.mark.parametrize("kind", REFUSED)
def test_what_others_hold_as_well_is_refused_with_the_way_to_it(app, target, kind):
    make, written = REFUSED[kind]
    steps = len(lp.journal)
    code, new = app.module.f.__code__, make(app.module.f)
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(target("f"), new)
    three_lines(refused, f"replace {app['f']}", f"holds {app['f']} itself", written)
    assert app.module.f.__code__ is code
    assert app.module.f(2) == OWN
    assert len(lp.journal) == steps
    assert not lp.patches()


@pytest.mark.parametrize("verb", ["wrap", "before", "after"])
@pytest.mark.parametrize("make", [lambda old: marked(marked(old)), Holder], ids=["led", "refused"])
def test_wrappers_and_hooks_do_the_same(app, target, verb, make):
    held = make(app.module.f)
    wrapper = {
        "wrap": lambda original, x=1: [*held(x), "wrapped"],
        "before": lambda x=1: held(x) and None,
        "after": lambda result, x=1: held(x),
    }[verb]
    if make is Holder:
        with pytest.raises(lp.PatchRefused) as refused:
            getattr(lp, verb)(target("f"), wrapper)
        three_lines(refused, app["f"], "held.function")
        assert not lp.patches()
        return
    getattr(lp, verb)(target("f"), wrapper)
    assert app.module.f(2)[-4:][:3] in (["webui", 2, "wrapped"], OWN, ["new", *OWN][-4:][:3])


class Written:
    """A module beside the webui's, as a notebook or a patch file is."""

    def __init__(self, folder, text):
        path = folder / "written_beside.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        spec = importlib.util.spec_from_file_location("written_beside", path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)


@pytest.mark.parametrize(
    ("above", "called"),
    [
        ("from app_of_test import f", "f(x)"),
        ("from app_of_test import f as old", "old(x)"),
        ("from app_of_test import f", "(lambda: f(x))()"),
        ("from app_of_test import f; held = (f,)", "held[0](x)"),
        ("import functools, app_of_test; held = functools.partial(app_of_test.f)", "held(x)"),
        (
            "from app_of_test import f\ndef mark(f): return lambda x: f(x)\nheld = mark(f)",
            "held(x)",
        ),
    ],
)
def test_a_global_that_is_the_target(app, target, tmp_path, above, called):
    beside = Written(tmp_path, f"{above}\ndef new(x=1): return ['new', *{called}]").module
    lp.replace(target("f"), beside.new)
    assert app.module.f(2) == ["new", *OWN]
    app.module.MARK = "later"
    assert app.module.f(2) == ["new", "f", "later", 2]


@pytest.mark.parametrize(
    ("above", "called", "written"),
    [
        ("from app_of_test import f; held = [f]", "held[0](x)", "held[0]"),
        ("from app_of_test import f; held = {'f': f}", "held['f'](x)", "held['f']"),
        ("import types, app_of_test as v; held = types.SimpleNamespace(f=v.f)", "held.f(x)", ".f"),
    ],
)
@pytest.mark.parametrize("verb", ["replace", "wrap"])
def test_a_global_that_holds_the_target(app, target, tmp_path, above, called, written, verb):
    beside = Written(tmp_path, f"{above}\ndef new(x=1): return ['new', *{called}]").module
    with pytest.raises(lp.PatchRefused) as refused:
        getattr(lp, verb)(target("f"), beside.new)
    three_lines(refused, f"holds {app['f']} itself", written)
    assert app.module.f(2) == OWN


def test_a_global_of_code_without_a_text_is_refused(app, target):
    app_of = {}
    exec(f"from {app.name} import f\ndef new(x=1): return f(x)", app_of)
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(target("f"), app_of["new"])
    three_lines(refused, f"`f`, which is {app['f']} itself", "no source text")
    assert app.module.f(2) == OWN


def cell(target, text, **names):
    """A cell of a notebook with these names."""
    namespace = {"__name__": "livepatch_notebook", "lp": lp, "target": target, **names}
    exec(f"lp.replace(target, {text!r})", namespace)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("def f(x=1): return ['new', *old(x)]", lambda f: f),
        ("def f(x=1): return ['new', *old(x)[1:]]", marked),
        ("def f(x=1): return old(x)", lambda f: marked(functools.partial(f))),
        ("def f(x=1, _o=old): return ['new', *_o(x)]", lambda f: f),
        ("def f(x=1, *, _o=old): return ['new', *_o(x)]", lambda f: f),
        ("def f(x=1, _o=f): return ['new', *_o(x)]", lambda f: f),
        ("import app_of_test\ndef f(x=1, *, o=app_of_test.f): return ['new', *o(x)]", lambda f: f),
    ],
)
def test_a_text_with_a_name_of_the_notebook(app, target, text, held):
    cell(target("f"), text, old=held(app.module.f))
    assert app.module.f(2) == ["new", *OWN]


@pytest.mark.parametrize(
    ("called", "held"),
    [
        ("old[0](x)", lambda f: [f]),
        ("old['f'](x)", lambda f: {"f": f}),
        ("old.function(x)", Holder),
        ("old(x)", Holder),
    ],
)
def test_a_text_with_a_name_of_the_notebook_that_others_hold(app, target, called, held):
    with pytest.raises(lp.PatchRefused) as refused:
        cell(target("f"), f"def f(x=1): return {called}", old=held(app.module.f))
    three_lines(refused, f"holds {app['f']} itself", "old")
    assert app.module.f(2) == OWN


def test_what_calls_itself_by_its_own_name_means_the_new_code(app, target):
    cell(target("tree"), "def tree(n): return ['new', n, tree(n - 1)] if n else []")
    assert app.module.tree(2) == ["new", 2, ["new", 1, []]]

    def tree(n):
        return ["newer", n, tree(n - 1)] if n else []

    lp.replace(target("tree"), tree)
    assert app.module.tree(2) == ["newer", 2, ["newer", 1, []]]


def test_a_closure_that_calls_itself_is_no_holder_of_its_target(app, target):
    cell(target("loop"), "def loop(n): return ['new', n, loop(n - 1)] if n else []")
    assert app.module.loop(2) == ["new", 2, ["new", 1, []]]


def test_what_the_code_looks_up_as_it_runs_means_the_new_code(app, target):
    module = app.module

    def new(n):
        return ["new", n, module.tree(n - 1)] if n else []

    lp.replace(target("tree"), new)
    assert module.tree(2) == ["new", 2, ["new", 1, []]]


def by_module(module):
    return lambda x=1: ["new", *module.f(x)]


def by_module_before_a_condition(module):
    def new(x=1):
        if x > 5:
            x = 5
        for _ in range(3):
            x += 1
        with memoryview(b""):
            answer = module.f(x)
        return answer if answer else []

    return new


def below_a_cache(module):
    return lambda x=1: ["new", *module.cached(x)]


def by_the_class(module):
    def run(self, x=1):
        return ["new", *module.C.run(self, x)]

    return run


def by_an_instance(module):
    def run(self, x=1):
        return ["new", *self.run(x)]

    return run


def by_super(module):
    class C(module.C):
        def run(self, x=1):
            return ["new", *super().run(x)]

    return C.run


CERTAIN = {
    "the module's": ("f", by_module, "module.f"),
    "what a condition does not skip": ("f", by_module_before_a_condition, "module.f"),
    "below a cache": ("cached", below_a_cache, "module.cached"),
    "the class's": ("C.run", by_the_class, "module.C.run"),
    "the instance's": ("C.run", by_an_instance, "self.run"),
}


@pytest.mark.parametrize("case", CERTAIN)
def test_what_would_never_end_is_refused(app, target, case):
    """Each call of it calls itself, by a name that it looks up."""
    name, make, written = CERTAIN[case]
    steps = len(lp.journal)
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(target(name), make(app.module))
    three_lines(refused, f"replace {app[name]}", f"calls {written},", "lp.wrap")
    assert len(lp.journal) == steps
    assert not lp.patches()
    assert app.module.f(2) == OWN


@pytest.mark.parametrize("verb", ["wrap", "before", "after"])
def test_a_wrapper_or_hook_that_would_never_end_is_refused(app, target, verb):
    module = app.module
    hook = {
        "wrap": lambda original, x=1: module.f(x),
        "before": lambda x=1: module.f(x) and None,
        "after": lambda result, x=1: module.f(x),
    }[verb]
    with pytest.raises(lp.PatchRefused) as refused:
        getattr(lp, verb)(target("f"), hook)
    three_lines(refused, f"{verb} {app['f']}", "calls module.f,", "lp.wrap")
    assert app.module.f(2) == OWN


@pytest.mark.parametrize(
    "text",
    [
        "def f(x=1): return ['new', *f(x)]",
        "def f(x=1):\n    y = x + 1\n    return webui.f(y)",
        "def f(x=1):\n    y = (x, [x, -x], {x: x})\n    return len(y), webui.f(x=max(x, 1))",
        "def f(x=1):\n    return webui.f(*[x], **{})",
        "def f(x=1):\n    return sum((webui.f(webui.g(x)[2])), [])",
        "def f(x=1):\n    while x > 5: x -= 1\n    return webui.f(x)",
        "def f(x=1):\n    with memoryview(b''):\n        return webui.f(x)",
    ],
)
def test_a_text_that_would_never_end_is_refused(app, target, text):
    with pytest.raises(lp.PatchRefused) as refused:
        cell(target("f"), text, webui=app.module)
    three_lines(refused, f"replace {app['f']}", "calls ", "never end", "lp.wrap")
    assert app.module.f(2) == OWN


@pytest.mark.parametrize("called", ["self.run(x)", "C.run(self, x)"])
def test_a_text_of_a_class_that_would_never_end_is_refused(app, target, called):
    with pytest.raises(lp.PatchRefused) as refused:
        cell(target("C"), f"class C:\n    def run(self, x=1): return ['new', *{called}]")
    three_lines(refused, f"replace {app['C']}", "never end", "lp.wrap")
    assert app.module.C().run(2) == ["run", "webui", 2]


@pytest.mark.parametrize(
    "body",
    [
        "return ['new', *webui.f(x - 1)] if x else []",
        "return x and ['new', *webui.f(x - 1)] or []",
        "if not x: return []\n    return ['new', *webui.f(x - 1)]",
        "return ['new', *[i for i in range(x) for i in webui.f(i)]]",
        "if x > 1: raise ValueError\n    return ['new', x]; webui.f(x)",
        "webui.f.mark = x\n    return ['new', x]",
        "held = webui.f\n    return ['new', x]",
        "try: [][x]\n    except IndexError: return ['new', x]\n    return webui.f(x)",
        "try: [][x]\n    except IndexError: x = 0\n    else: webui.f(x)\n    return ['new', x]",
        "global f\n    if x < 9: f = lambda x: ['newer', x]\n    return ['new', *f(x)]",
        "return ['new', *map(len, [repr(webui.f)])]",
        "import functools\n    functools.partial(webui.f, x)\n    return ['new', x]",
        "return ['new', webui.f is len, x]",
        "global f\n    f = lambda x: ['newer', x]\n    return ['new', *f(x)]",
        "return ['new', *webui.g(x)]",
    ],
)
def test_what_may_end_calls_itself(app, target, body):
    cell(target("f"), f"def f(x=1):\n    {body}", webui=app.module)
    assert app.module.f(1)[0] == "new"


def test_a_generator_whose_items_nobody_asks_for_has_an_end(app):
    module = app.load(TEXT + "\ndef count(n): yield n\n")
    cell(app["count"], "def count(n):\n    yield n\n    yield from count(n + 1)")
    items = module.count(5)
    assert [next(items), next(items), next(items)] == [5, 6, 7]
    with pytest.raises(lp.PatchRefused, match="never end"):
        cell(app["count"], "def count(n):\n    yield from count(n + 1)")


@pytest.mark.parametrize("called", ["await fetch(x)", "(await fetch(x), await webui.fetch(x))"])
def test_a_coroutine_that_would_never_end_is_refused(app, called):
    module = app.load(TEXT + "\nasync def fetch(n): return n\n")
    with pytest.raises(lp.PatchRefused, match="never end"):
        cell(app["fetch"], f"async def fetch(x): return {called}", webui=module)


def test_super_in_the_place_of_a_method_is_no_circle(app):
    app.load(TEXT + "\nclass D(C):\n    def run(self, x=1): return ['own']\n")
    lp.replace(app["D.run"], by_super(app.module))
    assert app.module.D().run(2) == ["new", "run", "webui", 2]


def test_what_names_an_object_for_something_else_is_not_refused(app, target):
    webui = types.SimpleNamespace(routes=[app.module.f], endpoint=app.module.f, title="t")

    def new(x=1):
        return [webui.title, x]

    lp.replace(target("f"), new)
    assert app.module.f(2) == ["t", 2]


def test_methods_and_what_lies_below_a_cache(app):
    run, cached = app.load(TEXT).C.run, app.module.cached
    lp.replace(app["C.run"], marked(marked(run)))
    assert app.module.C().run(2) == ["new", "new", "run", "webui", 2]
    bound = app.module.C().run
    lp.restore(app["C.run"])
    lp.replace(app.module.C.run, lambda self, x=1: ["new", *types.MethodType(run, self)(x)])
    assert bound(2) == ["new", "run", "webui", 2]
    lp.replace(app["cached"], marked(cached))
    assert app.module.cached(2) == ["new", "cached", 2]


def test_a_partial_that_holds_itself(app):
    app.load(TEXT + "\nimport functools\npartial = functools.partial(f, 5)\n")
    lp.replace(app["partial"], marked(app.module.partial))
    assert app.module.partial() == ["new", "f", "webui", 5]


def test_the_function_that_is_given_stays_as_it_is(app, target):
    new = marked(marked(app.module.f))
    inner = inspect.getclosurevars(new).nonlocals["function"]
    lp.replace(target("f"), new)
    assert inspect.getclosurevars(new).nonlocals["function"] is inner
    assert inspect.getclosurevars(inner).nonlocals["function"] is app.module.f


@pytest.mark.parametrize("by_object", [False, True])
@pytest.mark.parametrize("in_one_step", [False, True])
def test_two_functions_in_each_others_place(app, by_object, in_one_step):
    module = app.load(TEXT)
    f, g = (module.f, module.g) if by_object else (app["f"], app["g"])
    if in_one_step:
        with lp.transaction():
            lp.replace(f, module.g)
            lp.replace(g, module.f)
    else:
        lp.replace(f, module.g)
        lp.replace(g, module.f)
    for _ in range(2):
        assert (module.f(2)[0], module.g(2)[0]) == ("g", "f")
        for layer in lp.patches():
            layer.off()
            layer.on()
    lp.restore(f)
    assert (module.f(2)[0], module.g(2)[0]) == ("f", "f")
    lp.restore_all()
    assert (module.f(2)[0], module.g(2)[0]) == ("f", "g")


def test_decorated_in_each_others_place(app):
    module = app.load(TEXT)
    lp.replace(app["f"], marked(module.g))
    lp.replace(app["g"], marked(module.f))
    assert module.g(2)[:3] == ["new", "new", "g"]
    assert module.f(2)[:4] == ["new", "new", "new", "g"]
    lp.restore_all()
    assert (module.f(2)[0], module.g(2)[0]) == ("f", "g")


@pytest.mark.parametrize("by_object", [False, True])
@pytest.mark.parametrize("make", [lambda g: g, functools.partial, lambda g: functools.partial(g)])
def test_new_code_is_taken_as_it_is_at_that_moment(app, by_object, make):
    module = app.load(TEXT)
    f, g = (module.f, module.g) if by_object else (app["f"], app["g"])
    layer = lp.replace(f, make(module.g))
    lp.replace(g, module.h)
    assert (module.f(2)[0], module.g(2)[0]) == ("g", "h")
    layer.off()
    layer.on()
    assert module.f(2)[0] == "g"
    lp.restore(g)
    assert (module.f(2)[0], module.g(2)[0]) == ("g", "g")
    layer.off()
    layer.on()
    assert module.f(2)[0] == "g"
    lp.replace(g, module.h)
    taken = lp.replace(f, make(module.g))
    lp.restore(g)
    assert (module.f(2)[0], module.g(2)[0]) == ("h", "g")
    taken.remove()
    assert module.f(2)[0] == "f"
    assert sys.modules[app.name] is module
