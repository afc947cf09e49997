"""The stacks of other threads, walked while those run."""

from __future__ import annotations

import asyncio
import sys
import threading
import types

import pytest

from livepatch.engine.frames import all_stacks
from livepatch.engine.running import running_calls
from livepatch.engine.switch_interval import wish_for


def test_stacks_are_walked_while_coroutines_come_and_go():
    """CPython 3.11 finds somebody else's memory above a coroutine that is suspended meanwhile."""
    begun, stop = threading.Event(), threading.Event()

    async def work(depth):
        for _ in range(5):
            await asyncio.sleep(0)
            if depth:
                await work(depth - 1)

    async def serve():
        begun.set()
        while not stop.is_set():
            await asyncio.gather(*(work(2) for _ in range(5)))

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    sys.setswitchinterval(1e-5)
    try:
        thread.start()
        assert begun.wait(20)
        for _ in range(200):
            frames = all_stacks()[thread.ident]
            assert all(isinstance(frame, types.FrameType) for frame in frames)
            assert frames[-1].f_code.co_name == "_bootstrap"
            assert running_calls([work.__code__]) <= 3
        assert sys.getswitchinterval() == pytest.approx(1e-5)
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join(20)


@pytest.fixture
def interval():
    """The webui's own switch interval, put back at the end."""
    own = sys.getswitchinterval()
    yield own
    sys.setswitchinterval(own)


@pytest.mark.parametrize("wishes", [(0.0005, 0.1), (0.1, 0.0005)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_switch_interval_is_the_webuis_again_whoever_ends_first(interval, wishes, order):
    ends = [wish_for(seconds) for seconds in wishes]
    assert sys.getswitchinterval() == pytest.approx(0.1)
    for number in order:
        ends[number]()
    assert sys.getswitchinterval() == interval


def test_a_switch_interval_that_the_webui_sets_meanwhile_stays(interval):
    end = wish_for(0.05)
    sys.setswitchinterval(0.003)
    longer = wish_for(0.1)
    longer()
    end()
    assert sys.getswitchinterval() == pytest.approx(0.003)
