"""What a target is: the function of that very name below its decorators, or what stands there."""

from __future__ import annotations

import functools
import inspect
import json
import sys

import pytest
from engine_support import Transaction, three_lines

import livepatch as lp

TEXT = """
import collections, dataclasses, enum, functools, json, math

def keeps(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return ["kept", function(*args, **kwargs)]
    return wrapper

def plain(function):
    def wrapper(*args, **kwargs):
        return ["kept", function(*args, **kwargs)]
    return wrapper

@functools.wraps(json.dumps)
def dumps(o, **kwargs):
    return "mine:" + json.dumps(o, **kwargs)

class Some:
    def run(self): return "some"

@functools.wraps(Some)
def make(*args):
    return "made"

class Base:
    def run(self): return "base"
    @staticmethod
    def still(): return "base still"

class Sub(Base):
    @functools.wraps(Base.run)
    def run(self): return "sub"

@functools.wraps(Base.run)
def run_of_base(self=None): return "function"

def other(): return "other"

@keeps
def decorated(a=1): return ("old", a)

def lying(function):
    @functools.wraps(other)
    def wrapper(*args):
        return ["kept", function(*args)]
    return wrapper

@lying
def lied(a=1): return ("old", a)

def unheld(a=1): return ("inner", a)
def stands(a=1): return ("stands", a)
stands.__wrapped__ = unheld

class Callable:
    def __init__(self, function):
        functools.update_wrapper(self, other)
        self.function = function
    def __call__(self, *args):
        return ["called", self.function(*args)]

@Callable
def instance(a=1): return ("old", a)

def looped(a=1): return "looped"
looped.__wrapped__ = looped

def loop_a(a=1): return "a"
def loop_b(a=1): return "b"
loop_a.__wrapped__, loop_b.__wrapped__ = loop_b, loop_a

@functools.wraps(other)
@functools.lru_cache
def cached(a=1): return ("old", a)
"""
LIES = {  # what only says that it wraps something: what calls it, and what must not change
    "dumps": (lambda m: m.dumps(1), lambda m: (json.dumps(1), m.json.dumps(1))),
    "make": (lambda m: m.make(1), lambda m: (m.Some().run(), m.Some)),
    "Sub.run": (lambda m: m.Sub().run(), lambda m: (m.Base().run(), m.Base.still())),
    "run_of_base": (lambda m: m.run_of_base(), lambda m: (m.Base().run(), m.Sub().run())),
    "stands": (lambda m: m.stands(), lambda m: m.unheld()),
    "looped": (lambda m: m.looped(), lambda m: m.loop_a()),
    "loop_a": (lambda m: m.loop_a(), lambda m: m.loop_b()),
}
LOOK = {
    "by name": lambda app, name: app[name],
    "as object": lambda app, name: functools.reduce(getattr, name.split("."), app.module),
    "as a pair": lambda app, name: None,
}


def ask(app, name, how, verb, new, **options):
    if how != "as a pair":
        return verb(LOOK[how](app, name), new, **options)
    holder, _, last = name.rpartition(".")
    holder = getattr(app.module, holder) if holder else app.module
    return verb(holder, getattr(holder, last), new, **options)


@pytest.fixture(params=LOOK)
def how(request):
    return request.param


@pytest.mark.parametrize("name", LIES)
def test_a_wrapper_that_only_says_so_is_its_own_target(app, name, how):
    module = app.load(TEXT)
    call, others = LIES[name][0], LIES[name][1]
    own, before = call(module), others(module)
    layer = ask(app, name, how, lp.replace, lambda *_, **__: "new")
    assert (call(module), others(module)) == ("new", before)
    if how == "by name":
        assert str(layer).startswith(f"replaced {app[name]} ")
    layer.off()
    assert (call(module), others(module)) == (own, before)
    layer.on()
    lp.restore(layer.target)
    assert (call(module), others(module), len(lp.patches())) == (own, before, 0)


