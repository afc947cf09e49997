"""The stacks of other threads, walked while those run."""

from __future__ import annotations

import asyncio
import sys
import threading
import types

import pytest

from livepatch.engine.switching.frames import all_stacks, running_calls


@pytest.fixture
def eager_threads():
    """Threads that take the GIL from each other as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_stacks_are_whole_while_coroutines_come_and_go(eager_threads):
    """A walk in Python loses the callers of a coroutine that is suspended meanwhile.

    On CPython 3.11 it finds somebody else's memory in their place.
    """
    begun, stop = threading.Event(), threading.Event()

    async def work(depth):
        await (work(depth - 1) if depth else asyncio.sleep(0))

    async def serve():
        begun.set()
        while not stop.is_set():
            await work(200)  # deep: a walk takes long, and most of it is on coroutines

    def thread_of_a_loop():
        asyncio.run(serve())

    thread = threading.Thread(target=thread_of_a_loop)
    thread.start()
    try:
        assert begun.wait(20)
        for _ in range(10_000):
            frames = all_stacks()[thread.ident]
            assert all(isinstance(frame, types.FrameType) for frame in frames)
            assert frames[-1].f_code.co_name == "_bootstrap"
            assert running_calls([thread_of_a_loop.__code__]) <= 1
    finally:
        stop.set()
        thread.join(20)
