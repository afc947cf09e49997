"""Reads facts of a Starlette or FastAPI route, without importing either."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["route", "websocket", "mount", "host", "included", "other"]

# Nobody's URL: what matches it matches whatever the parameter stands for.
SAMPLES = (
    "livepatch-sample",
    "8274639150",
    "8274639.150",
    "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
    "livepatch/sample",
)


def kind_of(route: Any) -> Kind:
    """What a route is, by the names of its classes."""
    names = {cls.__name__ for cls in type(route).__mro__}
    if "_IncludedRouter" in names:
        return "included"
    kinds: dict[str, Kind] = {
        "Route": "route",
        "WebSocketRoute": "websocket",
        "Mount": "mount",
        "Host": "host",
    }
    return next((kind for name, kind in kinds.items() if name in names), "other")


def is_api_route(route: Any) -> bool:
    """Whether it is FastAPI's: made from a function's signature."""
    return hasattr(route, "dependant")


def inner_router(route: Any) -> Any:
    """The router whose routes a mount, host or included router leads to; None: an app of its own.

    ``_base_app`` is a mount's app without the middleware around it.
    """
    if kind_of(route) == "included":
        return route.original_router
    app = getattr(route, "_base_app", None)
    app = getattr(route, "app", None) if app is None else app
    return router_of(app)


def router_of(app: Any) -> Any:
    """The router of an app: itself, its ``router``, or that of the app it wraps; None: it has none.

    Example:
        >>> from starlette.applications import Starlette
        >>> app = Starlette()
        >>> router_of(app) is app.router
        True
    """
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        for candidate in (getattr(app, "router", None), app):
            is_router = any(cls.__name__ == "Router" for cls in type(candidate).__mro__)
            if is_router and isinstance(getattr(candidate, "routes", None), list):
                return candidate
        app = getattr(app, "app", None)
    return None


def endpoint_of(route: Any) -> Any:
    """What answers requests: the endpoint, or the app of a mount."""
    found = getattr(route, "endpoint", None)
    if found is None:
        found = getattr(route, "_base_app", None)
    return getattr(route, "app", None) if found is None else found


def methods_of(route: Any) -> tuple[str, ...]:
    """The HTTP methods, without the HEAD that comes along with GET; none: every method."""
    methods = set(getattr(route, "methods", None) or ())
    return tuple(sorted(methods - {"HEAD"} if "GET" in methods else methods))


def label_of(kind: str, methods: Sequence[str], path: str) -> str:
    """A route as people name it: ``GET /path``.

    Example:
        >>> label_of("route", ("GET", "POST"), "/x"), label_of("mount", (), "")
        ('GET,POST /x', 'MOUNT /')
    """
    if kind == "route" and methods:
        return f"{','.join(methods)} {path}"
    words = {"route": "ANY", "websocket": "WS", "mount": "MOUNT", "host": "HOST"}
    return f"{words.get(kind, 'OTHER')} {path or '/'}"


def shape_of(route: Any) -> str:
    """A path without the names of its parameters: routes of one shape serve the same URLs."""
    convertors = getattr(route, "param_convertors", None) or {}
    path = str(getattr(route, "path_format", ""))
    for name, convertor in convertors.items():
        path = path.replace(f"{{{name}}}", f"{{{type(convertor).__name__}}}")
    return path


class Request(NamedTuple):
    """A request that a route would get."""

    type: str
    method: str
    path: str

    def without(self, prefix: str) -> Request | None:
        """The same as a router below a prefix sees it; None: it never does."""
        if not self.path.startswith(prefix):
            return None
        return Request(self.type, self.method, self.path[len(prefix) :] or "/")

    def is_won_by(self, route: Any) -> bool:
        """Whether a route takes the request if it is asked."""
        scope = {
            "type": self.type,
            "method": self.method,
            "path": self.path,
            "root_path": "",
            "path_params": {},
            "headers": [],
            "query_string": b"",
        }
        try:
            match, _ = route.matches(scope)
        except Exception:  # a route class of the webui's own that needs more than this
            return False
        return bool(getattr(match, "name", "") == "FULL")


def sample_requests(route: Any, prefix: str = "") -> list[Request]:
    """A request of each method that a route is there for; none where no URL can be made up."""
    path = getattr(route, "path_format", None)
    if not isinstance(path, str) or kind_of(route) == "host":
        return []
    path = f"{prefix}{path}"
    for name, convertor in (getattr(route, "param_convertors", None) or {}).items():
        sample = next((s for s in SAMPLES if re.fullmatch(convertor.regex, s)), None)
        if sample is None:
            return []
        path = path.replace(f"{{{name}}}", sample)
    if kind_of(route) == "websocket":
        return [Request("websocket", "", path)]
    return [Request("http", method, path) for method in methods_of(route) or ("GET",)]


def winner_over(requests: Sequence[Request], earlier: Sequence[Any]) -> Any:
    """The route that takes all of these requests before they come any further; None: none does."""
    winners = [next((r for r in earlier if q.is_won_by(r)), None) for q in requests]
    if not winners or any(winner is None for winner in winners):
        return None
    return winners[0]