def test_a_text_for_such_a_wrapper_is_compiled_where_it_is_written(app):
    module = app.load(TEXT)
    text = "def run(self):\n    return ['new', super().run(), self.__secret()]"
    module.Sub._Sub__secret = lambda self: "secret"
    lp.replace(app["Sub.run"], text)
    assert module.Sub().run() == ["new", "base", "secret"]
    assert module.Base().run() == "base"


# What really decorates: the decorator stays around the new code.
DECORATED = {
    "decorated": ["kept", "new"],
    "lied": ["kept", "new"],
    "instance": ["called", "new"],
    "cached": "new",
}


@pytest.mark.parametrize("name", DECORATED)
def test_a_decorator_that_holds_the_definition_stays_around_it(app, name):
    module = app.load(TEXT)
    call = getattr(module, name)
    own = call()
    layer = lp.replace(app[name], lambda a=1: "new")
    assert call() == DECORATED[name]
    layer.remove()
    assert call() == own


def test_a_decorated_function_is_known_under_another_module_s_name(app, monkeypatch):
    module = app.load(TEXT)
    import types

    alias = types.ModuleType("app_of_test_alias")
    alias.shown = module.decorated
    monkeypatch.setitem(sys.modules, alias.__name__, alias)
    lp.replace("app_of_test_alias.shown", lambda a=1: "new")
    assert (module.decorated(), alias.shown()) == (["kept", "new"], ["kept", "new"])
    second = lp.replace(app["decorated"], lambda a=1: "again")
    assert (module.decorated(), len(lp.patches())) == (["kept", "again"], 1)
    assert second is lp.patches()[0]


# `__new__`, which CPython does not forget.
NEW = """
class Init:
    def __init__(self, a=0, *, b=0): self.got = (a, b)
class Deep(Init): pass
class Bare: pass
class Own:
    def __new__(cls, a=0): return super().__new__(cls)
    def __init__(self, a=0): self.got = a
class Inherits(Own): pass
class Dict(dict):
    def __init__(self, a=0): super().__init__(a=a)
class Int(int): pass
class Tuple(tuple):
    def __init__(self, *a): pass
class Abstract(__import__("abc").ABC):
    def __init__(self, a=0): pass
    @__import__("abc").abstractmethod
    def run(self): ...
class Error(Exception):
    def __init__(self, a=0): self.a = a
"""
CONSTRUCTED = {
    "Init": ((1,), {"b": 2}),
    "Bare": ((), {}),
    "Own": ((1,), {}),
    "Inherits": ((1,), {}),
    "Dict": ((1,), {}),
    "Int": ((7,), {}),
    "Tuple": (((1, 2),), {}),
    "Error": ((1,), {}),
}


def made(cls, args, kwargs):
    instance = cls(*args, **kwargs)
    return type(instance), repr(instance).partition(" at ")[0], vars(instance)


def refusal(cls, *args):
    with pytest.raises(TypeError) as caught:
        cls(*args)
    return str(caught.value)


@pytest.mark.parametrize("way", ["restore", "off", "undo", "rollback"])
@pytest.mark.parametrize("name", CONSTRUCTED)
def test_a_class_constructs_as_before_after_its_new_was_replaced(app, name, way):
    module = app.load(NEW)
    cls, (args, kwargs) = getattr(module, name), CONSTRUCTED[name]
    sub = type("Sub", (cls,), {})
    before, sub_before = made(cls, args, kwargs), made(sub, args, kwargs)
    names, wrong = set(vars(cls)), refusal(cls, 1, 2, 3, 4) if name != "Tuple" else None
    calls = []

    def new(asked, *args, **kwargs):
        calls.append(asked)
        return super(cls, asked).__new__(
            asked, *(args if name in ("Int", "Tuple", "Error") else ())
        )

    def lay():
        return lp.replace(f"{app[name]}.__new__", new)

    if way == "rollback":
        transaction = Transaction()
        transaction.run(lay)
        assert made(cls, args, kwargs) == before
        transaction.fail()
    else:
        layer = lay()
        assert made(cls, args, kwargs) == before
        late = type("Late", (cls,), {})
        assert made(late, args, kwargs)[0] is late
        assert calls == [cls, late]
        {"restore": lambda: lp.restore(layer.target), "off": layer.off, "undo": lp.undo}[way]()
        assert made(late, args, kwargs)[0] is late
        calls.pop()
    for _ in range(3):
        assert (made(cls, args, kwargs), made(sub, args, kwargs)) == (before, sub_before)
    assert calls == [cls]
    assert set(vars(cls)) == names
    if wrong is not None:
        assert refusal(cls, 1, 2, 3, 4) == wrong
    lay()
    assert made(cls, args, kwargs) == before
    assert calls == [cls, cls]


