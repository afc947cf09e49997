"""What requests see while the stack changes: all of a transaction or none, and their own stack."""

from __future__ import annotations

import contextlib
import gc
import threading

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from web_support import Gate, Mark, Server, closure_mark, see
from websockets.sync.client import connect

import livepatch as lp


def seen_of(request):
    return JSONResponse({"seen": request.scope.get("seen", [])})


async def home(request):
    return seen_of(request)


class Holds:
    """Holds requests to ``/held`` back between the layers outside and inside of it."""

    def __init__(self, app, gate):
        self.app = app
        self.gate = gate

    async def __call__(self, scope, receive, send):
        if scope.get("path") == "/held":
            await self.gate.wait()
        await self.app(scope, receive, send)


class Rebuilds:
    """Passes a scope on that it has built anew, from the keys that ASGI names."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        known = {name: scope[name] for name in scope if not name.startswith("livepatch")}
        await self.app(known, receive, send)


async def dispatch(request, call_next):
    see(request.scope, "http")
    return await call_next(request)


async def echo(websocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_json({"text": text, "seen": websocket.scope.get("seen", [])})


async def teapot(request):
    raise HTTPException(418, "short and stout")


async def broken(request):
    raise LookupError("nothing here")


def said(status):
    async def handler(request, error):
        return PlainTextResponse(f"handled: {error}", status_code=status)

    return handler


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def server(gate):
    async def lines(request):
        async def body():
            yield b"first "
            await gate.wait()
            yield ",".join(request.scope.get("seen", [])).encode()

        return StreamingResponse(body())

    wrapped = [Middleware(Mark, tag="mount")]
    inner = Starlette(routes=[Route("/", home)], middleware=[Middleware(Mark, tag="inner own")])
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/held", home),
            Route("/lines", lines),
            Route("/teapot", teapot),
            Route("/broken", broken),
            WebSocketRoute("/ws", echo),
            Mount("/inner", inner),
            Mount("/wrapped", routes=[Route("/", home)], middleware=wrapped),
        ],
        middleware=[
            Middleware(Mark, tag="own"),
            Middleware(Holds, gate=gate),
            Middleware(BaseHTTPMiddleware, dispatch=dispatch),
        ],
        exception_handlers={418: said(418), Exception: said(500)},
    )
    app.inner = inner
    with Server(app) as server:
        assert server.seen() == ["own", "http"]
        yield server


@pytest.fixture
def held(server, gate):
    """A request that stands in the middle of the stack, as it was before the test changes it."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.seen("/held")))

    def hold():
        thread.start()
        assert gate.entered.acquire(timeout=20)

    def release():
        gate.opened.set()
        thread.join(20)
        return answers[0]

    yield hold, release
    gate.opened.set()
    if thread.ident:
        thread.join(20)


def put_one_on_either_side(stack):
    with lp.transaction():
        outer = stack.add(Mark, tag="outer", before="Holds")
        inner = stack.add(Mark, tag="inner", after="Holds")
    return outer, inner


def test_a_request_that_came_before_livepatch_finishes_without_it(server, held):
    hold, release = held
    hold()
    put_one_on_either_side(lp.middleware(server.app))
    assert server.seen() == ["own", "outer", "inner", "http"]
    assert release() == ["own", "http"]


def test_a_request_under_way_finishes_on_the_stack_it_came_in_with(server, held):
    hold, release = held
    stack = lp.middleware(server.app)
    layers = put_one_on_either_side(stack)
    hold()
    with lp.transaction():
        for layer in layers:
            stack.remove(layer)
        stack.add(Mark, tag="later", after="Holds")
    assert server.seen() == ["own", "later", "http"]
    assert release() == ["own", "outer", "inner", "http"]


def test_restoring_waits_for_no_request_and_tears_none(server, held):
    hold, release = held
    app = server.app
    own = app.middleware_stack
    put_one_on_either_side(lp.middleware(app))
    hold()
    lp.restore_all()
    assert app.middleware_stack is own
    assert server.seen() == ["own", "http"]
    assert release() == ["own", "outer", "inner", "http"]
    # The frames of the request go with its connection; then nothing of ours is left.
    server.client.close()
    server.client = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20)
    server.on_loop(gc.collect)
    node = own
    while node is not app.router:
        assert type(node).__module__.partition(".")[0] != "livepatch"
        node = node.app


def test_a_scope_built_anew_is_still_the_same_request(server, held):
    hold, release = held
    stack = lp.middleware(server.app)
    stack.add(Rebuilds, before="Mark")
    layers = put_one_on_either_side(stack)
    hold()
    with lp.transaction():
        for layer in layers:
            stack.remove(layer)
    assert server.seen() == ["own", "http"]
    assert release() == ["own", "outer", "inner", "http"]


