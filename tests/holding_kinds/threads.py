"""Threads, executors and event loops: who calls the function, and when."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import sched
import threading

from .notes import NOTES, noted
from .table import holding, three


def run_thread(thread):
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


@holding(NOTES)
def target_of_a_thread(app):
    take = three(lambda: threading.Thread(target=app.f, args=(1,)))
    return noted(lambda: run_thread(take()))


@holding(NOTES)
def timer(app):
    take = three(lambda: threading.Timer(0, app.f))
    return noted(lambda: run_thread(take()))


@holding(
    """
import threading
from holding_kinds.notes import seen
class Worker(threading.Thread):
    def run(self):
        seen.append("old")
""",
    "Worker.run",
)
def run_method_of_a_thread(app):
    take = three(app.Worker)
    return noted(lambda: run_thread(take()))


@holding()
def loop_of_a_running_thread(app):
    asked, answered = threading.Event(), threading.Event()
    results, ended = [], []

    def loop(function):
        while asked.wait(10):
            asked.clear()
            if ended:
                return
            results.append(function())
            answered.set()

    def call():
        answered.clear()
        asked.set()
        assert answered.wait(10)
        return results[-1]

    thread = threading.Thread(target=loop, args=(app.f,))
    thread.start()
    yield call
    ended.append(True)
    asked.set()
    thread.join(10)


@holding(NOTES)
def exception_hook_of_threads(app):
    before, threading.excepthook = threading.excepthook, app.f
    try:
        yield noted(lambda: run_thread(threading.Thread(target=int, args=("x",))))
    finally:
        threading.excepthook = before


@holding()
def work_that_waits_in_an_executor(app):
    gates = [threading.Event() for _ in range(3)]

    def call():
        gate, future = next(waiting)
        gate.set()
        return future.result(10)

    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        futures = [(executor.submit(gate.wait, 10), executor.submit(app.f)) for gate in gates]
        waiting = zip(gates, [future for _, future in futures], strict=True)
        yield call
        for gate in gates:
            gate.set()


@holding(NOTES)
def initializer_of_an_executor(app):
    def work():
        with take() as executor:
            executor.submit(int).result(10)

    take = three(lambda: concurrent.futures.ThreadPoolExecutor(1, initializer=app.f))
    return noted(work)


@holding(NOTES)
def done_callback_of_a_future(app):
    futures = [concurrent.futures.Future() for _ in range(3)]
    for future in futures:
        future.add_done_callback(app.f)
    return noted(lambda: futures.pop().set_result(1))


@holding(NOTES)
def event_of_a_scheduler(app):
    schedulers = [sched.scheduler() for _ in range(3)]
    for scheduler in schedulers:
        scheduler.enter(0, 1, app.f)
    return noted(lambda: schedulers.pop().run())


@contextlib.contextmanager
def event_loop():
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def after(loop, act):
    """Run the loop until what was done in it has had its effect."""

    async def run():
        act()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    return noted(lambda: loop.run_until_complete(run()))


@holding(NOTES)
def callback_that_a_loop_calls_soon(app):
    with event_loop() as loop:
        # Scheduled before the patch; the loop does not run until it is asked to.
        gates = [loop.create_future() for _ in range(3)]
        for gate in gates:
            gate.add_done_callback(functools.partial(loop.call_soon, app.f))
        yield after(loop, lambda: gates.pop().set_result(1))


@holding(NOTES)
def callback_that_a_loop_calls_later(app):
    def due():
        handle = handles.pop()
        loop.call_soon(handle._run)

    with event_loop() as loop:
        handles = [loop.call_later(3600, app.f) for _ in range(3)]
        yield after(loop, due)
        for handle in handles:
            handle.cancel()


@holding(NOTES)
def done_callback_of_an_asyncio_future(app):
    with event_loop() as loop:
        futures = [loop.create_future() for _ in range(3)]
        for future in futures:
            future.add_done_callback(app.f)
        yield after(loop, lambda: futures.pop().set_result(1))


@holding(NOTES)
def done_callback_of_a_running_task(app):
    async def wait(gate):
        await gate

    with event_loop() as loop:
        gates = [loop.create_future() for _ in range(3)]
        for gate in gates:
            loop.create_task(wait(gate)).add_done_callback(app.f)
        loop.run_until_complete(asyncio.sleep(0))
        yield after(loop, lambda: gates.pop().set_result(1))
        for gate in gates:
            gate.set_result(1)
        loop.run_until_complete(asyncio.sleep(0))


@holding(NOTES)
def exception_handler_of_a_loop(app):
    with event_loop() as loop:
        loop.set_exception_handler(app.f)
        yield (
            noted(lambda: loop.call_exception_handler({"message": "seen"})),
            lambda: loop.get_exception_handler() is app.f,
        )


@holding()
def work_for_the_executor_of_a_loop(app):
    with event_loop() as loop:
        work = functools.partial(loop.run_in_executor, None, app.f)

        async def call():
            return await work()

        yield lambda: loop.run_until_complete(call())


@holding("async def f(): return 'old'")
def coroutine_function_that_a_worker_task_was_given(app):
    async def worker(function):
        while True:
            gate, answer = await jobs.get()
            await gate
            answer.set_result(await function())

    async def call():
        gate, answer = loop.create_future(), loop.create_future()
        jobs.put_nowait((gate, answer))
        gate.set_result(1)
        return await answer

    async def begin():
        return asyncio.Queue()

    async def end():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with event_loop() as loop:
        jobs = loop.run_until_complete(begin())
        task = loop.create_task(worker(app.f))
        yield lambda: loop.run_until_complete(call())
        loop.run_until_complete(end())


@holding("""
async def f(reader, writer):
    writer.write(b"old")
    writer.close()
""")
def client_handler_of_an_asyncio_server(app):
    async def ask():
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def end():
        server.close()
        await server.wait_closed()

    with event_loop() as loop:
        server = loop.run_until_complete(asyncio.start_server(app.f, "127.0.0.1", 0))
        yield lambda: loop.run_until_complete(ask())
        loop.run_until_complete(end())


@holding(
    """
import asyncio
from holding_kinds.notes import seen
class P(asyncio.Protocol):
    def data_received(self, data):
        seen.append("old")
""",
    "P.data_received",
)
def protocol_of_an_asyncio_transport(app):
    held = app.P()
    return noted(functools.partial(held.data_received, b"data"))