@pytest.mark.parametrize("name", ["Init", "Bare", "Dict", "Own", "Int"])
def test_the_original_new_that_a_wrapper_gets_takes_the_arguments(app, name):
    module = app.load(NEW)
    cls, (args, kwargs) = getattr(module, name), CONSTRUCTED[name]
    before, wrong = made(cls, args, kwargs), refusal(cls, 1, 2, 3, 4)
    layer = lp.wrap(f"{app[name]}.__new__", lambda original, cls, *a, **k: original(cls, *a, **k))
    assert made(cls, args, kwargs) == before
    assert "argument" in refusal(cls, 1, 2, 3, 4)
    layer.remove()
    assert made(cls, args, kwargs) == before
    assert refusal(cls, 1, 2, 3, 4) == wrong


def test_what_is_abstract_stays_so(app):
    module = app.load(NEW)
    wrong = refusal(module.Abstract, 1)
    layer = lp.wrap(app["Abstract.__new__"], lambda original, cls, *args: original(cls, *args))
    assert refusal(module.Abstract, 1) == wrong
    layer.remove()
    assert refusal(module.Abstract, 1) == wrong


def test_a_subclass_with_a_new_of_its_own_keeps_it(app):
    module = app.load(NEW)

    class Sub(module.Init):
        def __new__(cls, *args):
            made = super().__new__(cls)
            made.own = True
            return made

    layer = lp.replace(app["Init.__new__"], lambda cls, *_: object.__new__(cls))
    assert Sub(1).own
    layer.remove()
    assert (Sub(1).own, Sub(1).got) == (True, (1, 0))


# Functions that several classes share.
SHARED = """
import dataclasses, enum, functools

@functools.total_ordering
class A:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return self.n == other.n
    def __lt__(self, other): return self.n < other.n

@functools.total_ordering
class B:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return self.n == other.n
    def __lt__(self, other): return self.n < other.n

def run(self): return "run"
class C: pass
class D: pass
C.run = run
D.go = run

class E:
    def run(self): return "e"
class F:
    run = E.run

def once(self): return "once"
class G: pass
G.once = once
"""


def test_a_comparison_of_total_ordering_changes_for_the_named_class(app):
    module = app.load(SHARED)
    layer = lp.replace(app["A.__gt__"], lambda self, other: "new")
    assert ((module.A(1) > module.A(2)), (module.B(1) > module.B(2))) == ("new", False)
    assert "shared" in str(layer)
    assert app["B"] in str(layer)
    lp.restore(app["A.__gt__"])
    assert ((module.A(1) > module.A(2)), (module.B(1) > module.B(2))) == (False, False)
    assert "__gt__" in vars(module.A)
    lp.undo()
    assert (module.A(1) > module.A(2)) == "new"


@pytest.mark.parametrize(
    ("name", "call", "others"),
    [
        ("C.run", lambda m: m.C().run(), lambda m: (m.D().go(), m.run(1))),
        ("D.go", lambda m: m.D().go(), lambda m: (m.C().run(), m.run(1))),
        ("F.run", lambda m: m.F().run(), lambda m: m.E().run()),
    ],
)
@pytest.mark.parametrize("how", ["by name", "as a pair", "text", "wrap"])
def test_a_function_in_several_classes_changes_for_the_named_one(app, name, call, others, how):
    module = app.load(SHARED)
    own, before = call(module), others(module)
    cls, attribute = name.split(".")
    if how == "as a pair":
        holder = getattr(module, cls)
        layer = lp.replace(holder, vars(holder)[attribute], lambda self: "new")
    elif how == "text":
        layer = lp.replace(app[name], "def new(self):\n    return 'new' if C else 0")
    elif how == "wrap":
        layer = lp.wrap(app[name], lambda original, self: "new" if original(self) == own else 0)
    else:
        layer = lp.replace(app[name], lambda self: "new")
    assert (call(module), others(module)) == ("new", before)
    assert "shared" in str(layer)
    again = lp.replace(app[name], lambda self: "again", name="again")
    assert (call(module), others(module)) == ("again", before)
    again.remove()
    layer.remove()
    assert (call(module), others(module)) == (own, before)
    assert vars(getattr(module, cls))[attribute] is vars(module.E if cls == "F" else module)["run"]


