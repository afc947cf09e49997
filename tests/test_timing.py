"""Self times and loop-busy times, told by a clock that only the test moves."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from livepatch.errors import TargetNotFound
from livepatch.measure import Meter, Part, Timing, end_every_timing, timed


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def passes(self, milliseconds):
        self.now += milliseconds / 1000


class Functions(Meter):
    """Times some functions, of which ``meter[name]`` is what a webui would call."""

    def __init__(self, **functions):
        self.time = Clock()
        super().__init__("functions", "some functions", self.time)
        self.own = self.present = functions

    def switch(self, *, on):
        self.present = self.own
        if on:
            self.present = {
                name: timed(function, self, name, lambda name=name: Part("functions", name))
                for name, function in self.own.items()
            }

    def parts(self):
        return [(name, Part("functions", name)) for name in self.own]

    def __getitem__(self, name):
        return self.present[name]


def figures(timing, name):
    part = timing[name]
    return part.calls, round(part.total, 6), round(part.total_busy, 6)


def test_own_time_is_without_that_of_what_is_called_and_timed_too():
    def outer():
        meter.time.passes(2)
        meter["inner"]()
        meter.time.passes(1)
        return "answer"

    meter = Functions(outer=outer, inner=lambda: meter.time.passes(5))
    with Timing("functions", [meter]) as timing:
        assert meter["outer"]() == "answer"
        meter["inner"]()
    assert figures(timing, "outer")[:2] == (1, 3.0)
    assert figures(timing, "inner")[:2] == (2, 10.0)
    assert [part.name for part in timing] == ["outer", "inner"]


def test_off_everything_is_the_webuis_own_again():
    own = len
    meter = Functions(own=own)
    timing = Timing("functions", [meter])
    assert meter["own"] is own
    with timing:
        assert meter["own"] is not own
        with Timing("functions", [meter]) as another:
            meter["own"]("abc")
        assert meter["own"] is not own
    assert meter["own"] is own
    assert timing["own"].calls == another["own"].calls == 1


def test_a_sleeping_coroutine_is_not_busy_and_a_blocking_one_is():
    async def sleeps():
        asyncio.get_running_loop().call_soon(meter.time.passes, 5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def blocks():
        meter.time.passes(5)
        await meter["sleeps"]()

    meter = Functions(sleeps=sleeps, blocks=blocks)
    with Timing("functions", [meter]) as timing:
        asyncio.run(meter["blocks"]())
    assert figures(timing, "sleeps") == (1, 5.0, 0.0)
    assert figures(timing, "blocks") == (1, 5.0, 5.0)


def test_a_plain_function_is_busy_only_on_a_thread_with_a_loop():
    meter = Functions(works=lambda: meter.time.passes(4))

    async def on_the_loop():
        meter["works"]()
        await asyncio.get_running_loop().run_in_executor(None, meter["works"])

    with Timing("functions", [meter]) as timing:
        asyncio.run(on_the_loop())
    assert figures(timing, "works") == (2, 8.0, 4.0)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_a_consumer_does_between_two_items_is_not_the_generators(kind):
    def items():
        for number in range(3):
            meter.time.passes(2)
            yield number

    async def async_items():
        for item in items():
            yield item

    meter = Functions(items=items if kind == "plain" else async_items)

    async def consume():
        if kind == "plain":
            for _ in meter["items"]():
                meter.time.passes(7)
        else:
            async for _ in meter["items"]():
                meter.time.passes(7)

    with Timing("functions", [meter]) as timing:
        asyncio.run(consume())
    assert figures(timing, "items") == (1, 6.0, 6.0)


def test_a_generator_is_given_what_its_consumer_sends_throws_and_closes():
    said = []

    def echo():
        try:
            said.append((yield 1))
            try:
                yield 2
            except KeyError:
                yield 3
        finally:
            said.append("closed")

    meter = Functions(echo=echo)
    with Timing("functions", [meter]) as timing:
        generator = meter["echo"]()
        assert (next(generator), generator.send("sent")) == (1, 2)
        assert generator.throw(KeyError()) == 3
        assert timing["echo"].calls == 0
        generator.close()
    assert said == ["sent", "closed"]
    assert timing["echo"].calls == 1


def test_an_async_generator_is_given_what_its_consumer_sends_throws_and_closes():
    said = []

    async def echo():
        try:
            said.append((yield 1))
            try:
                yield 2
            except KeyError:
                yield 3
        finally:
            await asyncio.sleep(0)
            said.append("closed")

    async def consume():
        generator = meter["echo"]()
        assert (await generator.__anext__(), await generator.asend("sent")) == (1, 2)
        assert await generator.athrow(KeyError()) == 3
        await generator.aclose()

    meter = Functions(echo=echo)
    with Timing("functions", [meter]) as timing:
        asyncio.run(consume())
    assert said == ["sent", "closed"]
    assert timing["echo"].calls == 1


def test_a_cancelled_coroutine_is_cancelled_and_noted():
    async def waits():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            meter.time.passes(1)
            raise

    async def cancel():
        task = asyncio.ensure_future(meter["waits"]())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    meter = Functions(waits=waits)
    with Timing("functions", [meter]) as timing:
        asyncio.run(cancel())
    assert figures(timing, "waits") == (1, 1.0, 1.0)


def test_what_is_raised_passes_through_and_the_call_is_noted():
    meter = Functions(fails=lambda: 1 / 0)
    with Timing("functions", [meter]) as timing, pytest.raises(ZeroDivisionError):
        meter["fails"]()
    assert timing["fails"].calls == 1


def test_a_timed_function_is_of_the_kind_and_signature_of_its_own():
    async def coroutine(a, *, b=1): ...
    async def async_generator(a):
        yield a

    def generator(a):
        yield a

    class Callable:
        async def __call__(self, a): ...

    meter = Functions()
    for function in (coroutine, async_generator, generator, len):
        wrapped = timed(function, meter, "key", lambda: Part("functions", "key"))
        for kind in ("iscoroutinefunction", "isasyncgenfunction", "isgeneratorfunction"):
            assert getattr(inspect, kind)(wrapped) == getattr(inspect, kind)(function)
        assert inspect.signature(wrapped) == inspect.signature(function)
    wrapped = timed(Callable(), meter, "key", lambda: Part("functions", "key"))
    assert inspect.iscoroutinefunction(wrapped)


def test_a_report_says_how_often_how_long_and_whose():
    meter = Functions(slow=lambda: meter.time.passes(30), fast=lambda: meter.time.passes(10))
    with Timing("functions", [meter]) as timing:
        for _ in range(2):
            meter["slow"]()
            meter["fast"]()
    title, heading, slow, fast = str(timing).splitlines()
    assert title.startswith("functions · recorded for")
    assert heading.split()[:4] == ["group", "name", "owner", "calls"]
    assert slow.split() == ["functions", "slow", "2", "30.00", "30.00", "0.000", "75%", "░" * 20]
    assert fast.split()[5:] == ["0.000", "25%", "░" * 7]
    html = timing._repr_mimebundle_()["text/html"]
    assert html.count("<svg") == 2
    assert "<script" not in html
    assert 'width="160.0"' in html
    assert "slow: 60.00 ms self, 0.00 ms of it loop-busy" in html


def test_a_name_that_was_not_timed_is_told_with_those_that_were():
    meter = Functions(there=lambda: None)
    with Timing("functions", [meter]) as timing:
        meter["there"]()
    with pytest.raises(TargetNotFound) as error:
        timing["elsewhere"]
    assert str(error.value).splitlines() == [
        "look up the time of 'elsewhere'",
        "timed so far: there",
        "print(t) shows all of it",
    ]


def test_every_timing_ends_with_livepatch():
    meter = Functions(own=len)
    timing = Timing("functions", [meter]).start()
    assert end_every_timing() == 1
    assert not timing.is_recording
    assert meter["own"] is len


def test_a_meter_that_cannot_begin_leaves_none_behind():
    class Broken(Functions):
        def switch(self, *, on):
            raise OSError("no way in")

    meter, broken = Functions(own=len), Broken()
    with pytest.raises(OSError, match="no way in"):
        Timing("functions", [meter, broken]).start()
    assert meter["own"] is len
    assert end_every_timing() == 0


def test_a_call_that_cannot_be_noted_answers_all_the_same(caplog):
    def cannot():
        raise OSError("its file is gone")

    meter = Functions()
    noted = timed(lambda: "answer", meter, "key", cannot)
    with Timing("functions", [meter]) as timing:
        assert noted() == "answer"
    assert len(timing) == 0
    assert "a call was not recorded" in caplog.text
