"""Replacing functions: every kind, every way of holding one, and the exact way back."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import traceback
import types

import pytest
from samples import elsewhere, functions

import livepatch as lp


def everything_of(function):
    return (
        function.__code__,
        function.__defaults__,
        function.__kwdefaults__,
        function.__closure__,
        dict(function.__dict__),
        dict(function.__annotations__),
        function.__doc__,
        str(inspect.signature(function)),
    )


def new_plain(a, b=5, *, c=6):
    """Doc of the new one."""
    return ("new", a, b, c)


async def collect(stream):
    return [item async for item in stream]


def test_every_reference_runs_the_new_code_and_then_the_old():
    asked, answered, results = threading.Event(), threading.Event(), []

    def worker():
        for _ in range(3):
            asked.wait(10)
            asked.clear()
            results.append(functions.plain(1))
            answered.set()

    def ask_thread():
        answered.clear()
        asked.set()
        assert answered.wait(10)
        return results[-1]

    held = functions.plain
    thread = threading.Thread(target=worker)
    thread.start()
    ways = {
        "attribute": lambda: functions.plain(1),
        "taken earlier": lambda: held(1),
        "from-import": lambda: elsewhere.plain(1),
        "from-import inside": lambda: elsewhere.calls_plain(1),
        "list": lambda: elsewhere.registry[0](1),
        "dict": lambda: elsewhere.table["plain"](1),
        "partial": lambda: elsewhere.bound(),
        "weak reference": lambda: elsewhere.weak()(1),
        "running thread": ask_thread,
    }
    old, new = ("old", 1, 2, 1), ("new", 1, 5, 6)
    assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, old)
    layer = lp.replace("samples.functions.plain", new_plain)
    assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, new)
    layer.remove()
    assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, old)
    thread.join(10)
    assert functions.plain is held


@pytest.mark.parametrize(
    "new",
    [new_plain, "def anything(a, b=5, *, c=6):\n    return ('new', a, b, c)", lambda a: a, max],
    ids=["function", "text", "lambda", "builtin"],
)
def test_restore_gives_back_the_very_same_function(new):
    before = everything_of(functions.plain)
    code = functions.plain.__code__
    layer = lp.replace("samples.functions.plain", new)
    assert functions.plain.__code__ is not code
    layer.remove()
    assert everything_of(functions.plain) == before
    assert functions.plain.__code__ is code


def test_attributes_and_annotations_come_back():
    before = everything_of(functions.annotated)
    lp.replace("samples.functions.annotated", lambda q, *rest: "new")
    assert functions.annotated(1) == "new"
    assert functions.annotated.tag == "webui's own"
    assert str(inspect.signature(functions.annotated)) == "(q, *rest)"
    lp.restore("samples.functions.annotated")
    assert everything_of(functions.annotated) == before


def test_a_generator_still_sends_throws_and_returns():
    def new_numbers(count):
        try:
            got = yield "new"
        except ValueError:
            got = "thrown"
        return [got, count]

    lp.replace(functions.numbers, new_numbers)
    assert inspect.isgeneratorfunction(functions.numbers)
    generator = functions.numbers(4)
    assert next(generator) == "new"
    with pytest.raises(StopIteration) as stop:
        generator.throw(ValueError)
    assert stop.value.value == ["thrown", 4]
    generator = functions.numbers(4)
    next(generator)
    with pytest.raises(StopIteration) as stop:
        generator.send("sent")
    assert stop.value.value == ["sent", 4]
    lp.restore(functions.numbers)
    assert list(functions.numbers(2)) == [0, 1]


def test_a_coroutine_and_an_async_generator():
    async def new_fetch(a):
        await asyncio.sleep(0)
        return ("new", a)

    closed = []

    async def new_stream(count):
        try:
            for _ in range(count):
                sent = yield "new"
                if sent:
                    yield sent
        finally:
            closed.append(True)

    async def send_and_close():
        stream = functions.stream(3)
        first = await stream.asend(None)
        second = await stream.asend("sent")
        await stream.aclose()
        return first, second

    lp.replace(functions.fetch, new_fetch)
    lp.replace(functions.stream, new_stream)
    assert inspect.iscoroutinefunction(functions.fetch)
    assert inspect.isasyncgenfunction(functions.stream)
    assert asyncio.run(functions.fetch(1)) == ("new", 1)
    assert asyncio.run(collect(functions.stream(2))) == ["new", "new"]
    assert asyncio.run(send_and_close()) == ("new", "sent")
    assert closed == [True, True]
    lp.restore_all()
    assert asyncio.run(functions.fetch(1)) == ("old", 1)
    assert asyncio.run(collect(functions.stream(2))) == [0, 1]


def test_a_plain_function_can_stand_for_a_coroutine():
    lp.replace(functions.fetch, lambda a: ("new", a))
    assert asyncio.run(functions.fetch(1)) == ("new", 1)


def test_methods_static_and_class_methods_and_properties():
    child = functions.Child()
    bound = child.greet
    lp.replace("samples.functions.Child.greet", lambda self, name: f"new {name}")
    lp.replace("samples.functions.Child.static", lambda a: ("new", a))
    lp.replace("samples.functions.Child.build", lambda cls, a: (cls.__name__, "new", a))
    lp.replace("samples.functions.Child.size", lambda self: 2)
    assert bound("you") == "new you"
    assert child.static(1) == functions.Child.static(1) == ("new", 1)
    assert functions.Child.build(1) == ("Child", "new", 1)
    assert child.size == 2
    lp.restore_all()
    assert bound("you") == "hello you!"
    assert child.static(1) == ("old", 1)
    assert functions.Child.build(1) == ("Child", "old", 1)
    assert child.size == 1


def test_super_and_private_names_in_a_text_and_in_a_function():
    text = "def greet(self, name):\n    return 'new ' + super().greet(name)"
    lp.replace("samples.functions.Child.greet", text)
    assert functions.Child().greet("you") == "new hello you"

    def greet(self, name):
        return "newer " + super().greet(name)

    lp.replace("samples.functions.Child.greet", greet)
    assert functions.Child().greet("you") == "newer hello you"

    def tell(self):
        return "new " + self.__secret()

    lp.replace("samples.functions.Base.tell", tell)
    assert functions.Base().tell() == "new secret"


def test_a_function_below_a_decorator_is_changed_and_the_answer_says_so():
    layer = lp.replace("samples.functions.decorated", lambda a: ("new", a))
    assert functions.decorated(1) == ("logged", ("new", 1))
    assert "the decorator at" in str(layer)


def test_closure_cells_of_the_target_are_shared_with_the_new_code():
    first = functions.counter()
    lp.replace("samples.functions.counter", "def counter():\n    return -count")
    assert functions.counter() == -first
    lp.restore("samples.functions.counter")
    assert functions.counter() == first + 1


def test_module_and_function_as_two_arguments():
    lp.replace(functions, functions.plain, new_plain)
    assert functions.plain(1) == ("new", 1, 5, 6)
    lp.restore(functions, functions.plain)
    assert functions.plain(1) == ("old", 1, 2, 1)
    lp.replace(functions.Child, functions.Child.greet, lambda self, name: "new")
    assert functions.Child().greet("you") == "new"
    lp.restore(functions.Child, functions.Child.greet)
    assert functions.Child().greet("you") == "hello you!"


def test_the_same_owner_and_name_replaces_its_own_layer():
    first = lp.replace("samples.functions.plain", lambda a: "first")
    second = lp.replace("samples.functions.plain", lambda a: "second")
    assert first is second
    assert len(lp.patches()) == 1
    assert functions.plain(1) == "second"
    lp.replace("samples.functions.plain", lambda a: "third", name="third")
    assert [layer.name for layer in lp.patches()] == ["replace", "third"]
    lp.restore("samples.functions.plain", name="third")
    assert functions.plain(1) == "second"


def test_a_layer_can_be_switched_off_and_on():
    layer = lp.replace("samples.functions.plain", new_plain)
    layer.off()
    assert (functions.plain(1), layer.state) == (("old", 1, 2, 1), "off")
    layer.on()
    assert (functions.plain(1), layer.state) == (("new", 1, 5, 6), "active")
    layer.remove()
    assert layer.state == "removed"


def test_a_text_that_needs_only_the_module_costs_nothing():
    lp.replace("samples.functions.uses_module", "def new(a):\n    return math.ceil(a) * FACTOR + 1")
    assert functions.uses_module(0.5) == 4
    # The new code runs in the function itself: there is no call in between.
    assert functions.uses_module.__code__.co_names == ("math", "ceil", "FACTOR")


def test_names_only_the_writer_has_are_read_when_they_are_used():
    namespace = {"__name__": "livepatch_notebook", "lp": lp, "strength": 2}
    exec(
        "layer = lp.replace('samples.functions.uses_module', '''\n"
        "def new(a, extra=strength):\n"
        "    return [strength * x for x in (a, FACTOR)], extra\n'''  )",
        namespace,
    )
    assert functions.uses_module(1) == ([2, 6], 2)
    namespace["strength"] = 10
    assert functions.uses_module(1) == ([10, 30], 2)
    assert "notebook's layer on the webui's code" in str(namespace["layer"])
    assert "uses your `strength`" in str(namespace["layer"])


def test_a_clash_of_names_is_the_modules_and_said():
    namespace = {"__name__": "livepatch_notebook", "lp": lp, "FACTOR": 100}
    exec(
        "layer = lp.replace('samples.functions.uses_module', 'def new(a): return a * FACTOR')",
        namespace,
    )
    assert functions.uses_module(1) == 3
    assert "`FACTOR` is the module's, not yours" in str(namespace["layer"])


def test_source_and_traceback_show_the_new_lines():
    lp.replace("samples.functions.plain", "def new(a):\n    mark = 1\n    return mark / a\n")
    assert inspect.getsource(functions.plain).startswith("def new(a):\n    mark = 1")
    with pytest.raises(ZeroDivisionError) as caught:
        functions.plain(0)
    shown = "".join(traceback.format_exception(caught.value))
    assert "return mark / a" in shown


def test_names_and_qualified_names_are_the_targets():
    lp.replace("samples.functions.Child.greet", "def new(self, name):\n    return lambda: name")
    assert functions.Child.greet.__name__ == "greet"
    inner = functions.Child().greet("you")
    assert inner.__qualname__ == "Child.greet.<locals>.<lambda>"


def test_a_running_call_finishes_on_the_old_code_and_is_counted():
    inside, go_on, results = threading.Event(), threading.Event(), []

    def waits(a):
        inside.set()
        go_on.wait(10)
        return "finished on the first"

    lp.replace("samples.functions.plain", waits)
    thread = threading.Thread(target=lambda: results.append(functions.plain(1)))
    thread.start()
    assert inside.wait(10)
    layer = lp.replace("samples.functions.plain", lambda a: "second")
    assert "1 running call finishes on the old code" in str(layer)
    assert functions.plain(1) == "second"
    go_on.set()
    thread.join(10)
    assert results == ["finished on the first"]


def test_the_signature_is_that_of_what_is_called(monkeypatch):
    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    news = {
        "fetch": lambda a, b=1: a,
        "plain": functools.partial(lambda first, a, b: a, 1),
        "annotated": decorated(lambda a, b, *, q=3: a),
    }
    before = {name: inspect.signature(getattr(functions, name)) for name in news}
    for name, new in news.items():
        lp.replace(f"samples.functions.{name}", new)
        assert inspect.signature(getattr(functions, name)) == inspect.signature(new)
    lp.restore_all()
    assert {name: inspect.signature(getattr(functions, name)) for name in news} == before
    monkeypatch.setattr(functions.plain, "__signature__", inspect.Signature(), raising=False)
    lp.replace("samples.functions.plain", lambda a, b: a)
    assert str(inspect.signature(functions.plain)) == "(a, b)"
    lp.restore("samples.functions.plain")
    assert str(inspect.signature(functions.plain)) == "()"


class Talkative:
    def __call__(self, a):
        return a

    def __repr__(self):
        raise RuntimeError("a page of weights")


def test_no_answer_and_no_error_asks_a_stranger_for_its_repr(monkeypatch):
    own = functions.plain.__code__
    # As it is put back before anything else: monkeypatch remembers what it finds first.
    monkeypatch.setattr(functions.plain, "__kwdefaults__", functions.plain.__kwdefaults__)
    layer = lp.replace("samples.functions.plain", Talkative())
    assert "calls Talkative" in str(layer)
    theirs = {"c": Talkative()}
    functions.plain.__kwdefaults__ = theirs
    with pytest.raises(lp.ForeignChange) as refused:
        lp.restore("samples.functions.plain")
    assert "Talkative" in refused.value.found
    lp.adopt("samples.functions.plain")
    lp.restore("samples.functions.plain")
    assert functions.plain.__code__ is own
    assert functions.plain.__kwdefaults__ is theirs


def test_the_function_that_is_given_stays_as_it_is(monkeypatch):
    @types.coroutine
    def awaitable(a):
        return (yield a)

    def new(a):
        return (yield functions.FACTOR)

    monkeypatch.setattr(functions, "awaitable", awaitable, raising=False)
    code, layer = new.__code__, lp.replace(awaitable, new)
    assert next(awaitable(1)) == functions.FACTOR
    assert (new.__code__ is code, inspect.isawaitable(awaitable(1))) == (True, True)
    layer.remove()
