"""From what the user gave, an app or a router, to its routes."""

from __future__ import annotations

from typing import Any

from livepatch.engine import PatchRefused
from livepatch.engine.changing.registry import registry
from livepatch.web.find import path_of, unwrapped
from livepatch.web.kinds import kind_of_app, named_kinds

from .kinds import router_of
from .routes import Routes
from .walk import add_documented, list_of


def routes_of(app: Any) -> Routes:
    """The routes of an app.

    Args:
        app: a Starlette, FastAPI or aiohttp app, also one in a wrapper that keeps it in ``.app``,
            such as a launched Gradio page; a router or a mount; an app of another kind that is
            known (``livepatch/web/kinds.py``).

    Raises:
        PatchRefused: it is none of these.
    """
    asked = f"look at the routes of {_shown(app)}"
    with registry.lock:
        return _routes_of(asked, app)


def _routes_of(asked: str, app: Any) -> Routes:
    for one in unwrapped(app):
        kind = kind_of_app(one)
        if kind is not None:
            path = f"routes of {path_of(one)}"
            return Routes(kind.routes_of(one, path), path)
    router = router_of(app)
    if router is None:
        raise _no_app(asked, app)
    path = f"routes of {path_of(app)}"
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
        advice = f"give a Starlette or FastAPI app, a router or mount of one, or {named_kinds()}"
    return PatchRefused(asked, found, advice)


def _shown(app: Any) -> str:
    return str(getattr(app, "__qualname__", None) or type(app).__name__)
