"""What runs around a call: of which kind it may be, and that every kind stays what it is."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import types

import pytest
from samples import functions

import livepatch as lp
from livepatch.engine.layers.trace import trace, untrace

PLAIN = "samples.functions.plain"
KINDS = {
    "plain function": "plain",
    "generator": "numbers",
    "coroutine": "fetch",
    "async generator": "stream",
}


async def collect(items):
    return [item async for item in items]


def plain_wrapper(original, *args, **kwargs):
    return original(*args, **kwargs)


def generator_wrapper(original, *args, **kwargs):
    return (yield from original(*args, **kwargs))


async def coroutine_wrapper(original, *args, **kwargs):
    return await original(*args, **kwargs)


async def async_generator_wrapper(original, *args, **kwargs):
    async for item in original(*args, **kwargs):
        yield item


WRAPPERS = {
    "plain function": plain_wrapper,
    "generator": generator_wrapper,
    "coroutine": coroutine_wrapper,
    "async generator": async_generator_wrapper,
}
UNUSABLE = [
    (wrapper, target)
    for wrapper in KINDS
    for target in KINDS
    if wrapper not in (target, "plain function")
]


def as_text(kind):
    return inspect.getsource(WRAPPERS[kind])


def as_given(kind):
    return WRAPPERS[kind]


def as_partial(kind):
    return functools.partial(WRAPPERS[kind])


def as_instance(kind):
    return Wrapper()


class Wrapper:
    def method(self, original, *args, **kwargs):
        return original(*args, **kwargs)

    def __call__(self, original, *args, **kwargs):
        return original(*args, **kwargs)


@pytest.fixture(autouse=True)
def no_trace_is_left():
    yield
    untrace()


def refused_without_a_trace(change, path):
    """The refusal; nothing has changed, nothing is in the journal."""
    function = getattr(functions, path.rpartition(".")[2])
    before, recorded = function.__code__, len(lp.journal)
    with pytest.raises(lp.PatchRefused) as refused:
        change()
    assert function.__code__ is before
    assert len(lp.patches()) == 0
    assert len(lp.journal) == recorded
    assert len(str(refused.value).splitlines()) == 3
    return refused.value


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("given", [as_given, as_text, as_partial])
@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(("wrapper", "target"), UNUSABLE)
def test_a_wrapper_of_a_kind_that_callers_cannot_use_is_refused(
    wrapper, target, by_name, given, guard
):
    path = f"samples.functions.{KINDS[target]}"
    meant = path if by_name else getattr(functions, KINDS[target])
    error = refused_without_a_trace(
        lambda: lp.wrap(meant, given(wrapper), name="w", guard=guard), path
    )
    assert f"the original is a{'n' * target.startswith('a')} {target} (" in error.found
    assert f"the wrapper is a{'n' * wrapper.startswith('a')} {wrapper} (" in error.found
    assert error.advice.startswith("write the wrapper as a")


@pytest.mark.parametrize("verb", [lp.before, lp.after, lp.filter_args, lp.filter_result])
@pytest.mark.parametrize("target", ["plain function", "generator"])
def test_a_hook_that_nobody_would_await_is_refused(verb, target):
    async def hook(*args): ...

    path = f"samples.functions.{KINDS[target]}"
    error = refused_without_a_trace(lambda: verb(path, hook), path)
    assert "the hook is a coroutine" in error.found
    assert "nothing would run it" in error.found


@pytest.mark.parametrize("verb", [lp.before, lp.after, lp.filter_args])
@pytest.mark.parametrize("target", KINDS)
def test_a_hook_whose_items_nobody_would_ask_for_is_refused(verb, target):
    def hook(*args):
        yield

    path = f"samples.functions.{KINDS[target]}"
    assert (
        "the hook is a generator" in refused_without_a_trace(lambda: verb(path, hook), path).found
    )


def test_a_filter_may_make_a_generator_of_a_result():
    def each(result):
        yield from result

    lp.filter_result(PLAIN, each)
    assert list(functions.plain(1)) == ["old", 1, 2, 1]


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("given", [as_given, as_text, as_partial, as_instance])
@pytest.mark.parametrize("target", KINDS)
def test_a_plain_wrapper_fits_every_kind(target, given, guard):
    path = f"samples.functions.{KINDS[target]}"
    function = getattr(functions, KINDS[target])
    lp.wrap(path, given("plain function"), name="w", guard=guard)
    assert {
        "plain function": lambda: function(1) == ("old", 1, 2, 1),
        "generator": lambda: list(function(2)) == [0, 1],
        "coroutine": lambda: asyncio.run(function(1)) == ("old", 1),
        "async generator": lambda: asyncio.run(collect(function(2))) == [0, 1],
    }[target]()


@pytest.mark.parametrize("guard", [False, True])
def test_around_a_coroutine_what_cannot_be_awaited_is_the_result(guard):
    lp.wrap("samples.functions.fetch", lambda original, a: a + 1, guard=guard)
    coroutine = functions.fetch(1)
    assert inspect.iscoroutine(coroutine)
    assert asyncio.run(coroutine) == 2


def test_around_generators_a_plain_wrapper_may_answer_anything_with_items():
    lp.wrap("samples.functions.numbers", lambda original, count: [5, 6])
    generator = functions.numbers(2)
    assert inspect.isgenerator(generator)
    assert list(generator) == [5, 6]
    closed = functions.numbers(2)
    next(closed)
    closed.close()

    class Items:
        def __init__(self):
            self.left = [7]

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    lp.wrap("samples.functions.stream", lambda original, count: Items())
    assert asyncio.run(collect(functions.stream(2))) == [7]


def test_what_has_no_items_is_told_where_it_is_asked_for_them():
    def seven(original, count):
        return 7

    lp.wrap("samples.functions.numbers", seven)
    with pytest.raises(TypeError, match=r"seven stands in for a generator, but returned int"):
        list(functions.numbers(1))

    async def later(): ...

    lp.wrap("samples.functions.stream", lambda original, count: later())
    with pytest.raises(TypeError, match=r"an async generator, but returned coroutine"):
        asyncio.run(collect(functions.stream(1)))
    layer = lp.wrap("samples.functions.numbers", lambda original, count: 7, name="g", guard=True)
    lp.restore("samples.functions.numbers", name=seven.__qualname__)
    assert list(functions.numbers(2)) == [0, 1]
    assert "but returned int" in layer.failures[0].error


def around_with_nothing(how, path):
    """Something of ours around a target that changes nothing."""
    if how == "trace":
        return trace(path, calls=50)
    if how == "guarded wrap":
        return lp.wrap(path, plain_wrapper, guard=True)
    if how == "wrap":
        return lp.wrap(path, plain_wrapper)
    verbs = {
        "before": (lp.before, lambda *args: None),
        "after": (lp.after, lambda *args: None),
        "filter_args": (lp.filter_args, lambda *args: (args, {})),
        "filter_result": (lp.filter_result, lambda result: result),
    }
    verb, hook = verbs[how]
    return verb(path, hook)


AROUND = ["wrap", "guarded wrap", "trace", "before", "after", "filter_args", "filter_result"]
around = pytest.mark.parametrize("how", AROUND)


def talks():
    """A generator that says what reaches it."""
    heard = []
    while True:
        try:
            sent = yield len(heard)
        except ValueError as error:
            heard.append(f"threw {error}")
        except GeneratorExit:
            functions.heard.append("closed")
            raise
        else:
            heard.append(sent)
            if sent == "end":
                return heard


async def talks_later():
    heard = []
    while True:
        await asyncio.sleep(0)
        try:
            sent = yield list(heard)
        except ValueError as error:
            heard.append(f"threw {error}")
        except GeneratorExit:
            functions.heard.append("closed")
            raise
        else:
            heard.append(sent)
            if sent == "end":
                return


@pytest.fixture
def talking(monkeypatch):
    for function in (talks, talks_later):
        monkeypatch.setattr(functions, function.__name__, function, raising=False)
    monkeypatch.setattr(functions, "heard", [], raising=False)


@around
def test_send_throw_close_and_the_returned_value_of_a_generator_pass(how, talking):
    around_with_nothing(how, "samples.functions.talks")
    generator = functions.talks()
    assert [next(generator), generator.send("a"), generator.throw(ValueError("b"))] == [0, 1, 2]
    assert next(generator) == 3
    with pytest.raises(StopIteration) as stop:
        generator.send("end")
    assert stop.value.value == ["a", "threw b", None, "end"]
    generator = functions.talks()
    next(generator)
    generator.close()
    assert functions.heard == ["closed"]
    generator = functions.talks()
    next(generator)
    with pytest.raises(KeyError):
        generator.throw(KeyError("out"))


@around
def test_asend_athrow_and_aclose_of_an_async_generator_pass(how, talking):
    around_with_nothing(how, "samples.functions.talks_later")

    async def talk():
        stream = functions.talks_later()
        assert await stream.__anext__() == []
        assert await stream.asend("a") == ["a"]
        assert await stream.athrow(ValueError("b")) == ["a", "threw b"]
        assert await stream.__anext__() == ["a", "threw b", None]
        with pytest.raises(StopAsyncIteration):
            await stream.asend("end")
        stream = functions.talks_later()
        await stream.__anext__()
        await stream.aclose()
        assert functions.heard == ["closed"]
        stream = functions.talks_later()
        await stream.__anext__()
        with pytest.raises(KeyError):
            await stream.athrow(KeyError("out"))

    asyncio.run(talk())


@around
def test_a_coroutine_is_cancelled_and_keeps_its_context(how, monkeypatch):
    variable = contextvars.ContextVar("variable")
    seen = []

    async def waits(a):
        seen.append(variable.get())
        variable.set("inner")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    monkeypatch.setattr(functions, "waits", waits, raising=False)
    layer = around_with_nothing(how, "samples.functions.waits")

    async def cancel():
        variable.set("outer")
        context = contextvars.copy_context()
        task = asyncio.ensure_future(functions.waits(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert context[variable] == variable.get() == "outer"

    asyncio.run(cancel())
    assert seen == ["outer", "cancelled"]
    assert not getattr(layer, "failures", [])


@around
def test_items_and_results_that_can_be_awaited_are_the_callers(how, monkeypatch):
    async def later(a):
        return asyncio.ensure_future(asyncio.sleep(0, a))

    async def streams_later():
        yield asyncio.ensure_future(asyncio.sleep(0, "item"))

    monkeypatch.setattr(functions, "later", later, raising=False)
    monkeypatch.setattr(functions, "streams_later", streams_later, raising=False)
    around_with_nothing(how, "samples.functions.later")
    around_with_nothing(how, "samples.functions.streams_later")

    async def main():
        assert await (await functions.later(3)) == 3
        assert [await item async for item in functions.streams_later()] == ["item"]

    asyncio.run(main())


@types.coroutine
def generator_to_await(a):
    got = yield a
    return got


@around
def test_what_types_coroutine_made_can_still_be_awaited(how, monkeypatch):
    monkeypatch.setattr(functions, "to_await", generator_to_await, raising=False)
    around_with_nothing(how, functions.to_await)

    async def main():
        return await functions.to_await(1)

    coroutine = main()
    assert coroutine.send(None) == 1
    with pytest.raises(StopIteration) as stop:
        coroutine.send("got")
    assert stop.value.value == "got"
    lp.restore_all()


# The target's own parameter is called as the wrapper's first one.

NAMED = {
    "plain function": "def f(original, x=0):\n    return [original, x]\n",
    "generator": "def f(original, x=0):\n    yield original\n    yield x\n",
    "coroutine": "async def f(original, x=0):\n    return [original, x]\n",
    "async generator": "async def f(original, x=0):\n    yield original\n    yield x\n",
}


def answer_of(kind, call):
    return {
        "plain function": lambda: call(),
        "generator": lambda: list(call()),
        "coroutine": lambda: asyncio.run(call()),
        "async generator": lambda: asyncio.run(collect(call())),
    }[kind]()


@pytest.fixture(params=NAMED)
def named(request, monkeypatch):
    """The kind of a function with a parameter named ``original``."""
    exec(NAMED[request.param], vars(functions))
    functions.f.__module__ = "samples.functions"
    yield request.param
    lp.restore_all()
    del functions.f


GIVEN = {
    "function": plain_wrapper,
    "lambda": lambda original, *a, **k: original(*a, **k),
    "text": "def w(original, *args, **kwargs):\n    return original(*args, **kwargs)",
    "method": Wrapper().method,
    "instance": Wrapper(),
    "partial": functools.partial(plain_wrapper),
    "positional-only": "def w(original, /, *args, **kwargs):\n    return original(*args, **kwargs)",
    "named otherwise": "def w(below, original, x=0):\n    return below(original=original, x=x)",
}


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("given", GIVEN)
def test_a_wrappers_first_argument_is_no_parameter_of_the_target(named, given, guard):
    lp.wrap("samples.functions.f", GIVEN[given], name="w", guard=guard)
    assert answer_of(named, lambda: functions.f(original=1, x=2)) == [1, 2]
    assert answer_of(named, lambda: functions.f(3, x=4)) == [3, 4]
    layer = next(iter(lp.patches()))
    assert layer.state == "active"
    assert layer.failures == []


@around
def test_nothing_around_a_call_takes_a_keyword_for_its_own(named, how):
    if how == "filter_args":
        lp.filter_args(
            "samples.functions.f", lambda original, x: ((), {"original": original, "x": x})
        )
    elif how == "before":
        lp.before("samples.functions.f", lambda original, x: None)
    elif how == "after":
        lp.after("samples.functions.f", lambda result, original, x: None)
    else:
        around_with_nothing(how, "samples.functions.f")
    assert answer_of(named, lambda: functions.f(original=1, x=2)) == [1, 2]


@pytest.mark.parametrize("how", ["swap", "trampoline", "guarded"])
def test_a_layer_below_gets_the_keyword_too(named, how):
    text = NAMED[named]
    if how == "swap":
        lp.replace("samples.functions.f", text)
    else:
        scope = {"__name__": "elsewhere"}
        exec(f"def g(): ...\n{text.replace('x=0', 'x=g')}", scope)
        lp.replace("samples.functions.f", scope["f"], guard=how == "guarded")
    lp.wrap("samples.functions.f", plain_wrapper)
    assert answer_of(named, lambda: functions.f(original=1, x=2)) == [1, 2]


def test_the_result_of_after_is_no_parameter_of_the_target(monkeypatch):
    monkeypatch.setattr(functions, "f", lambda result, self=0: [result, self], raising=False)
    seen = []
    lp.after(functions.f, lambda result, **kwargs: seen.append((result, kwargs)))
    assert functions.f(result=1, self=2) == [1, 2]
    assert seen == [([1, 2], {"result": 1, "self": 2})]
    lp.restore_all()


def test_a_wrapper_without_room_for_the_targets_parameter_is_refused(named):
    def wrapper(original, x=0):
        return original(original, x)

    error = refused_without_a_trace(
        lambda: lp.wrap("samples.functions.f", wrapper), "samples.functions.f"
    )
    assert "samples.functions.f also has a parameter `original`" in error.found
    assert "**kwargs" in error.advice


def test_the_users_own_wrapper_stays_as_it_is():
    before = plain_wrapper.__code__
    lp.wrap(PLAIN, plain_wrapper)
    assert plain_wrapper.__code__ is before


ENDING = {
    "before": lambda count: stop_here(),
    "filter_args": lambda count: stop_here(),
    "filter_result": lambda item: stop_here(),
    "wrap": lambda original, count: stop_here(),
}


def all_items(target):
    items = getattr(functions, target)(3)
    return asyncio.run(collect(items)) if target == "stream" else list(items)


def stop_here():
    raise (StopAsyncIteration if functions.is_async else StopIteration)("by a hook")


@pytest.mark.parametrize("target", ["numbers", "stream"])
@pytest.mark.parametrize("verb", ENDING)
def test_a_hook_that_raises_what_ends_generators_is_an_error(verb, target, monkeypatch):
    """As in a generator of Python's own (PEP 479): what is lost would be lost in silence."""
    monkeypatch.setattr(functions, "is_async", target == "stream", raising=False)
    getattr(lp, verb)(f"samples.functions.{target}", ENDING[verb])
    with pytest.raises(RuntimeError, match="raised Stop"):
        all_items(target)


@pytest.mark.parametrize("target", ["numbers", "stream"])
def test_under_a_guard_the_webuis_own_items_come_then(target, monkeypatch):
    monkeypatch.setattr(functions, "is_async", target == "stream", raising=False)
    lp.wrap(f"samples.functions.{target}", ENDING["wrap"], guard=True)
    assert all_items(target) == [0, 1, 2]
