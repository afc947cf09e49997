"""From what the user gave, an app, a router, a mount or a route, to its live stack."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.changing.registry import registry

from .asgi.stack import AsgiStack
from .kinds import kind_of_app, named_kinds

if TYPE_CHECKING:
    from .stack import MiddlewareStack

_stacks: weakref.WeakValueDictionary[int, MiddlewareStack] = weakref.WeakValueDictionary()

LEVELS = ("Router", "Mount", "Route", "WebSocketRoute", "Host")


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
        f"give a Starlette or FastAPI app, a router, mount or route of one, or {named_kinds()}",
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
        return AsgiStack(owner, "middleware_stack", owner.router, path)
    if ("starlette", "Router") in names and hasattr(owner, "middleware_stack"):
        return AsgiStack(owner, "middleware_stack", owner.app, path)
    if ("starlette", "Mount") in names:
        return AsgiStack(owner, "app", getattr(owner, "_base_app", None), path)
    if any(("starlette", name) in names for name in ("Route", "WebSocketRoute", "Host")):
        return AsgiStack(owner, "app", None, path)
    kind = kind_of_app(owner)
    return None if kind is None else kind.stack_of(owner, path)


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
        if not isinstance(namespace, dict):
            continue
        for attribute, value in list(namespace.items()):
            if value is owner and not attribute.startswith("_"):
                return f"{name}.{attribute}"
    return _shown(owner)


def _shown(app: Any) -> str:
    kind = type(app).__name__
    for name in ("path", "title"):
        told = getattr(app, name, None)
        if isinstance(told, str) and told:
            return f"{kind} {told!r}"
    return kind
