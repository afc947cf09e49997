"""A class as a target: its definitions change, and nobody sees a second class."""

from __future__ import annotations

import asyncio

import pytest
from class_kinds import KINDS, expected, load, seen
from engine_support import Transaction, three_lines

import livepatch as lp


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request, app):
    """A kind of class in a module that is loaded."""
    return load(app, request.param)


def execute(text, names):
    """Run a text of the notebook."""
    exec(compile(text, "<notebook>", "exec", dont_inherit=True), names)


@pytest.mark.parametrize("how", ["by name", "as object"])
def test_a_class_changes_by_its_text_and_comes_back_to_the_object(app, kind, how):
    cls = app.module.C
    one = eval(kind.make, vars(app.module))
    held = [*vars(cls).items()]
    codes = {name: value.__code__ for name, value in held if hasattr(value, "__code__")}
    target = app["C"] if how == "by name" else cls
    assert seen(app, kind, one) == expected(app, kind.before)

    layer = lp.replace(target, kind.text)
    for instance in (one, eval(kind.make, vars(app.module))):
        assert seen(app, kind, instance) == expected(app, kind.after)
    assert "changed: " in str(layer)
    assert app.module.C is cls
    assert [one.target for one in lp.patches()] == [app["C"]]

    layer.off()
    assert seen(app, kind, one) == expected(app, kind.before)
    layer.on()
    lp.restore(target)
    assert seen(app, kind, one) == expected(app, kind.before)
    assert [(name, id(value)) for name, value in vars(cls).items()] == [
        (name, id(value)) for name, value in held
    ]
    assert all(vars(cls)[name].__code__ is code for name, code in codes.items())
    lp.undo()
    assert seen(app, kind, one) == expected(app, kind.after)


def test_the_same_text_has_nothing_that_differs(app, kind):
    held = [*vars(app.module.C).items()]
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["C"], kind.text.replace(kind.new, kind.old))
    three_lines(refused, "nothing in the new class differs")
    assert [*vars(app.module.C).items()] == held


STATE = """\
import functools
import threading

class C:
    items = []
    table = {"a": 1}
    _lock = threading.Lock()
    limit = 60 * 60
    name: str = "old"
    pair = (1, 2)

    def __init__(self):
        self.__hidden = "private"

    def me(self):
        return "old"

    @property
    def edge(self):
        return "old"

    @edge.setter
    def edge(self, value):
        self.set_by = "old", value

    @functools.cached_property
    def cached(self):
        return "old"

    @functools.lru_cache(maxsize=8)
    def remembered(self):
        return "old"

    @staticmethod
    def static():
        return "old"

    @classmethod
    def of(cls):
        return "old", cls

    async def wait(self):
        return "old"

    async def stream(self):
        yield "old"

    def __me(self):
        return "old"

    def ask(self):
        return self.__me()

    class Inner:
        size = 1

        def me(self):
            return "old"

    def __str__(self):
        return "old"

    __repr__ = __str__
"""


async def _listed(stream):
    return [item async for item in stream]


def looks(app):
    """What the class of ``STATE`` does, everywhere."""
    cls = app.module.C
    one = cls()
    one.edge = 5
    return {
        "me": one.me(),
        "edge": one.edge,
        "set_by": one.set_by[0],
        "cached": one.cached,
        "remembered": one.remembered(),
        "static": cls.static(),
        "of": cls.of()[0],
        "wait": asyncio.run(one.wait()),
        "stream": asyncio.run(_listed(one.stream()))[0],
        "ask": one.ask(),
        "Inner": cls.Inner().me(),
        "str": str(one),
        "repr": repr(one),
        "name": cls.name,
    }


