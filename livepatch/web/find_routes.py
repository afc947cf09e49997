"""From what the user gave, an app or a router, to its routes."""

from __future__ import annotations

from typing import Any

from livepatch.engine import PatchRefused
from livepatch.engine.changing.registry import registry

from .aiohttp_routes import aiohttp_list_of, is_aiohttp_app
from .django_routes import django_list_of
from .django_stack import is_django_handler
from .find import _path_of, _unwrapped
from .route_kinds import router_of
from .route_walk import add_documented, list_of
from .routes import Routes


def routes_of(app: Any) -> Routes:
    """The routes of an app.

    Args:
        app: a Starlette, FastAPI or aiohttp app, also one in a wrapper that keeps it in ``.app``,
            such as a launched Gradio page; a router or a mount; a handler of Django.

    Raises:
        PatchRefused: it is none of these.
    """
    asked = f"look at the routes of {_shown(app)}"
    with registry.lock:
        return _routes_of(asked, app)


def _routes_of(asked: str, app: Any) -> Routes:
    for one in _unwrapped(app):
        if is_django_handler(one):
            path = f"routes of {_path_of(one)}"
            return Routes(django_list_of(one, path), path)
        if is_aiohttp_app(one):
            path = f"routes of {_path_of(one)}"
            return Routes(aiohttp_list_of(one, path), path)
    router = router_of(app)
    if router is None:
        raise _no_app(asked, app)
    path = f"routes of {_path_of(app)}"
    routes = list_of(router, path)
    add_documented(routes, app)
    return Routes(routes, path)


def _no_app(asked: str, app: Any) -> PatchRefused:
    names = {cls.__name__ for cls in type(app).__mro__}
    if "Blocks" in names:
        found, advice = "this page has no app yet", "demo.launch(prevent_thread_lock=True) first"
    elif callable(app) and not isinstance(app, type) and hasattr(app, "__code__"):
        found = f"{app.__qualname__} is a function: it may make an app, and is none"
        advice = f"give the app: lp.routes({app.__name__}()), or the one it has made"
    else:
        cls = type(app)
        found = f"a {cls.__module__}.{cls.__qualname__} has no routes that livepatch knows"
        advice = "give a Starlette, FastAPI or aiohttp app, or one of its routers or mounts"
    return PatchRefused(asked, found, advice)


def _shown(app: Any) -> str:
    return str(getattr(app, "__qualname__", None) or type(app).__name__)
