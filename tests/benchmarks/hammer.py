"""Five ways of changing the middleware of a running app, under load, in one run.

Run it with ``python tests/benchmarks/hammer.py --cycles 10000 --python OTHER/bin/python``.
Each cycle adds two middlewares and takes them out again, with 0.5 ms of work before each add, while
a second process keeps connections alive, reads streams and holds websockets. ``--python`` names
further interpreters (one with an old Starlette) to do the same in. Under ``guard()`` the naive
code's two adds are two changes, so a request may see one of them, but nothing worse.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2])]

WORK = 0.0005  # seconds before each add: a webui reads its settings there
CLIENTS, STREAMS, SOCKETS = 4, 2, 2
CHUNKS = 20
COLUMNS = (
    "cycles", "requests", "5xx", "half", "RuntimeErrors", "instances", "streams", "broken streams",
    "websockets", "broken websockets",
)  # fmt: skip


# ------- the app


class Marks:
    """Notes its tag; one of the pair that is added and removed together."""

    def __init__(self, app, tag):
        self.app, self.tag = app, tag

    async def __call__(self, scope, receive, send):
        scope.setdefault("seen", []).append(self.tag)
        await self.app(scope, receive, send)


class Remembers:
    """A stateful middleware of the webui, such as a rate limit: counts how often it was made."""

    made = 0

    def __init__(self, app):
        type(self).made += 1
        self.app, self.count = app, 0

    async def __call__(self, scope, receive, send):
        self.count += 1
        await self.app(scope, receive, send)


def build_app():
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute

    async def home(request):
        return JSONResponse(request.scope.get("seen", []))

    async def stream(request):
        async def body():
            for number in range(CHUNKS):
                yield f"{number}\n".encode()
                await asyncio.sleep(0.001)

        return StreamingResponse(body())

    async def echo(websocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    Remembers.made = 0
    routes = [Route("/", home), Route("/stream", stream), WebSocketRoute("/ws", echo)]
    return Starlette(routes=routes, middleware=[Middleware(Remembers)])


# ------- the ways


def naive(app):
    """As A1111 does: reset the stack, then add."""
    app.middleware_stack = None
    for tag in "ab":
        time.sleep(WORK)
        app.add_middleware(Marks, tag=tag)
    app.build_middleware_stack()


def pull_request(app):
    """As the pull request does: reset before each add, build and store afterwards."""
    for tag in "ab":
        time.sleep(WORK)
        app.middleware_stack = None
        app.add_middleware(Marks, tag=tag)
        app.middleware_stack = app.build_middleware_stack()


def remove_naively(app):
    app.user_middleware[:] = [m for m in app.user_middleware if m.cls is not Marks]
    app.middleware_stack = None


def rebuild_aside(app):
    """Build a whole new stack beside the running one, and store it at once."""
    from starlette.middleware import Middleware

    declared = list(app.user_middleware)
    for tag in "ab":
        time.sleep(WORK)
        declared.insert(0, Middleware(Marks, tag=tag))
    _store(app, declared)


def remove_aside(app):
    _store(app, [m for m in app.user_middleware if m.cls is not Marks])


def _store(app, declared):
    import copy

    beside = copy.copy(app)
    beside.user_middleware = declared
    beside.middleware_stack = None
    stack = beside.build_middleware_stack()
    app.user_middleware = declared
    app.middleware_stack = stack


def with_livepatch(app):
    import livepatch as lp

    stack = lp.middleware(app)
    with lp.transaction():
        for tag in "ab":
            time.sleep(WORK)
            stack.add(Marks, tag=tag)


def remove_with_livepatch(app):
    import livepatch as lp

    stack = lp.middleware(app)
    with lp.transaction():
        for layer in [layer for layer in stack if layer.cls is Marks]:
            stack.remove(layer)


WAYS = {
    "naive": (naive, remove_naively),
    "the pull request's": (pull_request, remove_naively),
    "rebuild aside": (rebuild_aside, remove_aside),
    "naive under guard()": (naive, remove_naively),
    "livepatch": (with_livepatch, remove_with_livepatch),
}


def hammer(way, cycles):
    """Run the cycles of one way under load; answers the row of the table."""
    from web_support import Server

    add, remove = WAYS[way]
    app, errors = build_app(), 0
    with Server(app) as server:
        server.get()
        own = app.middleware_stack
        if way == "naive under guard()":
            import livepatch as lp

            lp.middleware(app).guard()
        command = [sys.executable, str(HERE), "--load", str(server.port)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as load:
            assert load.stdout.readline() == "ready\n"
            for _ in range(cycles):
                try:
                    add(app)
                except RuntimeError:
                    errors += 1
                remove(app)
            said = load.communicate(timeout=60)[0]
        if way == "naive under guard()":
            lp.restore_all()
        if way == "livepatch":
            assert app.middleware_stack is own, "not as it was"
    row = {"cycles": cycles, "RuntimeErrors": errors, "instances": Remembers.made}
    return row | json.loads(said)


# ------- the load: a process of its own


def load(port):
    counts = dict.fromkeys(COLUMNS[1:], 0)
    del counts["RuntimeErrors"], counts["instances"]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    asyncio.run(_load(port, counts, stop))
    print(json.dumps(counts))


async def _load(port, counts, stop):
    clients = [_requests(port, counts, stop) for _ in range(CLIENTS)]
    streams = [_streams(port, counts, stop) for _ in range(STREAMS)]
    sockets = [_socket(port, counts, stop) for _ in range(SOCKETS)]
    print("ready", flush=True)
    await asyncio.gather(*clients, *streams, *sockets)


async def _get(reader, writer, path):
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split()[1])
    if "content-length: " in head:
        length = int(head.partition("content-length: ")[2].split("\r\n")[0])
        return status, await reader.readexactly(length), "connection: close" in head
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return status, body, "connection: close" in head


async def _requests(port, counts, stop):
    reader = writer = None
    while not stop.is_set():
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            status, body, closes = await _get(reader, writer, "/")
        except (asyncio.IncompleteReadError, ConnectionError):
            counts["5xx"] += 1
            writer = None
            continue
        counts["requests"] += 1
        if status >= 500:
            counts["5xx"] += 1
        else:
            counts["half"] += len(set(json.loads(body))) == 1
        if closes:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


async def _streams(port, counts, stop):
    whole = b"".join(f"{number}\n".encode() for number in range(CHUNKS))
    while not stop.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        counts["streams"] += 1
        try:
            status, body, _ = await _get(reader, writer, "/stream")
            counts["broken streams"] += (status, body) != (200, whole)
        except (asyncio.IncompleteReadError, ConnectionError):
            counts["broken streams"] += 1
        writer.close()


async def _socket(port, counts, stop):
    """Websockets that live for 200 messages, one after the other."""
    from websockets.asyncio.client import connect

    while not stop.is_set():
        counts["websockets"] += 1
        try:
            async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
                for number in range(200):
                    if stop.is_set():
                        break
                    await socket.send(str(number))
                    if await asyncio.wait_for(socket.recv(), 10) != str(number):
                        raise ConnectionError("another answer")
        except Exception:
            counts["broken websockets"] += 1


# ------- what it costs


class Passes:
    """A middleware that does nothing."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