def test_every_kind_of_definition_changes_and_state_stays(app):
    cls = app.load(STATE).C
    cls.items.append("kept")
    held = [*vars(cls).items()]
    inner = [*vars(cls.Inner).items()]
    assert set(looks(app).values()) == {"old"}
    text = STATE[STATE.index("class C") :].replace('"old"', '"new"').replace("60 * 60", "7")
    answer = str(lp.replace(app["C"], text.replace("size = 1", "size = 2")))
    assert set(looks(app).values()) == {"new"}
    assert (cls.limit, cls.Inner.size) == (7, 2)
    for name in ("items", "table", "_lock", "pair", "Inner", "me", "edge", "static"):
        assert vars(cls)[name] is dict(held)[name], name
    assert cls.items == ["kept"]
    assert "keeps the values of items, table, _lock" in answer
    assert "remembered keeps the webui's own @functools.lru_cache" in answer
    lp.restore(app["C"])
    assert set(looks(app).values()) == {"old"}
    for left, right in ((held, vars(cls)), (inner, vars(cls.Inner))):
        assert [(n, id(v)) for n, v in left] == [(n, id(v)) for n, v in right.items()]


def test_one_accessor_of_a_property_can_change_alone(app):
    cls = app.load(STATE).C
    whole = vars(cls)["edge"]
    lp.replace(
        app["C"],
        "class C:\n    @edge.setter\n    def edge(self, value): self.set_by = 'new', value",
    )
    assert looks(app) == {**looks(app), "edge": "old", "set_by": "new"}
    lp.replace(app["C"], "class C:\n    @property\n    def edge(self): return 'new'")
    assert looks(app) == {**looks(app), "edge": "new", "set_by": "old"}
    lp.replace(
        app["C"],
        "class C:\n    @edge.deleter\n    def edge(self): self.gone = True",
    )
    one = cls()
    del one.edge
    assert (one.gone, one.edge) == (True, "old")
    lp.restore(app["C"])
    assert vars(cls)["edge"] is whole
    assert whole.fdel is None


def test_what_the_text_lacks_stays_and_the_answer_says_so(app):
    app.load(STATE)
    answer = str(lp.replace(app["C"], "class C:\n    def me(self): return 'new'"))
    assert looks(app) == {**dict.fromkeys(looks(app), "old"), "me": "new"}
    assert "stays, though the new class lacks it: __init__, edge, cached and " in answer


def test_definitions_can_be_added(app):
    cls = app.load(STATE).C
    one = cls()
    held = [*vars(cls).items()]
    text = (
        "class C:\n"
        "    LIMIT = 3\n"
        "    kept = []\n"
        "    def __new__(cls): return super().__new__(cls)\n"
        "    def __init_subclass__(cls): cls.seen = True\n"
        "    @property\n"
        "    def twice(self): return self.LIMIT * 2, self.__hidden\n"
        "    @functools.cached_property\n"
        "    def once(self): return 'once'\n"
        "    def keep(self): self.kept.append(1); return len(self.kept)\n"
    )
    lp.replace(app["C"], text)
    assert (one.twice, one.once, one.keep(), cls().keep()) == ((6, "private"), "once", 1, 2)
    assert type("D", (cls,), {}).seen
    lp.replace(app["C"], text)  # the cell runs again: what it holds by now stays
    assert one.keep() == 3
    lp.restore(app["C"])
    assert [(n, id(v)) for n, v in vars(cls).items()] == [(n, id(v)) for n, v in held]
    assert type(cls()) is cls


