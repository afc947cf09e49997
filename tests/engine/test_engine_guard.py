"""A guard: new code that fails is recorded, and the caller gets what the layer below answers."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
from samples import functions

import livepatch as lp

PLAIN = "samples.functions.plain"
OLD = ("old", 1, 2, 1)


def fails(*args, b=50, **kwargs):
    raise ValueError("broken")


async def collect(items):
    return [item async for item in items]


def test_a_failing_call_falls_back_with_the_callers_own_arguments_and_defaults(caplog):
    layer = lp.replace(PLAIN, fails, guard=True)
    assert functions.plain(1) == OLD
    assert functions.plain(1, c=7) == ("old", 1, 2, 7)
    assert (layer.state, [f.error for f in layer.failures]) == (
        "active",
        ["ValueError: broken"] * 2,
    )
    assert "test_engine_guard.py" in layer.failures[0].traceback
    assert functions.plain(1) == OLD
    assert layer.state == "off"
    assert "after 3 failures" in str(layer)
    assert "switched off samples.functions.plain" in caplog.text
    assert functions.plain.__code__.co_filename.endswith("functions.py")
    layer.on()
    assert functions.plain(1) == OLD
    assert layer.state == "active"


def test_the_limit_can_be_given_and_what_works_is_not_touched():
    layer = lp.replace(PLAIN, lambda a: 1 / a, guard=1)
    assert functions.plain(2) == 0.5
    assert functions.plain(0) == ("old", 0, 2, 1)
    assert layer.state == "off"


def test_original_is_never_called_twice():
    calls = []

    def counted(original, a):
        calls.append(a)
        return original(a)

    def breaks_afterwards(original, a):
        original(a)
        raise ValueError("broken")

    lp.wrap(PLAIN, counted)
    layer = lp.wrap(PLAIN, breaks_afterwards, guard=True)
    assert functions.plain(1) == OLD
    assert calls == [1]
    assert len(layer.failures) == 1


def test_a_wrapper_that_fails_after_original_answered_once_and_raised_once():
    calls = []

    def below(a):
        calls.append(a)
        if len(calls) == 2:
            raise KeyError("second")
        return "first"

    def breaks(original, a):
        original(a)
        try:
            original(a)
        except KeyError:
            raise ValueError("broken") from None

    lp.replace(PLAIN, below)
    layer = lp.wrap(PLAIN, breaks, guard=True)
    assert functions.plain(1) == "first"
    assert calls == [1, 1]
    assert [failure.error for failure in layer.failures] == ["ValueError: broken"]


def test_a_wrapper_that_makes_another_exception_of_what_original_raised():
    def renamed(original, a):
        try:
            original(a)
        except IndexError as error:
            raise ValueError("no such item") from error

    def raised_later(original, a):
        try:
            original(a)
        except IndexError as error:
            kept = error
        raise kept

    lp.replace(PLAIN, lambda a: [][a])
    layer = lp.wrap(PLAIN, renamed, guard=True)
    with pytest.raises(ValueError, match="no such item"):
        functions.plain(1)
    assert [failure.error for failure in layer.failures] == ["ValueError: no such item"]
    layer.remove()
    layer = lp.wrap(PLAIN, raised_later, guard=True)
    with pytest.raises(IndexError):
        functions.plain(1)
    assert layer.failures == []


@pytest.mark.parametrize("verb", ["replace", "wrap"])
def test_parameters_may_be_called_as_a_guards_own(verb, monkeypatch):
    def target(original, args=2, *, kwargs=3, new=4):
        return ("old", original, args, kwargs, new)

    def broken(*args, **kwargs):
        raise ValueError("broken")

    monkeypatch.setattr(functions, "target", target, raising=False)
    layer = getattr(lp, verb)("samples.functions.target", broken, guard=9)
    assert functions.target(1, args=5, kwargs=6) == ("old", 1, 5, 6, 4)
    assert functions.target(original=1, new=0) == ("old", 1, 2, 3, 0)
    assert len(layer.failures) == 2


def test_what_original_raised_is_not_kept_by_a_wrapper_that_goes_on():
    class Tensor: ...

    kept = []

    def below(a):
        tensor = Tensor()
        kept.append(weakref.ref(tensor))
        raise MemoryError

    def goes_on(original, a):
        try:
            original(a)
        except MemoryError:
            return "less"

    lp.replace(PLAIN, below)
    lp.wrap(PLAIN, goes_on, guard=True)
    gc.disable()
    try:
        assert functions.plain(1) == "less"
        assert [reference() for reference in kept] == [None]
    finally:
        gc.enable()


def test_what_original_raises_and_what_is_an_answer_passes_uncounted():
    class HTTPException(Exception):
        __module__ = "starlette.exceptions"

    def answers(original, a):
        if a == "http":
            raise HTTPException
        return original(a)

    lp.replace(PLAIN, lambda a: [][1])
    layer = lp.wrap(PLAIN, answers, guard=1)
    with pytest.raises(IndexError):
        functions.plain(1)
    HTTPException.__qualname__ = "HTTPException"
    with pytest.raises(HTTPException):
        functions.plain("http")
    assert (layer.state, layer.failures) == ("active", [])


def test_a_coroutine_a_generator_and_an_async_generator_are_guarded():
    async def fails_later(a):
        await asyncio.sleep(0)
        raise ValueError("broken")

    layer = lp.replace(functions.fetch, fails_later, guard=1)
    assert asyncio.run(functions.fetch(1)) == ("old", 1)
    assert layer.state == "off"

    def fails_at_once(count):
        raise ValueError("broken")
        yield

    def fails_on_the_way(count):
        yield "new"
        raise ValueError("broken")

    layer = lp.replace(functions.numbers, fails_at_once, guard=2)
    assert list(functions.numbers(2)) == [0, 1]
    lp.replace(functions.numbers, fails_on_the_way, guard=2)
    generator = functions.numbers(2)
    assert next(generator) == "new"
    with pytest.raises(ValueError, match="broken"):
        next(generator)
    assert len(layer.failures) == 1

    async def stream_fails(count):
        raise ValueError("broken")
        yield

    async def stream_fails_on_the_way(count):
        yield "new"
        raise ValueError("broken")

    layer = lp.replace(functions.stream, stream_fails, guard=2)
    assert asyncio.run(collect(functions.stream(2))) == [0, 1]
    lp.replace(functions.stream, stream_fails_on_the_way, guard=2)
    with pytest.raises(ValueError, match="broken"):
        asyncio.run(collect(functions.stream(2)))
    assert len(layer.failures) == 1


def test_cancellation_and_closing_are_no_failures():
    async def waits(a):
        await asyncio.Event().wait()

    layer = lp.replace(functions.fetch, waits, guard=1)

    async def cancel():
        task = asyncio.ensure_future(functions.fetch(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert layer.state == "active"
    layer = lp.replace(functions.numbers, lambda count: (yield 1), guard=1)
    generator = functions.numbers(1)
    next(generator)
    generator.close()
    assert layer.state == "active"


def test_a_webuis_call_never_waits_for_the_lock():
    from livepatch.engine.changing.registry import registry

    layer = lp.replace(PLAIN, fails, guard=1)
    results = []
    with registry.lock:
        thread = threading.Thread(target=lambda: results.append(functions.plain(1)))
        thread.start()
        thread.join(10)
        assert results == [OLD]
        assert layer.state == "active"
    assert functions.plain(1) == OLD
    assert layer.state == "off"


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def test_an_exception_without_a_text_is_a_failure_like_others(caplog):
    def fails(*args, **kwargs):
        raise Unspeakable

    layer = lp.replace("samples.functions.plain", fails, guard=True)
    assert functions.plain(1) == ("old", 1, 2, 1)
    assert [failure.error for failure in layer.failures] == ["Unspeakable"]


@pytest.mark.parametrize("name", ["plain", "fetch", "numbers"])
def test_what_original_raised_is_not_kept(name, monkeypatch):
    """A call that ran out of memory has to let go of what it held."""

    class Tensor: ...

    kept = []

    def hold():
        tensor = Tensor()
        kept.append(weakref.ref(tensor))
        raise MemoryError

    news = {
        "plain": lambda *args: hold(),
        "fetch": "async def f(a):\n    hold()",
        "numbers": "def f(count):\n    hold()\n    yield",
    }
    path, new = f"samples.functions.{name}", news[name]
    monkeypatch.setattr(functions, "hold", hold, raising=False)
    lp.replace(path, new)
    lp.wrap(path, lambda original, a: original(a), guard=True)
    call = {"fetch": lambda: functions.fetch(1).send(None), "plain": lambda: functions.plain(1)}
    gc.disable()
    try:
        with pytest.raises(MemoryError):
            call.get(name, lambda: list(functions.numbers(1)))()
        assert [reference() for reference in kept] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("guard", [-1, 2.5, "three", None])
def test_a_guard_that_is_no_number_of_failures_is_refused(guard):
    with pytest.raises(lp.PatchRefused) as refused:
        lp.replace("samples.functions.plain", lambda a: a, guard=guard)
    assert f"guard={guard!r}" in refused.value.found
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    "path",
    [
        "comfy.model_management.InterruptProcessingException",
        "modules.callbacks.StopNowException",
        "starlette.websockets.WebSocketDisconnect",
    ],
)
def test_the_users_own_interruption_is_no_failure(path):
    module, _, name = path.rpartition(".")
    stop = type(name, (Exception,), {"__module__": module})

    def interrupted(*args, **kwargs):
        raise stop

    layer = lp.replace("samples.functions.plain", interrupted, guard=True)
    with pytest.raises(stop):
        functions.plain(1)
    assert layer.failures == []
