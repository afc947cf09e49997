"""Every way in which a middleware may hold its inner app, and stacks that others made."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_support import Mark, Server, closure_mark, see

import livepatch as lp


async def home(request):
    return JSONResponse({"seen": request.scope.get("seen", [])})


def build_app(*middleware):
    return Starlette(routes=[Route("/", home)], middleware=list(middleware))


class UnderAnotherName(Mark):
    def __init__(self, app):
        self.successor = app
        self.unrelated = {"app": None}

    async def __call__(self, scope, receive, send):
        await self.successor(see(scope, "x"), receive, send)


class InSlots:
    __slots__ = ("app",)

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(see(scope, "x"), receive, send)


class InPrivateSlots:
    __slots__ = ("__inner",)

    def __init__(self, app):
        self.__inner = app

    async def __call__(self, scope, receive, send):
        await self.__inner(see(scope, "x"), receive, send)


@dataclasses.dataclass(frozen=True)
class Frozen:
    app: Any

    async def __call__(self, scope, receive, send):
        await self.app(see(scope, "x"), receive, send)


class Twice(Mark):
    """Holds its inner app under two names, and calls it by the second."""

    def __init__(self, app):
        self.app = app
        self.target = app

    async def __call__(self, scope, receive, send):
        await self.target(see(scope, "x"), receive, send)


class Helper:
    def __init__(self, app):
        self.wrapped_app = app


class InAHelper(Mark):
    def __init__(self, app):
        self.helper = Helper(app)

    async def __call__(self, scope, receive, send):
        await self.helper.wrapped_app(see(scope, "x"), receive, send)


class HoldsTheRouterToo(Mark):
    """Holds the webui's app beside its inner app, as metrics packages do."""

    def __init__(self, app, webui):
        super().__init__(app, "x")
        self.webui = webui
        self.a_router = webui.router


async def dispatch(request, call_next):
    see(request.scope, "x")
    return await call_next(request)