REFUSED = {
    "base": ("dataclass", "class C:", "class C(dict):", "its bases are (object)"),
    "metaclass": (
        "counting metaclass",
        "metaclass=Meta",
        "metaclass=type",
        "its metaclass is Meta",
    ),
    "keyword": ("registry", 'tag="x"', 'tag="y"', "tag='y'"),
    "decorator": ("dataclass", "@dataclass", "@dataclass(order=True)", "@dataclass(order=True)"),
    "new decorator": ("plain", "class C:", "@repr\nclass C:", "it has no decorators"),
    "slot": ("slots", '("x",', '("z",', "its __slots__ are"),
    "new slots": ("plain", "class C:", "class C:\n    __slots__ = ()", "it has no __slots__"),
    "annotation": ("dataclass", "x: int", "x: str", "the field x differs"),
    "default": ("dataclass", "y: int = 2", "y: int = 3", "the field y differs"),
    "default of slots": ("dataclass with slots", "= 2", "= 3", "the field y differs"),
    "default gone": ("dataclass", "y: int = 2", "y: int", "the field y differs"),
    "new field": ("dataclass", "y: int = 2", "y: int = 2\n    z: int = 3", "it has no field z"),
    "factory": (
        "dataclass",
        "default_factory=list",
        "default_factory=dict",
        "the field items differs",
    ),
    "member": ("enum", "RED = 1", "RED = 5", "the member RED differs"),
    "new member": ("enum", "RED = 1", "RED = 1\n    BLUE = 9", "it has no member BLUE"),
    "flag": ("flag", "R | W", "R", "the member RW differs"),
    "tuple": ("named tuple", "y: int = 2", "y: int = 3", "the field y differs"),
    "attrs": ("attrs", "default=2", "default=3", "the field y differs"),
    "pydantic": ("pydantic", "gt=0", "gt=5", "the field x differs"),
    "pydantic default": ("pydantic", "y: int = 2", "y: int = 3", "the field y differs"),
    "pydantic private": ("pydantic", "default=7", "default=8", "the field _seen differs"),
    "column": ("sqlalchemy", "String(30)", "String(40)", "the field name differs"),
    "option": ("sqlalchemy", '"c"', '"other"', "the field __tablename__ differs"),
    "new column": ("sqlalchemy", "    def me", "    more = Column()\n    def me", "no field more"),
    "mapped": ("sqlalchemy", "id: Mapped[int]", "id: Mapped[str]", "the field id differs"),
    "statement": (
        "plain",
        "class C:",
        "class C:\n    print('x')",
        "line 2 of the text is not a def",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_made_with_the_class_is_refused_by_name(app, case):
    name, old, new, found = case
    kind = KINDS[name]
    if kind.needs:
        pytest.importorskip(kind.needs)
    cls = app.load(kind.module).C
    one, held = eval(kind.make, vars(app.module)), [*vars(cls).items()]
    assert old in kind.text
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["C"], kind.text.replace(old, new))
    three_lines(refused, found, app["C"])
    assert seen(app, kind, one) == expected(app, kind.before)
    assert [(n, id(v)) for n, v in vars(cls).items()] == [(n, id(v)) for n, v in held]
    assert len(lp.patches()) == 0


def test_a_typed_dict_has_no_definitions(app):
    app.load("from typing import TypedDict\nclass C(TypedDict):\n    x: int\n")
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["C"], "class C(TypedDict):\n    x: str\n")
    three_lines(refused, "the field x differs")
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["C"], "class C(TypedDict):\n    x: int\n")
    three_lines(refused, "nothing in the new class differs")


def test_a_nested_class_is_its_definitions_too(app):
    cls = app.load(STATE).C
    inner = cls.Inner()
    lp.replace(
        app["C"], "class C:\n    class Inner:\n        def me(self): return 'new', __class__"
    )
    assert inner.me() == ("new", cls.Inner)
    lp.restore(app["C"])
    assert inner.me() == "old"
    lp.replace(app["C.Inner"], "class Inner:\n    def me(self): return 'by name'")
    assert inner.me() == "by name"


MADE = [
    (name, kind)
    for name, kind in KINDS.items()
    if name not in ("registry", "counting metaclass", "sqlalchemy", "protocol", "pydantic")
]


@pytest.mark.parametrize("kind", [kind for _, kind in MADE], ids=[name for name, _ in MADE])
def test_a_class_given_as_new_code_is_only_read(app, kind):
    if kind.needs:
        pytest.importorskip(kind.needs)
    cls = app.load(kind.module).C
    one, held = eval(kind.make, vars(app.module)), [*vars(cls).items()]
    names = dict(vars(app.module))
    execute(kind.text, names)
    layer = lp.replace(app["C"], names["C"])
    for instance in (one, eval(kind.make, vars(app.module))):
        assert seen(app, kind, instance) == expected(app, kind.after)
    assert len(layer.stacks) == 1, str(layer)
    lp.restore(app["C"])
    assert seen(app, kind, one) == expected(app, kind.before)
    assert [(n, id(v)) for n, v in vars(cls).items()] == [(n, id(v)) for n, v in held]


