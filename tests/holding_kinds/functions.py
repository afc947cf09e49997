"""Generators, coroutines, closures: what sort of function is held."""

from __future__ import annotations

import asyncio
import contextlib
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


@holding(
    'f = lambda a=1: ("old", a)',
    new='def f(a=1):\n    return "new", a',
    edit='f = lambda a=1: ("new", a)',
)
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