def test_streams_are_whole_and_keep_their_stack(server, gate):
    stack = lp.middleware(server.app)
    layer = stack.add(Mark, tag="streamed")
    with server.client.stream("GET", "/lines") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first "
        assert gate.entered.acquire(timeout=20)
        stack.remove(layer)
        gate.opened.set()
        assert b"".join(parts) == b"streamed,own,http"


def test_a_websocket_lives_on_through_changes(server):
    stack = lp.middleware(server.app)
    layer = stack.add(Mark, tag="before")
    with contextlib.ExitStack() as sockets:
        old = sockets.enter_context(connect(f"ws://127.0.0.1:{server.port}/ws"))
        old.send("one")
        assert '"one"' in old.recv(20)
        stack.replace(layer, closure_mark, tag="after")
        lp.undo()
        lp.redo()
        new = sockets.enter_context(connect(f"ws://127.0.0.1:{server.port}/ws"))
        for socket, tag in ((old, "before"), (new, "after")):
            socket.send("two")
            answer = socket.recv(20)
            assert '"two"' in answer
            assert f'["{tag}","own"]' in answer.replace(" ", "")


def test_exception_handlers_work_through_new_layers(server):
    stack = lp.middleware(server.app)
    stack.add(Mark, tag="a")
    stack.add(Mark, index=len(stack), tag="b")
    stack.add(BaseHTTPMiddleware, dispatch=dispatch)
    answer = server.get("/teapot")
    assert (answer.status_code, answer.text[:8]) == (418, "handled:")
    answer = server.get("/broken", headers={"connection": "close"})
    assert (answer.status_code, answer.text[:8]) == (500, "handled:")
    assert server.get("/nowhere").status_code == 404


def test_a_middleware_of_ours_that_raises_is_a_server_error_as_any_other(server):
    async def breaks(request, call_next):
        raise LookupError("mine")

    stack = lp.middleware(server.app)
    stack.add(BaseHTTPMiddleware, dispatch=breaks)
    assert server.get(headers={"connection": "close"}).status_code == 500
    stack.remove(breaks)
    assert server.seen() == ["own", "http"]


def test_mounted_apps_and_mounts_have_stacks_of_their_own(server):
    routes = {route.path: route for route in server.app.routes}
    inner, mount = lp.middleware(server.app.inner), lp.middleware(routes["/wrapped"])
    inner_mount = lp.middleware(routes["/inner"])
    assert server.seen("/inner/") == ["own", "http", "inner own"]
    with lp.transaction():
        inner.add(Mark, tag="inner added")
        inner_mount.add(Mark, tag="on the mount")
        mount.add(Mark, tag="wrapped added", after="Mark")
    expected = ["own", "http", "on the mount", "inner added", "inner own"]
    assert server.seen("/inner/") == expected
    assert server.seen("/wrapped/") == ["own", "http", "mount", "wrapped added"]
    assert server.seen() == ["own", "http"]
    mounted = routes["/inner"].app
    lp.restore_all()
    assert server.seen("/inner/") == ["own", "http", "inner own"]
    assert routes["/inner"].app is server.app.inner is not mounted
    assert server.seen("/wrapped/") == ["own", "http", "mount"]


def test_a_single_route_has_a_stack(server):
    route = next(route for route in server.app.routes if route.path == "/")
    own = route.app
    stack = lp.middleware(route)
    assert len(stack) == 0
    stack.add(Mark, tag="route")
    assert server.seen() == ["own", "http", "route"]
    lp.restore_all()
    assert route.app is own


def test_a_route_of_websockets_has_a_stack(server):
    route = next(route for route in server.app.routes if route.path == "/ws")
    lp.middleware(route).add(Mark, tag="route")
    with connect(f"ws://127.0.0.1:{server.port}/ws") as socket:
        socket.send("one")
        assert '["own","route"]' in socket.recv(20).replace(" ", "")


def test_a_router_has_a_stack_where_its_starlette_gives_it_one(server):
    router = server.app.router
    if not hasattr(router, "middleware_stack"):
        with pytest.raises(lp.PatchRefused, match="has no stack"):
            lp.middleware(router)
        return
    own = router.middleware_stack
    lp.middleware(router).add(Mark, tag="router")
    assert server.seen() == ["own", "http", "router"]
    lp.restore_all()
    assert server.seen() == ["own", "http"]
    assert router.middleware_stack == own