def test_a_class_given_as_new_code_leaves_state_where_it_is(app):
    cls = app.load(STATE).C
    held = dict(vars(cls))
    names = {"__name__": "notebook"}
    execute(STATE.replace('"old"', '"new"'), names)
    lp.replace(app["C"], names["C"])
    assert set(looks(app).values()) == {"new"}
    for name in ("items", "table", "_lock"):
        assert vars(cls)[name] is held[name]
    lp.restore(app["C"])
    assert set(looks(app).values()) == {"old"}


def test_a_field_of_a_class_given_as_new_code_is_refused(app):
    app.load(KINDS["dataclass"].module)
    names = dict(vars(app.module))
    execute(KINDS["dataclass"].text.replace("y: int = 2", "y: int = 3"), names)
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["C"], names["C"])
    three_lines(refused, "its fields are")


def test_the_new_of_a_named_tuple_sees_the_modules_names(app):
    cls = app.load(KINDS["named tuple"].module).C
    lp.replace(
        app["C.__new__"],
        "def __new__(cls, x, y=4):\n    return tuple.__new__(cls, (max(x, 1), y))",
    )
    assert (cls(0), type(cls(1))) == ((1, 4), cls)
    lp.restore(app["C.__new__"])
    assert cls(0) == (0, 2)


@pytest.mark.parametrize("name", ["dataclass", "attrs"])
def test_a_generated_init_can_be_replaced_by_a_text(app, name):
    if KINDS[name].needs:
        pytest.importorskip(KINDS[name].needs)
    cls = app.load(KINDS[name].module + "\nSTART = 5\n").C
    lp.replace(
        app["C.__init__"],
        "def __init__(self, x):\n    self.x, self.items, self.y = int(x) + START, list(), 0",
    )
    assert cls("1").me() == 6
    lp.restore(app["C.__init__"])
    assert cls(1).me() == 3


SQLALCHEMY = """\
from sqlalchemy import Column, Integer, String
from sqlalchemy.orm import declarative_base

Base = declarative_base()

class User(Base):
    __tablename__ = "user"
    id = Column(Integer, primary_key=True)
    name = Column(String)

class Named(Base):
    __tablename__ = "named"
    id = Column(Integer, primary_key=True)

    def __init__(self):
        self.said = "old"
"""


def test_the_init_of_a_mapped_class_lies_below_its_instrumentation(app):
    pytest.importorskip("sqlalchemy")
    module = app.load(SQLALCHEMY)
    lp.replace(app["Named.__init__"], "def __init__(self):\n    self.said = 'new'")
    made = module.Named()
    assert (made.said, hasattr(made, "_sa_instance_state")) == ("new", True)
    lp.restore(app["Named.__init__"])
    assert module.Named().said == "old"


@pytest.mark.parametrize("target", ["User.__init__", "User"])
def test_the_instrumentation_of_a_mapped_class_is_not_replaced(app, target):
    pytest.importorskip("sqlalchemy")
    module = app.load(SQLALCHEMY)
    text = "def __init__(self, name=None):\n    self.name = name\n"
    if target == "User":
        text = "class User(Base):\n" + "".join(f"    {line}\n" for line in text.splitlines())
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app[target], text)
    three_lines(refused, "User.__init__", "lp.wrap(")
    assert module.User(name="n").name == "n"
    seen = []
    lp.before(app["User.__init__"], lambda self, **given: seen.append(given))
    assert (module.User(name="n").name, seen) == ("n", [{"name": "n"}])
    lp.restore(app["User.__init__"])


def test_a_transaction_that_fails_leaves_no_definition(app):
    cls = app.load(STATE).C
    held = [*vars(cls).items()]
    open_one = Transaction()
    open_one.run(lp.replace, app["C"], STATE[STATE.index("class C") :].replace('"old"', '"new"'))
    assert set(looks(app).values()) == {"new"}
    open_one.fail()
    assert set(looks(app).values()) == {"old"}
    assert [(n, id(v)) for n, v in vars(cls).items()] == [(n, id(v)) for n, v in held]


