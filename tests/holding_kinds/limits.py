"""What no change can reach: refused with the reason, or said in the answer."""

from __future__ import annotations

import asyncio
import functools

from .functions import ASYNC_GENERATOR, COROUTINE, GENERATOR
from .table import FUNCTION, METHOD, limit

BEGUN = ("calls begun before",)
REFUSED = "PatchRefused"


@limit(GENERATOR, says=BEGUN)
def generator_that_has_begun(app):
    def begun():
        generator = app.f()
        next(generator)
        return generator

    held = [begun() for _ in range(3)]
    return lambda: next(held.pop())[0]


@limit(GENERATOR, says=BEGUN)
def generator_that_was_made_and_not_begun(app):
    held = [app.f() for _ in range(3)]
    return lambda: next(held.pop())


@limit(COROUTINE, says=BEGUN)
def coroutine_that_was_made_and_not_awaited(app):
    held = [app.f() for _ in range(3)]

    async def call():
        return await held.pop()

    yield lambda: asyncio.run(call())
    for coroutine in held:
        coroutine.close()


@limit(ASYNC_GENERATOR, says=BEGUN)
def async_generator_that_has_begun(app):
    loop = asyncio.new_event_loop()
    held = [app.f() for _ in range(3)]
    for stream in held:
        loop.run_until_complete(anext(stream))

    async def call():
        stream = held.pop()
        item = await anext(stream)
        await stream.aclose()
        return item

    yield lambda: loop.run_until_complete(call())
    for stream in held:
        loop.run_until_complete(stream.aclose())
    loop.close()


CACHED = """
import functools
class C:
    @functools.cached_property
    def p(self):
        return "old"
"""


@limit(CACHED, "C.p", says=("computed before",))
def cached_property_that_was_computed(app):
    instance = app.C()
    assert instance.p == "old"
    return lambda: instance.p


@limit("LABEL = 'old'", "LABEL", value="new", says=("from-import",))
def plain_value_that_was_imported_by_name(app):
    other = {}
    exec(f"from {app.__name__} import LABEL", other)
    return lambda: other["LABEL"]


@limit(
    "from operator import not_ as f",
    new="def f(value):\n    return 'new'",
    says=("not reached",),
)
def builtin_that_was_imported_by_name(app):
    other = {}
    exec(f"from {app.__name__} import f", other)
    return lambda: {False: "old"}.get(other["f"](1), "new")


@limit(
    """
class C:
    def __call__(self):
        return "old"
f = C()
""",
    new="def f():\n    return 'new'",
    says=("not reached",),
)
def callable_instance_that_is_held(app):
    held = [app.f]
    return lambda: held[0]()


@limit(
    "from operator import not_ as f",
    new="def f(value):\n    return 'new'",
    says=("not reached",),
)
def builtin_in_a_partial(app):
    held = functools.partial(app.f, 1)
    return lambda: {False: "old"}.get(held(), "new")


def never_changed(app):
    """The program goes on as before, whatever was asked for."""
    return lambda: "old"


def refused(name, text, target, new, *says, error=REFUSED):
    def hold(app):
        return never_changed(app)

    hold.__name__ = name
    limit(text, target, new=new, error=error, says=says)(hold)


refused(
    "method of a static type",
    FUNCTION,
    lambda app: "builtins.str.upper",
    "def upper(self):\n    return 'new'",
    "str",
)
refused(
    "new attribute of a static type",
    FUNCTION,
    lambda app: "builtins.int.bit_count",
    "def bit_count(self):\n    return 0",
    "int",
)
refused(
    "function of another kind",
    FUNCTION,
    "f",
    "def f(a=1):\n    yield 'new'",
    "generator",
    "callers rely",
)
refused(
    "coroutine for a plain function",
    FUNCTION,
    "f",
    "async def f(a=1):\n    return 'new'",
    "coroutine",
    "callers rely",
)
refused(
    "plain function for a generator",
    GENERATOR,
    "f",
    "def f(n=2):\n    return ['new']",
    "generator",
    "callers rely",
)
refused(
    "slot of a class",
    "class C:\n    __slots__ = ('x',)\n",
    "C.x",
    "def x(self):\n    return 'new'",
    "C.x",
)
refused(
    "field of a named tuple",
    "import typing\nclass Point(typing.NamedTuple):\n    x: int\n",
    "Point.x",
    "def x(self):\n    return 'new'",
    "Point.x",
)
refused("class with other bases", METHOD, "C", "class C(dict):\n    pass\n", "bases")
refused("class with a metaclass", METHOD, "C", "import abc\nclass C(abc.ABC):\n    pass\n", "meta")
refused("class with slots", METHOD, "C", "class C:\n    __slots__ = ('x',)\n", "__slots__")
refused("function for a class", METHOD, "C", "def C():\n    return 'new'", "class")
refused(
    "name that is not there", FUNCTION, "g", "def g():\n    pass", "'g'", error="TargetNotFound"
)
