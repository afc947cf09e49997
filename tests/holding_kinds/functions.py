"""Generators, coroutines, closures, decorators: what sort of function is held."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect

from .table import holding

GENERATOR = """
def f(n=2):
    got = yield "old"
    yield "old", got, n
"""
ASYNC_GENERATOR = """
async def f(n=2):
    got = yield "old"
    yield "old", got, n
"""
COROUTINE = """
async def f(a=1):
    return "old", a
"""


async def items_of(stream):
    return [item async for item in stream]


@holding(GENERATOR)
def generator_function(app):
    held = app.f
    assert inspect.isgeneratorfunction(held)
    return lambda: list(held()), lambda: inspect.isgeneratorfunction(app.f)


@holding(GENERATOR)
def generator_that_is_sent_values(app):
    def call():
        generator = held()
        return next(generator), generator.send("sent")

    held = app.f
    return call


@holding(GENERATOR)
def generator_that_another_delegates_to(app):
    def outer():
        yield from held(3)

    held = app.f
    return lambda: list(outer())


@holding(ASYNC_GENERATOR)
def async_generator_function(app):
    held = app.f
    return lambda: asyncio.run(items_of(held())), lambda: inspect.isasyncgenfunction(app.f)


@holding(ASYNC_GENERATOR)
def async_generator_that_is_sent_values(app):
    async def call():
        stream = held()
        result = await stream.asend(None), await stream.asend("sent")
        await stream.aclose()
        return result

    held = app.f
    return lambda: asyncio.run(call())


@holding(COROUTINE)
def coroutine_function(app):
    held = app.f
    return lambda: asyncio.run(held()), lambda: inspect.iscoroutinefunction(app.f)


@holding(COROUTINE)
def coroutine_function_that_tasks_are_made_of(app):
    async def gather():
        return await asyncio.gather(*(asyncio.create_task(f(3)) for f in factories))

    factories = [app.f, app.f]
    return lambda: asyncio.run(gather())


@holding("""
import types
@types.coroutine
def f():
    yield from ()
    return "old"
""")
def generator_based_coroutine(app):
    async def call():
        return await held()

    held = app.f
    return lambda: asyncio.run(call())


@holding(
    """
import contextlib
@contextlib.contextmanager
def f():
    yield "old"
""",
    dress=lambda app, new: contextlib.contextmanager(new),
)
def context_manager_from_a_generator(app):
    def call():
        with held() as value:
            return value

    held = app.f
    return call


@holding(
    """
import contextlib
@contextlib.asynccontextmanager
async def f():
    yield "old"
""",
    dress=lambda app, new: contextlib.asynccontextmanager(new),
)
def async_context_manager_from_a_generator(app):
    async def call():
        async with held() as value:
            return value

    held = app.f
    return lambda: asyncio.run(call())


CLOSURE = """
def make():
    label = ["label"]
    def f(a=1):
        return "old", label, a
    return f
f = make()
"""


@holding(CLOSURE, elsewhere='def f(a=1):\n    return "new", ["label"], a')
def closure_with_free_variables(app):
    return app.f


@holding(
    """
def make():
    def inner():
        return "old"
    return inner
functions = [make(), make()]
""",
    lambda app: app.functions[0],
)
def one_function_made_by_a_factory(app):
    other = app.functions[1]
    return lambda: [app.functions[0](), other() == "ol" + "d"]


@holding(
    """
def f():
    def inner():
        return "old"
    return inner