def cost_per_request(layers, rounds=15, requests=2000):
    """Microseconds that the splice adds to a request through so many middlewares (median)."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    import livepatch as lp

    app = Starlette()
    app.user_middleware = [Middleware(Passes) for _ in range(layers)]

    async def end(scope, receive, send):
        pass

    app.router = end
    app.middleware_stack = app.build_middleware_stack()
    stack = lp.middleware(app)

    async def measure():
        began = time.thread_time()  # the processor's time: others use this machine too
        for _ in range(requests):
            await app({"type": "other"}, None, None)
        return (time.thread_time() - began) / requests * 1e6

    differences = []
    for _ in range(rounds):
        plain = asyncio.run(measure())
        stack.guard()
        spliced = asyncio.run(measure())
        lp.undo()
        differences.append(spliced - plain)
    return statistics.median(differences)


def cost_of_commit(layers=5, commits=2000):
    """Microseconds from a change to the store that requests see (median)."""
    from starlette.middleware import Middleware

    import livepatch as lp
    from livepatch.engine import apply
    from livepatch.web.changes import WebChange

    app = build_app()
    app.user_middleware = [Middleware(Passes) for _ in range(layers)]
    app.middleware_stack = app.build_middleware_stack()
    stack = lp.middleware(app)
    stack.add(Marks, tag="stays")
    layer = stack.add(Marks, tag="comes and goes")
    with_it = stack.plan
    without = tuple(p for p in with_it if p.layer is not layer)
    took = []
    for number in range(commits):
        change = WebChange(stack, with_it if number % 2 else without, "add", layer)
        began = time.thread_time()
        apply(change)
        took.append((time.thread_time() - began) * 1e6)
    lp.restore_all()
    return statistics.median(took)


def run(cycles, ways):
    import starlette

    where = f"Starlette {starlette.__version__}, Python {sys.version.split()[0]}"
    print(f"{where}\n{'':20}" + "".join(f"{name:>19}" for name in COLUMNS), flush=True)
    for way in ways:
        row = hammer(way, cycles)
        print(f"{way:20}" + "".join(f"{row[name]:>19,}" for name in COLUMNS), flush=True)
    print(
        f"cost per request: {cost_per_request(1):.2f} µs at 1 layer, "
        f"{cost_per_request(20):.2f} µs at 20; per commit: {cost_of_commit():.1f} µs (medians)",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument("--way", action="append", choices=WAYS, help="only these ways")
    parser.add_argument("--python", action="append", default=[], help="further interpreters")
    parser.add_argument("--load", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        load(options.load)
        return
    run(options.cycles, options.way or WAYS)
    for python in options.python:
        command = [python, str(HERE), "--cycles", str(options.cycles)]
        for way in options.way or ():
            command += ["--way", way]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