def test_a_function_put_into_one_class_alone_is_changed_itself(app):
    module = app.load(SHARED)
    held = module.G().once
    layer = lp.replace(app["G.once"], lambda self: "new")
    assert (held(), module.G().once()) == ("new", "new")
    assert "shared" not in str(layer)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="dataclasses have no __replace__ yet")
def test_the_replace_of_a_dataclass_is_its_own(app):
    import copy

    module = app.load(
        """
        import dataclasses
        @dataclasses.dataclass
        class One: a: int = 1
        @dataclasses.dataclass
        class Two: a: int = 1
        """
    )
    layer = lp.replace(app["One.__replace__"], lambda self, /, **changes: "new")
    assert (copy.replace(module.One(), a=2), copy.replace(module.Two(), a=2)) == (
        "new",
        module.Two(2),
    )
    assert "shared" in str(layer)


def test_the_generated_methods_of_a_dataclass_are_its_own(app):
    module = app.load(
        """
        import dataclasses
        @dataclasses.dataclass
        class One: a: int = 1
        @dataclasses.dataclass
        class Two: a: int = 1
        """
    )
    held = module.One(3).__repr__
    layer = lp.replace(app["One.__repr__"], lambda self: "new")
    assert (held(), repr(module.Two(1))) == ("new", "Two(a=1)")
    assert "shared" not in str(layer)


# New code is what was given, at that moment.
TAKEN = """
def f(a=0): return "f"
def g(a=0): return "g"
def h(a=0): return "h"
class C:
    def m(self, a=0): return "m"
    def n(self, a=0): return "n"
"""
LATER = {
    "replaced": lambda m, app: lp.replace(app["g"], m.h),
    "wrapped": lambda m, app: lp.wrap(app["g"], lambda original, *a: "wrapped"),
    "its code": lambda m, app: setattr(m.g, "__code__", m.h.__code__),
    "its defaults": lambda m, app: setattr(m.g, "__defaults__", (9,)),
}
FORMS = {
    "function": lambda m: m.g,
    "partial": lambda m: functools.partial(m.g),
    "bound": lambda m: m.g.__get__(3),
}


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("form", FORMS)
def test_a_function_is_taken_as_it_is_at_that_moment(app, later, form):
    module = app.load(TAKEN.replace('return "g"', 'return "g", a'))
    own = FORMS[form](module)()
    layer = lp.replace(app["f"], FORMS[form](module), name="f")
    assert module.f() == own
    LATER[later](module, app)
    assert module.f() == own
    layer.off()
    layer.on()
    assert module.f() == own
    if later in ("replaced", "wrapped"):
        lp.restore(app["g"])
        assert module.f() == own
        layer.off()
        layer.on()
        assert module.f() == own
    layer.remove()
    assert module.f() == "f"


@pytest.mark.parametrize("verb", ["wrap", "after", "filter_result"])
def test_so_is_a_wrapper_or_a_hook(app, verb):
    module = app.load(
        """
        seen = []
        def f(): return "f"
        def w(original, *args):
            seen.append("old")
            return "old"
        """
    )
    layer = getattr(lp, verb)(app["f"], module.w, name="f")
    lp.replace(app["w"], lambda original, *args: module.seen.append("new"))
    module.f()
    layer.off()
    layer.on()
    module.f()
    assert module.seen == ["old", "old"]


