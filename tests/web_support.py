"""A real uvicorn server in a thread, and middlewares that say what a request went through."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import threading

import httpx
import uvicorn

# Websockets' own deprecations are uvicorn's business; an environment may do without them.
WEBSOCKETS = "websockets-sansio" if int(uvicorn.__version__.split(".")[1]) >= 35 else "websockets"
WEBSOCKETS = WEBSOCKETS if importlib.util.find_spec("websockets") else "none"


class Mark:
    """Pure ASGI middleware: adds its tag to the header ``x-seen``; counts its requests."""

    def __init__(self, app, tag="mark"):
        self.app = app
        self.tag = tag
        self.count = 0

    async def __call__(self, scope, receive, send):
        self.count += 1
        await self.app(see(scope, self.tag), receive, send)


class Fails:
    def __init__(self, app, limit):
        self.app = app
        raise ValueError(f"limit {limit} is too low")

    async def __call__(self, scope, receive, send): ...


class NoMiddleware:
    def __init__(self, app):
        self.app = app


def see(scope, tag):
    """Note in the scope that a request went through a middleware."""
    scope.setdefault("seen", []).append(tag)
    return scope


def closure_mark(app, tag="closure"):
    """A middleware as a function; its inner app lies in a closure cell."""

    async def middleware(scope, receive, send):
        await app(see(scope, tag), receive, send)

    return middleware


class Server:
    """A server that serves an app on a free port, and a client of it."""

    def __init__(self, app, **options):
        config = uvicorn.Config(
            app, port=0, log_level="critical", ws=WEBSOCKETS, timeout_graceful_shutdown=1, **options
        )
        self.app = app
        self.uvicorn = uvicorn.Server(config)
        self.is_ready = threading.Event()
        self.loop = None
        self.thread = threading.Thread(target=self._run, name="server", daemon=True)

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self.loop = asyncio.get_running_loop()
        startup = self.uvicorn.startup

        async def startup_and_tell(sockets=None):
            await startup(sockets)
            self.is_ready.set()

        self.uvicorn.startup = startup_and_tell
        await self.uvicorn.serve()

    def __enter__(self):
        self.thread.start()
        assert self.is_ready.wait(20)
        self.port = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        return self

    def __exit__(self, *_):
        self.client.close()
        self.uvicorn.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()

    def get(self, path="/", **options):
        return self.client.get(path, **options)

    def seen(self, path="/"):
        """The tags of the middlewares that a request went through."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["seen"]

    def on_loop(self, call):
        """Run a function on the server's event loop, between two steps of requests."""

        async def run():
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(20)


class AiohttpServer:
    """The same of an aiohttp app, and a handler that it can hold back."""

    def __init__(self, app, answer=None):
        self.app, self.answer = app, answer
        self.ready, self.gate = threading.Event(), threading.Event()
        self.entered = threading.Semaphore(0)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()))

    async def serve(self):
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        from aiohttp import web

        runner = web.AppRunner(self.app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = "http://{}:{}".format(*runner.addresses[0])
        self.ready.set()
        await self.stop.wait()
        await runner.cleanup()

    async def held(self, request):
        self.entered.release()
        await self.loop.run_in_executor(None, self.gate.wait, 20)
        return await self.answer(request)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(20)
        self.client = httpx.Client(base_url=self.address, timeout=20)
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.client.close()
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(20)
        assert not self.thread.is_alive()

    def seen(self, path="/"):
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Gate:
    """Holds requests back until it is opened: from a thread, on the server's loop."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()

    async def wait(self):
        self.entered.release()
        await asyncio.get_running_loop().run_in_executor(None, self.opened.wait, 20)


@contextlib.contextmanager
def in_thread(call):
    """Run something in a thread; leaving the block waits for its result in ``.result``."""

    class Outcome:
        result = None

        @staticmethod
        def is_alive():
            return thread.is_alive()

    def run():
        Outcome.result = call()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Outcome
    finally:
        thread.join(30)
        assert not thread.is_alive()