def test_a_definition_that_is_refused_leaves_all_of_them(app):
    app.load(STATE)
    text = STATE[STATE.index("class C") :].replace('"old"', '"new"')
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(
            app["C"], text.replace('return "new"\n\n    @property', 'yield "new"\n\n    @property')
        )
    three_lines(refused)
    assert set(looks(app).values()) == {"old"}


def test_a_change_of_a_class_is_one_step_of_the_journal(app):
    app.load(STATE)
    before = {step.number for step in lp.journal}
    lp.replace(app["C"], STATE[STATE.index("class C") :].replace('"old"', '"new"'))
    assert len({step.number for step in lp.journal} - before) == 1
    lp.undo()
    assert set(looks(app).values()) == {"old"}
    lp.redo()
    assert set(looks(app).values()) == {"new"}


DECORATED = """\
import functools

called = []

def deco(function):
    called.append(function.__name__)

    @functools.wraps(function)
    def around(*args):
        return "deco", function(*args)

    return around

class C:
    @deco
    def me(self):
        return "old"

    @functools.lru_cache(8)
    def kept(self):
        return "old"

    def plain(self):
        return "old"
"""


@pytest.mark.parametrize(
    ("text", "name", "after"),
    [
        ("@deco\n    def me(self): return 'new'", "me", ("deco", "new")),
        ("def me(self): return 'new'", "me", ("deco", "new")),
        ("@functools.lru_cache(8)\n    def kept(self): return 'new'", "kept", "new"),
        ("@deco\n    def plain(self): return 'new'", "plain", ("deco", "new")),
        ("@staticmethod\n    def plain(): return 'new'", "plain", "new"),
    ],
)
def test_decorators_stay_or_are_new(app, text, name, after):
    module = app.load(DECORATED)
    one, held = module.C(), [*vars(module.C).items()]
    before = getattr(one, name)()
    assert module.called == ["me"]
    lp.replace(app["C"], f"class C:\n    {text}")
    assert getattr(one, name)() == after
    assert module.called == ["me"] + ["plain"] * (text.startswith("@deco") and name == "plain")
    lp.restore(app["C"])
    assert getattr(one, name)() == before
    assert [(n, id(v)) for n, v in vars(module.C).items()] == [(n, id(v)) for n, v in held]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@functools.lru_cache(4)\n    def kept(self): ...", "are @functools.lru_cache(8), those"),
        ("@deco\n    @deco\n    def me(self): ...", "the decorators of me are @deco, those of the"),
    ],
)
def test_other_decorators_are_refused(app, text, found):
    module = app.load(DECORATED)
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["C"], f"class C:\n    {text}")
    three_lines(refused, found, app["C"])
    assert (module.called, len(lp.patches())) == (["me"], 0)


def test_the_new_of_a_named_tuple_given_as_an_object_is_refused_or_right(app):
    cls = app.load(KINDS["named tuple"].module).C
    text = "def __new__(cls, x, y=4):\n    return tuple.__new__(cls, (x, y))"
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(cls.__new__, text)
    three_lines(refused, "generated", "C.__new__")
    assert cls(1) == (1, 2)
    lp.replace(cls, cls.__new__, text)
    assert cls(1) == (1, 4)
    lp.restore(cls, cls.__new__)
    lp.replace(cls.__new__, lambda cls, x, y=5: tuple.__new__(cls, (x, y)))
    assert cls(1) == (1, 5)


def test_a_class_whose_text_cannot_be_read_changes_too(app):
    module = app.load("")
    execute(STATE, vars(module))
    held = [*vars(module.C).items()]
    text = STATE[STATE.index("class C") :].replace('"old"', '"new"')
    text = text.replace("    @functools.lru_cache(maxsize=8)\n", "")
    lp.replace(app["C"], text)
    assert set(looks(app).values()) == {"new"}
    assert module.C.items is dict(held)["items"]
    lp.restore(app["C"])
    assert [(n, id(v)) for n, v in vars(module.C).items()] == [(n, id(v)) for n, v in held]