def test_a_function_with_layers_is_taken_with_them(app):
    module = app.load(TAKEN)
    lp.replace(app["g"], lambda a=0: "below", name="below")
    top = lp.wrap(app["g"], lambda original, a=0: ["around", original(a)], name="around")
    assert module.g() == ["around", "below"]
    layer = lp.replace(app["f"], module.g, name="f")
    assert module.f() == ["around", "below"]
    lp.restore(app["g"], name="below")
    assert (module.g(), module.f()) == (["around", "g"], ["around", "below"])
    top.remove()
    layer.off()
    layer.on()
    assert (module.g(), module.f()) == ("g", ["around", "below"])
    layer.remove()
    assert module.f() == "f"


def test_two_functions_can_be_exchanged(app):
    module = app.load("def f(): return 'f'\ndef g(): return 'g'\n")
    with lp.transaction():
        lp.replace(app["f"], module.g)
        lp.replace(app["g"], "def g(): return 'was f'")
    assert (module.f(), module.g()) == ("g", "was f")


# Kinds of methods.
KINDS = """
class C:
    word = "c"
    def method(self, a=0): return ("method", a)
    @staticmethod
    def static(a=0): return ("static", a)
    @classmethod
    def build(cls, a=0): return (cls.word, a)
    @property
    def size(self): return 1
class D(C):
    pass
def function(a=0): return ("function", a)
one = C()
"""
CALLS = {
    "C.method": lambda m: (m.C().method(1), m.D().method()),
    "C.static": lambda m: (m.C.static(1), m.C().static()),
    "C.build": lambda m: (m.C.build(1), m.D().build()),
    "C.size": lambda m: m.C().size,
    "D.method": lambda m: (m.D().method(1), m.C().method(1)),
    "D.static": lambda m: (m.D.static(1), m.C.static(1)),
    "D.build": lambda m: (m.D.build(1), m.C.build(1)),
    "function": lambda m: m.function(1),
    "one.method": lambda m: (m.one.method(1), m.C().method(1)),
}
GIVEN = {
    "staticmethod": staticmethod(lambda a=0: ("new", a)),
    "classmethod": classmethod(lambda cls, a=0: ("new", cls.word, a)),
}
HONOURED = {
    ("C.static", "staticmethod"): (("new", 1), ("new", 0)),
    ("D.static", "staticmethod"): (("new", 1), ("static", 1)),
    ("C.build", "classmethod"): (("new", "c", 1), ("new", "c", 0)),
    ("D.build", "classmethod"): (("new", "c", 1), ("c", 1)),
    ("function", "staticmethod"): ("new", 1),
}


@pytest.mark.parametrize("verb", ["replace", "pair"])
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("name", CALLS)
def test_a_static_or_class_method_is_honoured_or_refused(app, name, given, verb):
    module = app.load(KINDS)
    call = CALLS[name]
    own = call(module)

    def lay():
        if verb == "replace":
            return lp.replace(app[name], GIVEN[given])
        if "." not in name or name == "one.method":
            pytest.skip("no class and its method")
        cls, method = name.split(".")
        return lp.replace(getattr(module, cls), method, GIVEN[given])

    if (name, given) in HONOURED:
        layer = lay()
        assert call(module) == HONOURED[name, given]
        layer.remove()
    else:
        steps = len(lp.journal)
        with pytest.raises(lp.PatchRefused) as caught:
            lay()
        three_lines(caught, {"staticmethod": "static method", "classmethod": "class method"}[given])
        assert (len(lp.patches()), len(lp.journal)) == (0, steps)
    assert call(module) == own


