"""Finds the live stack or routes of what the user gave: an app, a router, a mount or a route."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.changing.registry import registry

from .asgi.app import AppStack
from .asgi.stack import AsgiStack
from .kinds import kind_of_app, named_kinds
from .routes.kinds import router_of
from .routes.routes import Routes
from .routes.walk import add_documented, follow_router, list_of

if TYPE_CHECKING:
    from .stack import MiddlewareStack

_stacks: weakref.WeakValueDictionary[int, MiddlewareStack] = weakref.WeakValueDictionary()


def middleware_of(app: Any) -> MiddlewareStack:
    """The live stack of an app; the same object for the same app.

    Args:
        app: a Starlette or FastAPI app, also one in a wrapper that keeps it in ``.app``; a router,
            mount or route; an app of another kind that is known (``livepatch/web/kinds.py``).

    Raises:
        PatchRefused: it is none of these, or its stack cannot be mapped.
    """
    asked = f"look at the middleware of {_shown(app)}"
    with registry.lock:
        stack = _stack_in(asked, app)
    if stack is not None:
        return stack
    raise PatchRefused(
        asked,
        f"a {type(app).__module__}.{type(app).__qualname__} has no stack that livepatch knows",
        "give a Starlette or FastAPI app, one of its routers, mounts or routes, or "
        f"{named_kinds()}",
    )


def _stack_in(asked: str, app: Any) -> MiddlewareStack | None:
    for owner in unwrapped(app):
        stack = _stacks.get(id(owner))
        if stack is None or stack.owner is not owner:
            stack = _stack_over(owner)
        if stack is not None:
            stack.refresh(asked)
            _stacks[id(owner)] = stack
            return stack
    return None


def _stack_over(owner: Any) -> MiddlewareStack | None:
    names = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(owner).__mro__}
    path = f"middleware of {path_of(owner)}"
    if ("starlette", "Starlette") in names:
        return AppStack(owner, "middleware_stack", owner.router, path)
    if ("starlette", "Router") in names and hasattr(owner, "middleware_stack"):
        return AsgiStack(owner, "middleware_stack", owner.app, path)
    if ("starlette", "Mount") in names:
        return AsgiStack(owner, "app", getattr(owner, "_base_app", None), path)
    if any(("starlette", name) in names for name in ("Route", "WebSocketRoute", "Host")):
        return AsgiStack(owner, "app", None, path)
    kind = kind_of_app(owner)
    return None if kind is None else kind.stack_of(owner, path)


def routes_of(app: Any) -> Routes:
    """The routes of an app.

    Args:
        app: a Starlette, FastAPI or aiohttp app, also one in a wrapper that keeps it in ``.app``,
            such as a launched Gradio page; a router or a mount; an app of another kind that is
            known (``livepatch/web/kinds.py``).

    Raises:
        PatchRefused: it is none of these.
    """
    asked = f"look at the routes of {_named(app)}"
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


def follow_app(app: Any, new: Any) -> list[str]:
    """Have our changes of an app go upon the one that the webui has made in its place.

    Args:
        app: the app of before.
        new: the new one.

    Returns:
        What could not be carried over, each with the reason.
    """
    left: list[str] = []
    stack = _stacks.get(id(app))
    if stack is not None and stack.owner is app:
        try:
            stack.renew(new)
        except (PatchRefused, NotImplementedError) as refused:
            left.append(f"{stack.path}: {refused}")
        else:
            _stacks[id(new)] = stack
    old, router = router_of(app), router_of(new)
    if old is not None and router is not None:
        follow_router(old, router, new)
    return left


def _no_app(asked: str, app: Any) -> PatchRefused:
    names = {cls.__name__ for cls in type(app).__mro__}
    if "Blocks" in names:
        found, advice = "this page has no app yet", "demo.launch(prevent_thread_lock=True) first"
    elif callable(app) and not isinstance(app, type) and hasattr(app, "__code__"):
        found = f"{app.__qualname__} is a function: it may make an app, but is not one"
        advice = f"give the app: lp.routes({app.__name__}()), or the app that it has made"
    else:
        cls = type(app)
        found = f"a {cls.__module__}.{cls.__qualname__} has no routes that livepatch knows"
        advice = f"give a Starlette or FastAPI app, one of its routers, or {named_kinds()}"
    return PatchRefused(asked, found, advice)


def unwrapped(app: Any) -> list[Any]:
    """The app and what it wraps, from wrapper to wrapper.

    Args:
        app: the outermost.
    """
    found: list[Any] = []
    while app is not None and not any(app is one for one in found):
        found.append(app)
        app = vars(app).get("app") if hasattr(app, "__dict__") else None
    return found


def path_of(owner: Any) -> str:
    """What an app is called: the module and name it was given, else what it is.

    Args:
        owner: the app, or a part of one.
    """
    for name, module in list(sys.modules.items()):
        namespace = getattr(module, "__dict__", None)
        if not isinstance(namespace, dict) or name in _names_of_notebooks():
            continue
        for attribute, value in list(namespace.items()):
            if value is owner and not attribute.startswith("_"):
                return f"{name}.{attribute}"
    return _shown(owner)


def _names_of_notebooks() -> set[str]:
    """Whose names for things of the webui are not those things' own: a program's are."""
    return registry.notebook_modules - {"__main__"}


def _shown(app: Any) -> str:
    kind = type(app).__name__
    for name in ("path", "title"):
        told = getattr(app, name, None)
        if isinstance(told, str) and told:
            return f"{kind} {told!r}"
    return kind


def _named(app: Any) -> str:
    return str(getattr(app, "__qualname__", None) or type(app).__name__)