""",
    new="def f():\n    def inner():\n        return 'new'\n    return inner",
)
def factory_of_nested_functions(app):
    held = app.f
    return lambda: held()()


@holding('f = lambda a=1: ("old", a)', new='def f(a=1):\n    return "new", a')
def lambda_with_a_name(app):
    return app.f


@holding("def f(a, /, b=2, *rest, c=3, **more):\n    return 'old', a, b, rest, c, more")
def every_sort_of_parameter(app):
    held = app.f
    return lambda: (held(1), held(1, 5, 6, c=7, d=8))


@holding("def f(*, a=1, b):\n    return 'old', a, b")
def keyword_only_parameters(app):
    held = app.f
    return lambda: held(b=2)


@holding("def f(seen=[]):\n    return 'old', len(seen)")
def mutable_default(app):
    return app.f


@holding("def f(a: int = 1) -> tuple:\n    'Text.'\n    return 'old', a\nf.route = '/x'")
def function_with_attributes_and_annotations(app):
    return app.f, lambda: app.f.route == "/x"


WRAPS = """
import functools
def decorator(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ["decorated", function(*args)]
    return wrapper
"""
NO_WRAPS = """
def decorator(function):
    def wrapper(*args):
        return ["decorated", function(*args)]
    return wrapper
"""


def again(app, new):
    """As the program itself decorated it."""
    return app.decorator(new)


@holding(WRAPS + '@decorator\ndef f(a=1):\n    return "old", a\n', dress=again)
def decorated_with_wraps(app):
    return app.f


@holding(NO_WRAPS + '@decorator\ndef f(a=1):\n    return "old", a\n', dress=again)
def decorated_without_wraps(app):
    return app.f


@holding(
    WRAPS + '@decorator\n@decorator\n@decorator\ndef f(a=1):\n    return "old", a\n',
    dress=lambda app, new: app.decorator(app.decorator(app.decorator(new))),
)
def decorated_three_times(app):
    return app.f


@holding(
    WRAPS + 'class C:\n    @decorator\n    def m(self):\n        return "old"\n', "C.m", dress=again
)
def decorated_method(app):
    return app.C().m


@holding(
    WRAPS + "class C:\n    @staticmethod\n    @decorator\n    def m():\n        return 'old'\n",
    "C.m",
    dress=lambda app, new: staticmethod(app.decorator(new)),
)
def decorated_static_method(app):
    return app.C.m


@holding(
    """
import functools
def decorator(level):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args):
            return [level, function(*args)]
        return wrapper
    return decorate
@decorator(7)
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: app.decorator(7)(new),
)
def decorated_with_arguments(app):
    return app.f


@holding("""
registry = {}
def register(function):
    registry["f"] = function
    return function
@register
def f(a=1):
    return "old", a
""")
def registered_by_a_decorator(app):
    return lambda: app.registry["f"](), lambda: app.registry["f"] is app.f


@holding(
    """
import functools
class Decorator:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function
    def __call__(self, *args):
        return ["decorated", self.function(*args)]
@Decorator
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: app.Decorator(new),
)
def decorated_by_a_class(app):
    return app.f


@holding(
    """
def decorator(cls):
    cls.m.mark = "seen"
    return cls
@decorator
class C:
    def m(self):
        return "old", self.m.mark
""",
    "C.m",
    elsewhere='def m(self):\n    return "new", "seen"',
)
def method_of_a_decorated_class(app):
    return app.C().m


@holding(
    """
import functools
@functools.lru_cache(maxsize=None)
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: functools.lru_cache(maxsize=None)(new),
)
def lru_cache(app):
    return app.f


@holding(
    """
import functools
@functools.cache
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: functools.cache(new),
)
def cache(app):
    held = [app.f]
    return lambda: held[0]()


@holding(
    """
import functools
class C:
    @functools.lru_cache(maxsize=8)
    def m(self):
        return "old"
""",
    "C.m",
    dress=lambda app, new: functools.lru_cache(maxsize=8)(new),
)
def lru_cache_of_a_method(app):
    instance = app.C()
    return lambda: instance.m()


@holding(
    """
import functools
class C:
    @staticmethod
    @functools.cache
    def m():
        return "old"
""",
    "C.m",
    dress=lambda app, new: staticmethod(functools.cache(new)),
)
def cache_of_a_static_method(app):
    return app.C.m


@holding(
    """
import functools
def decorator(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ["decorated", function(*args)]
    return wrapper
@decorator
@functools.cache
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: app.decorator(functools.cache(new)),
)
def cache_below_a_decorator(app):
    return app.f


DISPATCH = """
import functools
@functools.singledispatch
def f(a):
    return {any}
@f.register(int)
def of_int(a):
    return {int}
"""


@holding(
    DISPATCH.format(any='"old"', int="1"), dress=lambda app, new: functools.singledispatch(new)
)
def single_dispatch(app):
    held = app.f
    return lambda: held("text")


@holding(DISPATCH.format(any="1", int='"old"'), "of_int")
def implementation_of_a_single_dispatch(app):
    held = app.f
    return lambda: held(1)


@holding(DISPATCH.format(any="1", int='"old"'), lambda app: app.f.registry[int])
def implementation_found_in_the_dispatch(app):
    held = app.f
    return lambda: held(True)


@holding(
    NO_WRAPS
    + """
class C:
    @property
    @decorator
    def p(self):
        return "old"
""",
    "C.p",
    dress=lambda app, new: property(app.decorator(new)),
)
def decorated_property_getter(app):
    # The wrapper has another name; the property's name leads to the function below it.
    instance = app.C()
    return lambda: instance.p