# What was an error of somebody else's.
RAW = """
import collections, dataclasses, enum

@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int = 1
    def run(self): return self.x
frozen = Frozen()

@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: int = 1
slotted = Slotted()

class Color(enum.Enum):
    RED = 1
    def shout(self): return "red"

class Meta(type):
    def __setattr__(cls, name, value): raise TypeError(f"{cls.__name__} is locked")
    def mk(cls): return cls.__name__
    @property
    def label(cls): return cls.__name__
class Base:
    def below(self): return "below"
class Locked(Base, metaclass=Meta):
    limit = 1
    def run(self): return "run"

def entry(a=0): return "entry"
UD = collections.UserDict({3: "three", "f": entry})
DQ = collections.deque(["zero", entry])
OD = collections.OrderedDict(k=1, f=entry)
NT = collections.namedtuple("NT", "a")(entry)
PAIR = ("a", 1)
"""
# What cannot be done, and words of the reason.
BARRED = {
    ("frozen.x", 3): "cannot assign to field",
    ("slotted.x", 3): "cannot assign to field",
    ("Color.RED", 5): "RED",
    ("Locked.limit", 3): "Locked is locked",
    ("Locked.below", lambda self: "new"): "Locked is locked",
    ("Locked.mk", lambda cls: "new"): "Meta",
    ("Locked.label", lambda cls: "new"): "Meta",
    ("PAIR[0]", 3): "cannot be set",
    ("UD['no']", 3): "no entry",
    ("DQ[7]", 3): "no entry",
}


@pytest.mark.parametrize(("name", "new"), BARRED, ids=[name for name, _ in BARRED])
@pytest.mark.parametrize("verb", ["replace", "wrap"])
def test_what_cannot_be_changed_is_refused_in_three_lines(app, name, new, verb):
    app.load(RAW)
    steps = len(lp.journal)
    if verb == "wrap" and not callable(new):
        pytest.skip("a value is not wrapped")
    with pytest.raises(lp.LivepatchError) as caught:
        getattr(lp, verb)(app[name], new)
    three_lines(caught, BARRED[name, new])
    assert (len(lp.patches()), len(lp.journal)) == (0, steps)


POSSIBLE = {
    ("frozen.run", lambda self: "new"): lambda m: m.frozen.run(),
    ("Frozen.run", lambda self: "new"): lambda m: m.frozen.run(),
    ("Color.shout", lambda self: "new"): lambda m: m.Color.RED.shout(),
    ("Locked.run", lambda self: "new"): lambda m: m.Locked().run(),
    ("UD[3]", "new"): lambda m: m.UD[3],
    ("UD['f']", lambda a=0: "new"): lambda m: m.UD["f"](),
    ("DQ[0]", "new"): lambda m: m.DQ[0],
    ("DQ[1]", lambda a=0: "new"): lambda m: m.DQ[1](),
    ("OD['k']", "new"): lambda m: m.OD["k"],
    ("OD['f']", lambda a=0: "new"): lambda m: m.OD["f"](),
    ("NT[0]", lambda a=0: "new"): lambda m: m.NT[0](),
    ("Meta.mk", lambda cls: "new"): lambda m: m.Locked.mk(),
}


@pytest.mark.parametrize(("name", "new"), POSSIBLE, ids=[name for name, _ in POSSIBLE])
def test_what_can_be_changed_is(app, name, new):
    module = app.load(RAW)
    call = POSSIBLE[name, new]
    own = call(module)
    layer = lp.replace(app[name], new)
    assert call(module) == "new"
    layer.off()
    assert call(module) == own
    layer.on()
    lp.restore(app[name])
    assert call(module) == own


@pytest.mark.parametrize(
    "text",
    [
        '    def f(a=0):\n        return """one\ntwo"""\n',
        '\n\n      def f(a=0):\n        """Doc\n   less.\n"""\n        return "one\\ntwo"\n',
        '\tdef f(a=0):\n\t\treturn """one\ntwo"""',
        '    import math\n\n    def f(a=0):\n  # less\n        return """one\ntwo"""',
    ],
)
def test_an_indented_text_may_have_less_indented_lines_in_quotes(app, text):
    module = app.load("def f(a=0): return 'f'\n")
    lp.replace(app["f"], text)
    assert module.f() == "one\ntwo"
    assert inspect.getsource(module.f).strip().startswith("def f(a=0):")


def test_a_mistake_in_an_indented_text_is_shown_where_it_is(app):
    app.load("def f(a=0): return 'f'\n")
    with pytest.raises(lp.PatchRefused) as caught:
        lp.replace(app["f"], '    def f(a=0):\n        """one\ntwo"""\n        return )\n')
    three_lines(caught, "line 4", "return )")