def test_names_of_the_notebook_and_of_the_module(app):
    module = app.load("STEPS = 4\nclass C:\n    def me(self): return STEPS\n")
    notebook = {"__name__": "notebook", "lp": lp, "mine": 10}
    text = (
        "import math\nclass Other:\n    K = mine\n    def me(self): return STEPS * mine + math.pi"
    )
    exec(f"said = str(lp.replace({app['C']!r}, {text!r}))", notebook)
    assert int(module.C().me()) == 43
    assert (module.C.K, "uses your `math`, `mine`" in notebook["said"]) == (10, True)
    notebook["mine"] = 0
    assert int(module.C().me()) == 3


def test_a_function_that_other_classes_have_too_stays_theirs(app):
    """`functools.total_ordering` puts one function into all of them, `Enum` its `__new__`."""
    module = app.load(
        """
        import enum, functools

        def ordered(cls):
            return functools.total_ordering(cls)

        class C:
            def __lt__(self, other): return False
        class D:
            def __lt__(self, other): return False
        ordered(C), ordered(D)

        class E(bytes, enum.Enum):
            def __new__(cls, number):
                made = bytes.__new__(cls, [number])
                made._value_ = number
                return made
            ONE = 1
            def me(self): return "old"
        class F(enum.Enum):
            A = 1
        """
    )
    lp.replace(app["C"], "class C:\n    def __gt__(self, other): return 'new'")
    assert (module.C() > module.C(), module.D() > module.D()) == ("new", True)
    text = (
        "class E(bytes, enum.Enum):\n"
        "    def __new__(cls, number):\n"
        "        made = bytes.__new__(cls, [number])\n"
        "        made._value_ = number\n"
        "        return made\n"
        "    ONE = 1\n"
        "    def me(self): return 'new'\n"
    )
    lp.replace(app["E"], text)
    assert (module.E.ONE.me(), module.F(1)) == ("new", module.F.A)
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["E"], text.replace("[number]", "[2]"))
    three_lines(refused, "__new__ differs in the text")
    lp.restore_all()
    assert (module.C() > module.C(), module.E.ONE.me()) == (True, "old")


def test_a_class_that_takes_no_values_takes_definitions(app):
    """All or none: where a value is refused, no definition has changed."""
    module = app.load(
        """
        class Locked(type):
            def __setattr__(cls, name, value):
                raise AttributeError("locked")

        class C(metaclass=Locked):
            LIMIT = 1
            def me(self): return "old"
        """
    )
    text = "class C(metaclass=Locked):\n    def me(self): return 'new'\n    LIMIT = "
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace(app["C"], text + "2")
    three_lines(refused, "C.LIMIT cannot be set")
    assert (module.C().me(), len(lp.patches())) == ("old", 0)
    lp.replace(app["C"], text + "1")
    assert module.C().me() == "new"


COUNTER = """
class Counter:
    hits = 0
    limit: int = 3
    __kept = 1
    def hit(self): type(self).hits += 1
    def kept(self): return self.__kept
"""


def test_a_counter_that_the_text_has_as_the_class_has_it_goes_on(app):
    counter = app.load(COUNTER).Counter
    counter().hit()
    counter.limit, counter._Counter__kept = 7, 8
    text = COUNTER.replace("+= 1", "+= 10")
    lp.replace(app["Counter"], text)
    counter().hit()
    assert (counter.hits, counter.limit, counter().kept()) == (11, 7, 8)
    lp.replace(app["Counter"], text.replace("hits = 0", "hits = 5"))
    assert (counter.hits, counter.limit) == (5, 7)
    lp.replace(app["Counter"], text)
    assert (counter.hits, counter.limit) == (11, 7)
    lp.restore(app["Counter"])
    counter().hit()
    assert (counter.hits, counter.limit, counter().kept()) == (12, 7, 8)
