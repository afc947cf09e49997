"""Self times of requests: per middleware and per route."""

from __future__ import annotations

import asyncio
import typing

import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from web_support import AiohttpServer, Mark, Server

import livepatch as lp
from livepatch.this_webui.timing import timing
from livepatch.web.meter import meter_of


class Clock:
    """A clock that only the test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def passes(self, milliseconds):
        self.now += milliseconds / 1000

    async def passes_while_waiting(self, milliseconds):
        """Others run meanwhile, and the time passes."""
        asyncio.get_running_loop().call_soon(self.passes, milliseconds)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
def clock():
    return Clock()


def with_clock(app, clock):
    """Time an app by that clock."""
    meter = meter_of(lp.middleware(app))
    meter.clock = meter.steps.clock = clock
    return timing(app, only=["middleware"])


def figures(t):
    return {p.name: (p.calls, round(p.total, 6), round(p.total_busy, 6)) for p in t if p.calls}


async def request(app, path="/", method="GET", *, send=None, messages=()):
    """One request, in this task; answers the body."""
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": [],
        "query_string": b"", "root_path": "", "scheme": "http", "server": ("localhost", 80),
    }  # fmt: skip
    waiting = [*messages, {"type": "http.request", "body": b"", "more_body": False}]
    body = []

    async def receive():
        if waiting:
            return waiting.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def collect(message):
        body.append(message.get("body", b""))
        if send is not None:
            await send(message)

    await app(scope, receive, collect)
    return b"".join(body)


def passing(name, work):
    """A middleware class that does some work before and after."""

    class Passing:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await work()
            await self.app(scope, receive, send)

    Passing.__name__ = Passing.__qualname__ = name
    return Passing


def test_a_sleeping_middleware_is_told_from_a_blocking_one(clock):
    async def blocks():
        clock.passes(5)

    async def home(request):
        clock.passes(2)
        return PlainTextResponse("home")

    sleeps = passing("Sleeps", lambda: clock.passes_while_waiting(5))
    app = Starlette(
        routes=[Route("/", home)],
        middleware=[Middleware(sleeps), Middleware(passing("Blocks", blocks))],
    )

    async def run():
        await request(app)
        with with_clock(app, clock) as t:
            begun = clock()
            await request(app)
            return t, clock() - begun

    t, took = asyncio.run(run())
    assert figures(t) == {
        "receive and send": (1, 0.0, 0.0),
        "ServerErrorMiddleware": (1, 0.0, 0.0),
        "Sleeps": (1, 5.0, 0.0),
        "Blocks": (1, 5.0, 5.0),
        "ExceptionMiddleware": (1, 0.0, 0.0),
        "GET /": (1, 2.0, 2.0),
    }
    assert sum(part.total for part in t) == pytest.approx(took * 1000)


def test_own_times_add_up_through_tasks_streams_and_a_slow_client(clock):
    async def dispatch(request, call_next):
        clock.passes(3)
        response = await call_next(request)
        await clock.passes_while_waiting(4)
        return response

    async def chunks():
        for _ in range(3):
            await clock.passes_while_waiting(2)
            yield b"chunk"

    async def stream(request):
        return StreamingResponse(chunks())

    async def slow_client(message):
        await clock.passes_while_waiting(1)

    app = Starlette(
        routes=[Route("/", stream)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=dispatch)],
    )

    async def run():
        await request(app)
        with with_clock(app, clock) as t:
            begun = clock()
            assert await request(app, send=slow_client) == b"chunk" * 3
            return t, clock() - begun

    t, took = asyncio.run(run())
    assert sum(part.total for part in t) == pytest.approx(took * 1000)
    # What two tasks do at once is one's or the other's, as their Starlette shares it out.
    assert 3 <= t["GET /"].total <= 7.01
    assert t["dispatch"].total >= 2.99
    assert t["receive and send"].total >= 4


def test_a_request_that_waits_for_its_body_is_not_charged_to_the_endpoint(clock):
    async def reads(request):
        return PlainTextResponse(await request.body())

    app = Starlette(routes=[Route("/", reads, methods=["POST"])])

    async def slow_receive():
        await clock.passes_while_waiting(8)
        return {"type": "http.request", "body": b"slow", "more_body": False}

    async def run():
        await request(app, "/", "POST")
        with with_clock(app, clock) as t:
            scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
            sent = []

            async def send(message):
                sent.append(message)

            await app(scope, slow_receive, send)
            return t

    t = asyncio.run(run())
    assert t["POST /"].total == 0
    assert t["receive and send"].total == pytest.approx(8)


def test_to_wait_until_the_client_goes_is_not_time_that_a_response_takes(clock):
    async def watches(request):
        gone = asyncio.ensure_future(request.receive())
        await clock.passes_while_waiting(6)
        assert (await gone)["type"] == "http.disconnect"
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", watches)])
    app.middleware_stack = app.build_middleware_stack()

    async def receive():
        begun = clock()
        while clock() == begun:
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    async def run():
        with with_clock(app, clock) as t:
            await app({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
        return t

    t = asyncio.run(run())
    assert t["GET /"].total == pytest.approx(6)
    assert t["receive and send"].total == 0


def build():
    async def home(request):
        return JSONResponse({"seen": request.scope.get("seen", [])})

    async def item(request):
        return JSONResponse({"seen": request.scope.get("seen", [])})

    async def echo(websocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    return Starlette(
        routes=[
            Route("/", home),
            Route("/items/{number}", item, methods=["GET", "POST"]),
            Route("/things/{number}", item),
            Mount("/sub", Starlette(routes=[Route("/inner", home)])),
            WebSocketRoute("/ws", echo),
        ],
        middleware=[Middleware(Mark, tag="own")],
    )


@pytest.fixture(scope="module")
def server():
    with Server(build()) as server:
        yield server


def test_a_route_is_told_by_what_answered(server):
    with lp.timing(server.app) as t:
        for path in ("/items/1", "/items/2", "/things/1", "/sub/inner", "/nowhere", "/sub/nowhere"):
            server.get(path)
        server.client.post("/items/3")
    calls = {part.name: part.calls for part in t}
    assert calls == {
        "receive and send": 7,
        "ServerErrorMiddleware": 7,
        "Mark": 7,
        "ExceptionMiddleware": 7,
        "GET,POST /items/{number}": 3,
        "GET /things/{number}": 1,
        "GET /sub/inner": 1,
        "no route": 1,
        "MOUNT /sub": 1,
    }
    assert t["GET /sub/inner"].place.startswith(__file__)


def test_while_nothing_is_timed_the_app_has_its_own_stack(server):
    server.get()
    own = server.app.middleware_stack
    with lp.timing(server.app) as t:
        assert server.app.middleware_stack is not own
        server.get()
    assert server.app.middleware_stack is own
    assert "middleware_stack" not in vars(Starlette)
    server.get()
    assert t["Mark"].calls == 1


def test_what_is_added_while_timing_is_timed_and_what_is_removed_stays_in_the_report(server):
    stack = lp.middleware(server.app)
    with lp.timing(server.app) as t:
        layer = stack.add(Mark, tag="late")
        assert server.seen() == ["late", "own"]
        stack.remove(layer)
        assert server.seen() == ["own"]
    late = [part for part in t if part.owner == layer.owner]
    assert [part.calls for part in late] == [1]
    assert [part.calls for part in t if part.owner == "webui" and part.name == "Mark"] == [2]


def test_a_websocket_is_timed_when_it_has_ended(server):
    from websockets.sync.client import connect

    with lp.timing(server.app) as t, connect(f"ws://127.0.0.1:{server.port}/ws") as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
        socket.recv_bufsize = None
        with pytest.raises(Exception):  # noqa: B017, PT011 - the server closes it
            socket.recv()
        server.on_loop(lambda: None)
        assert t["WS /ws"].calls == 1


def test_an_app_that_has_not_built_its_stack_is_timed_from_its_first_request_on():
    app = build()
    with Server(app, lifespan="off") as server:
        with lp.timing(app) as t:
            assert app.middleware_stack is None
            server.get()
            app.middleware_stack = None  # as A1111 does before it adds middleware
            app.add_middleware(Mark, tag="late")
            assert server.seen() == ["late", "own"]
        assert t["GET /"].calls == 2
        assert sum(part.calls for part in t if part.name == "Mark") == 3
        assert server.seen() == ["late", "own"]


def test_two_recordings_time_the_same_requests_each_for_itself(server):
    with lp.timing(server.app) as outer:
        server.get()
        with lp.timing(server.app) as inner:
            server.get()
    assert (outer["GET /"].calls, inner["GET /"].calls) == (2, 1)


def test_an_aiohttp_app_is_timed_by_middleware_and_route():
    @web.middleware
    async def outer(request, handler):
        return await handler(request)

    async def hello(request):
        return web.Response(text="hello")

    app = web.Application(middlewares=[outer])
    app.router.add_get("/hello/{name}", hello)
    with AiohttpServer(app) as server:
        assert server.client.get("/hello/you").text == "hello"
        own = app._middlewares_handlers
        with lp.timing(app) as t:
            for name in ("you", "me"):
                assert server.client.get(f"/hello/{name}").text == "hello"
            assert server.client.get("/nowhere").status_code == 404
            assert [layer.name for layer in lp.middleware(app)] == ["outer"]
        assert app._middlewares_handlers is own
        server.client.get("/hello/you")
    calls = {part.name: part.calls for part in t}
    assert calls == {"outer": 3, "GET /hello/{name}": 2, "no route": 1}
    assert t["GET /hello/{name}"].total > 0


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: lp.timing(42), "a builtins.int has no stack that livepatch knows"),
        (
            lambda: lp.timing(only=["nothing"]),
            "there is no kind 'nothing'; livepatch can time middleware",
        ),
        (lambda: lp.timing(only=["events"]), "no Gradio page was found in this process"),
    ],
)
def test_what_cannot_be_timed_is_told_in_three_lines(call, found):
    with pytest.raises(lp.LivepatchError) as error:
        call()
    assert len(str(error.value).splitlines()) == 3
    assert found in str(error.value)


def test_a_stack_that_cannot_be_mapped_is_not_timed_and_serves_on():
    class Hides:
        apps: typing.ClassVar[list[typing.Any]] = []

        def __init__(self, app):
            self.apps.append(app)

        async def __call__(self, scope, receive, send):
            await self.apps[0](scope, receive, send)

    app = build()
    app.add_middleware(Hides)
    with Server(app) as server:
        assert server.seen() == ["own"]
        stack = app.middleware_stack
        with pytest.raises(lp.PatchRefused, match="cannot map the running stack"):
            lp.timing(app)
        assert app.middleware_stack is stack
        assert server.seen() == ["own"]