WAYS = {
    "self.app": Middleware(Mark, tag="x"),
    "another attribute": Middleware(UnderAnotherName),
    "slots": Middleware(InSlots),
    "private slots": Middleware(InPrivateSlots),
    "frozen": Middleware(Frozen),
    "twice": Middleware(Twice),
    "a helper object": Middleware(InAHelper),
    "a closure": Middleware(closure_mark, tag="x"),
    "dispatch": Middleware(BaseHTTPMiddleware, dispatch=dispatch),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_layer_goes_inside_of_any_middleware_and_leaves_it_as_it_was(way):
    """Two of each: the inner app of the first is then found by what was declared."""
    app = build_app(WAYS[way], copy.copy(WAYS[way]), Middleware(Mark, tag="last"))
    with Server(app) as server:
        assert server.seen() == ["x", "x", "last"]
        own = app.middleware_stack
        stack = lp.middleware(app)
        assert len(stack) == 5
        stack.add(Mark, index=2, tag="between")
        stack.add(Mark, index=4, tag="behind")
        assert server.seen() == ["x", "between", "x", "behind", "last"]
        assert stack[1].instance.__class__ is type(stack[3].instance)
        lp.restore_all()
        assert app.middleware_stack is own
        assert server.seen() == ["x", "x", "last"]
        assert len(lp.middleware(app)) == 5


def test_what_else_a_middleware_holds_is_left_alone():
    app = build_app()
    app.add_middleware(HoldsTheRouterToo, webui=app)
    with Server(app) as server:
        server.get()
        stack = lp.middleware(app)
        stack.add(Mark, after=HoldsTheRouterToo, tag="behind")
        holder = stack[1].instance
        assert (holder.webui, holder.a_router) == (app, app.router)
        assert server.seen() == ["x", "behind"]


class Hides(Mark):
    """Keeps its inner app where nobody finds it."""

    def __init__(self, app):
        self.call = functools.partial(app)

    async def __call__(self, scope, receive, send):
        await self.call(see(scope, "hidden"), receive, send)


def test_a_stack_that_cannot_be_mapped_is_told_and_left_alone():
    app = build_app(Middleware(Hides))
    with Server(app) as server:
        assert server.seen() == ["hidden"]
        own = app.middleware_stack
        with pytest.raises(lp.PatchRefused) as refusal:
            lp.middleware(app)
        assert "cannot map the running stack: ServerErrorMiddleware → Hides" in refusal.value.found
        assert len(str(refusal.value).splitlines()) == 3
        assert app.middleware_stack is own
        assert server.seen() == ["hidden"]


def test_a_stack_that_becomes_unmappable_refuses_and_harms_no_request():
    app = build_app()
    with Server(app) as server:
        server.get()
        stack = lp.middleware(app)
        app.middleware_stack = Hides(app.middleware_stack)
        for ask in (lambda: stack.add(Mark), lambda: len(stack)):
            with pytest.raises(lp.PatchRefused, match="cannot map the running stack"):
                ask()
        assert server.seen() == ["hidden"]


def test_an_app_that_has_not_served_yet_shows_what_it_declares():
    app = build_app(Middleware(Mark, tag="own"))
    declared = app.user_middleware
    stack = lp.middleware(app)
    assert [(layer.name, layer.state) for layer in stack] == [("Mark", "at the first request")]
    assert app.middleware_stack is None
    layer = stack.add(Mark, tag="early")
    assert app.middleware_stack is None
    assert [spec.cls for spec in app.user_middleware] == [Mark, Mark]
    with Server(app) as server:
        assert server.seen() == ["early", "own"]
        assert layer.state == "active"
        stack.move(layer, after=next(other for other in stack if other.options == {"tag": "own"}))
        assert server.seen() == ["own", "early"]
        lp.restore_all()
        assert server.seen() == ["own"]
        assert app.user_middleware is declared
        node = app.middleware_stack
        while node is not app.router:
            assert type(node).__module__.partition(".")[0] != "livepatch"
            node = node.app


def test_an_app_that_never_served_is_as_it_was():
    app = build_app(Middleware(Mark, tag="own"))
    declared, specs = app.user_middleware, list(app.user_middleware)
    stack = lp.middleware(app)
    with lp.transaction():
        stack.add(Mark, tag="a")
        stack.remove("Mark")
    lp.undo()
    assert app.middleware_stack is None
    assert app.user_middleware is declared
    assert app.user_middleware == specs


def test_bad_options_are_told_before_the_first_request():
    app = build_app()
    with pytest.raises(lp.PatchRefused, match="unexpected keyword argument"):
        lp.middleware(app).add(Mark, colour="red")
    with Server(app) as server:
        assert server.seen() == []


def test_what_is_declared_and_not_live_is_told_apart():
    """As on Forge, where the result of build_middleware_stack() is dropped."""
    app = build_app(Middleware(Mark, tag="own"))
    with Server(app) as server:
        server.get()
        app.user_middleware.insert(0, Middleware(closure_mark, tag="late"))
        app.build_middleware_stack()
        stack = lp.middleware(app)
        assert len(stack) == 3
        assert [(layer.name, layer.state) for layer in stack.declared_only] == [
            ("closure_mark", "declared only")
        ]
        rows = {tuple(row[1:4]) for row in stack.report().rows()}
        assert ("closure_mark", "no", "yes") in rows
        assert ("Mark", "yes", "yes") in rows
        assert ("ExceptionMiddleware", "yes", "by the framework") in rows
        stack.add(Mark, tag="ours")
        assert server.seen() == ["ours", "own"]
        assert [spec.cls for spec in app.user_middleware] == [closure_mark, Mark, Mark]
        lp.restore_all()
        assert [spec.cls for spec in app.user_middleware] == [closure_mark, Mark]


def test_a_stack_that_somebody_builds_again_keeps_our_instances():
    app = build_app(Middleware(Mark, tag="own"))
    with Server(app) as server:
        server.get()
        stack = lp.middleware(app)
        ours = stack.add(Mark, tag="ours")
        server.get()
        app.middleware_stack = None
        app.add_middleware(Mark, tag="theirs")
        assert server.seen() == ["theirs", "ours", "own"]
        assert ours.instance.count == 2
        assert ours.state == "active"
        stack.remove(ours)
        assert server.seen() == ["theirs", "own"]
        lp.undo()
        assert server.seen() == ["theirs", "ours", "own"]
        lp.restore_all()
        assert server.seen() == ["theirs", "own"]


def test_a_wrapper_that_somebody_puts_around_is_a_layer():
    app = build_app(Middleware(Mark, tag="own"))
    with Server(app) as server:
        server.get()
        stack = lp.middleware(app)
        stack.add(Mark, tag="ours")
        app.middleware_stack = Mark(app.middleware_stack, tag="around")
        assert server.seen() == ["around", "ours", "own"]
        assert stack[0].instance.tag == "around"
        stack.add(Mark, after=stack[0], tag="second")
        assert server.seen() == ["around", "second", "ours", "own"]
        lp.restore_all()
        assert server.seen() == ["around", "own"]


def test_the_app_in_a_wrapper_is_found():
    app = build_app(Middleware(Mark, tag="own"))
    assert lp.middleware(Mark(app)) is lp.middleware(app)


def test_fastapi_keeps_its_own_layers_in_place():
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    @app.get("/")
    def endpoint(request: Request):
        return {"seen": request.scope.get("seen", [])}

    @app.middleware("http")
    async def by_decorator(request, call_next):
        see(request.scope, "decorated")
        return await call_next(request)

    with Server(app) as server:
        assert server.seen() == ["decorated"]
        stack = lp.middleware(app)
        assert stack[-1].name == "AsyncExitStackMiddleware"
        assert [layer.name for layer in stack if layer.kind == "webui"] == ["by_decorator"]
        stack.add(Mark, tag="ours", after="by_decorator")
        assert server.seen() == ["decorated", "ours"]
        frame = ["ExceptionMiddleware", "AsyncExitStackMiddleware"]
        assert [layer.name for layer in stack][-2:] == frame
        stack.remove(by_decorator)
        assert server.seen() == ["ours"]
        lp.restore_all()
        assert server.seen() == ["decorated"]


@pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="needs Gradio")
def test_a_gradio_page_mounted_in_an_app_goes_on():
    """In a process of its own: importing Gradio leaves threads and loops behind."""
    folder = Path(__file__).parents[1]
    said = subprocess.run(
        [sys.executable, str(folder / "apps" / "mounted_page.py")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert said.stdout.splitlines()[-1:] == ["ok"], said.stderr
