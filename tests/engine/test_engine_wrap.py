"""Layers that call on: around, before, after, and the filters, for every kind of function."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect

import pytest
from samples import functions

import livepatch as lp

PLAIN = "samples.functions.plain"


async def collect(items):
    return [item async for item in items]


def test_each_is_its_one_line_equivalent():
    seen = []
    lp.before(PLAIN, lambda *args, **kwargs: seen.append(("before", args, kwargs)), name="b")
    lp.after(PLAIN, lambda result, *args, **kwargs: seen.append((result, args, kwargs)), name="a")
    assert functions.plain(1, c=3) == ("old", 1, 2, 3)
    assert seen == [("before", (1,), {"c": 3}), (("old", 1, 2, 3), (1,), {"c": 3})]
    lp.restore(PLAIN)
    lp.filter_args(PLAIN, lambda a, **kwargs: ((a + 1,), {**kwargs, "b": 0}))
    assert functions.plain(1, c=3) == ("old", 2, 0, 3)
    lp.filter_result(PLAIN, lambda result: result[0])
    assert functions.plain(1, c=3) == "old"
    lp.restore(PLAIN)
    lp.wrap(PLAIN, lambda original, *args, **kwargs: [original(*args, **kwargs)])
    assert functions.plain(1) == [("old", 1, 2, 1)]


def test_a_layer_is_named_after_its_function_and_replaced_by_the_same_again():
    def loud(original, *args):
        return ("loud", original(*args))

    first = lp.wrap(PLAIN, loud)
    second = lp.wrap(PLAIN, loud)
    assert first is second
    assert first.name == loud.__qualname__
    assert functions.plain(1) == ("loud", ("old", 1, 2, 1))
    assert str(second).startswith("wrapped samples.functions.plain again")


def test_a_layer_in_the_middle_comes_and_goes():
    def around(word):
        return lambda original, a: (word, original(a))

    for word in "abc":
        lp.wrap(PLAIN, around(word), name=word)
    old = ("old", 1, 2, 1)
    assert functions.plain(1) == ("c", ("b", ("a", old)))
    lp.restore(PLAIN, name="b")
    assert functions.plain(1) == ("c", ("a", old))
    lp.undo()
    assert functions.plain(1) == ("c", ("b", ("a", old)))
    lp.replace(PLAIN, lambda a: ("new", a), name="b")
    assert functions.plain(1) == ("c", ("new", 1))
    next(layer for layer in lp.patches() if layer.name == "c").off()
    assert functions.plain(1) == ("new", 1)


def test_layers_that_were_rolled_back_leave_nothing_to_those_that_come():
    """Their objects are gone, and what takes their place in memory is not taken for them."""

    def around(word):
        return lambda original, a: (word, original(a))

    lp.wrap(PLAIN, around("below"), name="stays")
    below = ("below", ("old", 1, 2, 1))
    for turn in range(50):
        with contextlib.suppress(LookupError), lp.transaction():
            lp.wrap(PLAIN, around(turn), name=f"layer {turn}")
            assert functions.plain(1) == (turn, below)
            raise LookupError
        gc.collect(0)
        assert functions.plain(1) == below


def test_the_signature_is_that_of_the_topmost_layer_that_does_not_only_wrap():
    own = str(inspect.signature(functions.plain))
    lp.replace(PLAIN, lambda a, new=0: a, name="replaced")
    lp.wrap(PLAIN, lambda original, *args, **kwargs: original(*args, **kwargs), name="around")
    assert str(inspect.signature(functions.plain)) == "(a, new=0)"
    lp.restore(PLAIN, name="replaced")
    assert str(inspect.signature(functions.plain)) == own
    lp.restore(PLAIN)
    assert str(inspect.signature(functions.plain)) == own


def test_a_text_wraps_in_the_targets_place():
    lp.wrap(
        "samples.functions.uses_module",
        "def around(original, a):\n    return original(a) + FACTOR",
        name="text",
    )
    assert functions.uses_module(2) == 2 * 3 + 3


def test_around_a_coroutine_everything_is_awaited():
    seen = []

    async def hook(*args):
        await asyncio.sleep(0)
        seen.append(args)

    async def doubled(result):
        return result * 2

    lp.before(functions.fetch, hook, name="before")
    lp.after(functions.fetch, hook, name="after")
    lp.filter_result(functions.fetch, doubled)
    lp.filter_args(functions.fetch, lambda a: ((a + 1,), {}))
    assert inspect.iscoroutinefunction(functions.fetch)
    assert asyncio.run(functions.fetch(1)) == ("old", 2, "old", 2)
    assert seen == [(2,), (("old", 2), 2)]
    lp.restore(functions.fetch)
    lp.wrap(functions.fetch, lambda original, a: original(a * 10))
    assert asyncio.run(functions.fetch(1)) == ("old", 10)


def test_around_a_generator_items_are_filtered_and_send_reaches_the_inner():
    seen = []
    lp.filter_result("samples.functions.numbers", lambda item: item + 100)
    lp.before("samples.functions.numbers", lambda count: seen.append(("before", count)))
    lp.after("samples.functions.numbers", lambda result, count: seen.append(("after", result)))
    generator = functions.numbers(2)
    assert seen == []
    assert next(generator) == 100
    assert generator.send("sent") == 101
    with pytest.raises(StopIteration) as stop:
        generator.send("end")
    assert stop.value.value == ["sent", "end"]
    assert seen == [("before", 2), ("after", ["sent", "end"])]
    lp.restore("samples.functions.numbers")

    def twice(original, count):
        yield from original(count)
        yield from original(count)

    lp.wrap("samples.functions.numbers", twice)
    assert list(functions.numbers(2)) == [0, 1, 0, 1]
    lp.wrap("samples.functions.numbers", lambda original, count: original(count + 1), name="plain")
    assert list(functions.numbers(1)) == [0, 1, 0, 1]


def test_around_an_async_generator():
    seen = []
    lp.filter_result("samples.functions.stream", lambda item: item + 100)
    lp.after("samples.functions.stream", lambda result, count: seen.append((result, count)))
    lp.filter_args("samples.functions.stream", lambda count: ((count + 1,), {}))
    assert asyncio.run(collect(functions.stream(1))) == [100, 101]
    assert seen == [(None, 2)]

    async def throw():
        stream = functions.stream(3)
        await stream.__anext__()
        with pytest.raises(ValueError, match="thrown"):
            await stream.athrow(ValueError("thrown"))
        closing = functions.stream(3)
        await closing.__anext__()
        await closing.aclose()

    asyncio.run(throw())
    lp.restore("samples.functions.stream")
    lp.wrap("samples.functions.stream", lambda original, count: original(count + 1))
    assert asyncio.run(collect(functions.stream(1))) == [0, 1]


@pytest.mark.parametrize("verb", [lp.wrap, lp.before, lp.after, lp.filter_args, lp.filter_result])
def test_what_cannot_be_called_is_no_hook(verb):
    with pytest.raises(lp.PatchRefused, match="cannot be called") as caught:
        verb(PLAIN, 7)
    assert str(caught.value).splitlines()[0] == f"{verb.__name__} {PLAIN}"
    with pytest.raises(lp.PatchRefused, match="not a function"):
        verb("samples.functions.FACTOR", print)


def test_a_filter_of_arguments_has_to_answer_a_pair():
    lp.filter_args(PLAIN, lambda a: a)
    with pytest.raises(TypeError, match=r"must return \(args, kwargs\)"):
        functions.plain(1)
