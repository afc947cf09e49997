"""Two small apps whose middleware exported extensions change in the tests."""

from __future__ import annotations

from aiohttp import web
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class Counted:
    """The webui's own: remembers how many requests it saw."""

    def __init__(self, app):
        self.app = app
        self.count = 0

    async def __call__(self, scope, receive, send):
        self.count += 1
        scope["trace"] = [*scope.get("trace", ()), f"Counted {self.count}"]
        await self.app(scope, receive, send)


class Other:
    def __init__(self, app, word):
        self.app, self.word = app, word

    async def __call__(self, scope, receive, send):
        scope["trace"] = [*scope.get("trace", ()), f"Other {self.word}"]
        await self.app(scope, receive, send)


async def trace(request):
    return PlainTextResponse(" > ".join(request.scope.get("trace", [])))


def starlette_app():
    return Starlette(
        routes=[Route("/", trace)],
        middleware=[Middleware(Counted), Middleware(Other, word="own")],
    )


@web.middleware
async def own(request, handler):
    request["trace"] = [*request.get("trace", ()), "own"]
    return await handler(request)


async def aiohttp_trace(request):
    return web.Response(text=" > ".join(request.get("trace", [])))


def aiohttp_app():
    app = web.Application(middlewares=[own])
    app.router.add_get("/", aiohttp_trace)
    return app
