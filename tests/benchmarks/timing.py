"""What ``lp.timing()`` says of requests, against a clock around the whole app; and what it costs.

Run it with ``python tests/benchmarks/timing.py``. Of each kind of request it prints how long the
requests took, what share of that the self times add up to, and own and loop-busy time of the two
middlewares, of which one sleeps and one blocks for 5 ms. Then what a request costs while it is
timed and after, compared with before.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2])]

WORK = 0.005  # seconds that each of the two middlewares takes
PATHS = ("/plain", "/stream", "/thread", "/body", "/sub/inner")


class Sleeps:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            await asyncio.sleep(WORK)
        await self.app(scope, receive, send)


class Blocks:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            time.sleep(WORK)
        await self.app(scope, receive, send)


class Around:
    """Stands around the whole app, and measures the requests by itself."""

    def __init__(self, app):
        self.app, self.took = app, []

    async def __call__(self, scope, receive, send):
        began = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            if scope["type"] == "http":
                self.took.append((time.perf_counter() - began) * 1000)


def build_app():
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Mount, Route

    async def plain(request):
        return PlainTextResponse("plain")

    def thread(request):
        time.sleep(WORK)
        return PlainTextResponse("from a thread")

    async def stream(request):
        async def body():
            for number in range(5):
                await asyncio.sleep(WORK / 5)
                yield f"{number}\n"

        return StreamingResponse(body())

    async def body(request):
        return PlainTextResponse(str(len(await request.body())))

    async def dispatch(request, call_next):
        response = await call_next(request)
        await asyncio.sleep(WORK / 5)
        return response

    routes = [
        Route("/plain", plain),
        Route("/stream", stream),
        Route("/thread", thread),
        Route("/body", body, methods=["POST"]),
        Mount("/sub", Starlette(routes=[Route("/inner", plain)])),
    ]
    middleware = [
        Middleware(Sleeps),
        Middleware(BaseHTTPMiddleware, dispatch=dispatch),
        Middleware(Blocks),
    ]
    return Starlette(routes=routes, middleware=middleware)


def accuracy(requests):
    from web_support import Server

    import livepatch as lp

    app = build_app()
    around = Around(app)
    print(f"{'':12}{'request ms':>12}{'sum':>8}", end="")
    print("".join(f"{name:>19}" for name in ("Sleeps own/busy", "Blocks own/busy")))
    with Server(around) as server:
        server.get("/plain")
        for path in PATHS:
            method = "POST" if path == "/body" else "GET"
            content = b"x" * 200_000 if path == "/body" else None
            around.took.clear()
            with lp.timing(app, only=["middleware"]) as t:
                for _ in range(requests):
                    server.client.request(method, path, content=content)
            server.on_loop(lambda: None)
            share = sum(part.total for part in t) / sum(around.took)
            row = f"{path:12}{statistics.median(around.took):12.2f}{share:8.1%}"
            for name in ("Sleeps", "Blocks"):
                row += f"{t[name].median:14.2f}{t[name].busy:5.2f}"
            print(row, flush=True)
    return t


class Passes:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


def cost(layers, requests=1000, rounds=7):
    """Microseconds of a request before, while and after it is timed (medians of the rounds)."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    import livepatch as lp

    app = Starlette(middleware=[Middleware(Passes) for _ in range(layers)])

    async def end(scope, receive, send):
        await send({"type": "http.response.start"})

    async def sent(message):
        pass

    app.router = end
    app.middleware_stack = app.build_middleware_stack()

    async def measure(requests=requests):
        began = time.thread_time()  # the processor's time: others use this machine too
        for _ in range(requests):
            await app({"type": "http", "method": "GET", "path": "/"}, None, sent)
        return (time.thread_time() - began) / requests * 1e6

    before, during, after = [], [], []
    for _ in range(rounds):
        before.append(asyncio.run(measure()))
        with lp.timing(app, only=["middleware"]):
            asyncio.run(measure(100))  # the first ones of a recording make its parts
            during.append(asyncio.run(measure()))
        after.append(asyncio.run(measure()))
    return [statistics.median(found) for found in (before, during, after)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    timing = accuracy(options.requests)
    print(f"\n{timing}\n")
    for layers in (1, 5, 20):
        before, during, after = cost(layers)
        print(
            f"{layers:2} layers: {before:.1f} µs a request before, {during:.1f} while timed "
            f"(+{during - before:.1f}), {after:.1f} after (ratio {after / before:.2f})"
        )


if __name__ == "__main__":
    main()
