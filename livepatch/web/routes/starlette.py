"""The routes of a Starlette or FastAPI router: how they are read, stored and made."""

from __future__ import annotations

import copy
import inspect
import sys
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import undecorated
from livepatch.web.chain import Entrance
from livepatch.web.links import is_asgi

from .kinds import (
    endpoint_of,
    is_api_route,
    kind_of,
    methods_of,
    sample_requests,
    shape_of,
)
from .list import RouteList, same_routes
from .openapi import check_document, routes_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .kinds import Request

HOW_TO_WRITE = "give a function: def f(…): …"
# What FastAPI works out from the function, unless it was told.
DERIVED = ("response_model", "description")


class StarletteRoutes(RouteList):
    """``router.routes``, a list.

    Attributes:
        apps: the FastAPI apps that show these routes in their documents.
    """

    def __init__(self, owner: Any, path: str) -> None:
        super().__init__(owner, path)
        self.apps: weakref.WeakSet[Any] = weakref.WeakSet()
        self._own_list: list[Any] | None = None

    def renew(self, owner: Any) -> None:
        """Go on with the router of the app that the webui has made in the place of this one's."""
        self._own_list = None
        super().renew(owner)

    def read(self) -> list[Any]:
        """A copy of the list that is there."""
        return list(self.owner.routes)

    def write(self, routes: list[Any], *, are_own: bool) -> None:
        """Store a new list: who walks along the old one walks it to its end."""
        present = self.owner.routes
        if self._own_list is None:
            self._own_list = present
        if are_own:
            if same_routes(self._own_list, routes):
                routes = self._own_list
            self._own_list = None
        if not same_routes(present, routes) or (are_own and present is not routes):
            self.owner.routes = routes
            routes_changed(self.owner, list(self.apps))

    def kind_of(self, route: Any) -> str:
        """What a route is, by the names of its classes."""
        return kind_of(route)

    def path_of(self, route: Any) -> str:
        """Its path; of an included router what is put before its paths."""
        if kind_of(route) == "included":
            return str(route.include_context.prefix)
        return str(getattr(route, "host", None) or getattr(route, "path", None) or "")

    def methods_of(self, route: Any) -> tuple[str, ...]:
        """Its HTTP methods, without the HEAD that comes along with GET."""
        return methods_of(route)

    def endpoint_of(self, route: Any) -> Any:
        """Its function, or the app of a mount."""
        return endpoint_of(route)

    def shape_of(self, route: Any) -> str:
        """Its path without the names of the parameters."""
        return shape_of(route)

    def sample_requests(self, route: Any, prefix: str) -> list[Request]:
        """Requests that would come here."""
        return sample_requests(route, prefix)

    def make(self, asked: str, path: str, endpoint: Any, options: Mapping[str, Any]) -> Any:
        """A new route, made as the router itself would make it, with its own defaults."""
        scratch = copy.copy(self.owner)
        scratch.routes = []
        options = dict(options)
        is_websocket = options.pop("websocket", None)
        if is_websocket is None:
            is_websocket = "methods" not in options and _takes_websocket(endpoint)
        if _is_app(endpoint):
            return _made(asked, endpoint, scratch, scratch.mount, path, endpoint, **options)
        _check_endpoint(asked, endpoint)
        if hasattr(scratch, "add_api_route") and not isinstance(endpoint, type):
            add = scratch.add_api_websocket_route if is_websocket else scratch.add_api_route
            scratch.prefix = ""  # the path is given whole
            return _made(asked, endpoint, scratch, add, path, endpoint, **options)
        _check_takes_one(asked, endpoint, "websocket" if is_websocket else "request")
        add = scratch.add_websocket_route if is_websocket else scratch.add_route
        return _made(asked, endpoint, scratch, add, path, endpoint, **options)

    def remake(
        self, asked: str, route: Any, endpoint: Any, options: Mapping[str, Any], around: Any
    ) -> Any:
        """A route like another one: path, methods, dependencies and all that was told to it."""
        kind = kind_of(route)
        if kind in ("mount", "host"):
            return _remounted(asked, route, endpoint, options)
        _check_endpoint(asked, endpoint)
        if isinstance(getattr(route, "app", None), Entrance):
            raise PatchRefused(
                asked,
                "livepatch added middleware around this route, and it would stay with the old one",
                "lp.middleware(route): remove it first; or lp.replace() the function itself",
            )
        given = _told_to(route) if is_api_route(route) else _plain_options(asked, route)
        if not is_api_route(route):
            _check_takes_one(asked, endpoint, "websocket" if kind == "websocket" else "request")
        given.update(options)
        new = _made(asked, endpoint, None, type(route), route.path, endpoint, **given)
        for included in around:
            _check_included(asked, endpoint, new, included)
        return new


def _made(
    asked: str, endpoint: Any, scratch: Any, make: Callable[..., Any], *args: Any, **options: Any
) -> Any:
    """The route that a call makes, or leaves in a scratch router; its document can be written."""
    try:
        made = make(*args, **options)
        made = made if scratch is None else scratch.routes[-1]
        check_document(made)
    except Exception as error:
        raise _unserved(asked, endpoint, error) from error
    return made


def _unserved(asked: str, endpoint: Any, error: Exception) -> PatchRefused:
    said = " ".join(str(error).split()) or "(it says nothing)"
    return PatchRefused(
        asked,
        f"{type(error).__name__}: {said}",
        f"nothing has changed; look at {place(undecorated(endpoint))}",
    )


def _told_to(route: Any) -> dict[str, Any]:
    """What a route of FastAPI was made with, without what it read from its function."""
    own = next(
        (c for c in type(route).__mro__ if c.__module__.partition(".")[0] == "fastapi"),
        type(route),
    )
    names = [n for n in inspect.signature(own.__init__).parameters if hasattr(route, n)]  # type: ignore[misc]
    told = {n: getattr(route, n) for n in names if n not in ("path", "endpoint")}
    # A router passes its own overrides on to its routes as it makes them.
    if "dependency_overrides_provider" in inspect.signature(own.__init__).parameters:  # type: ignore[misc]
        told.setdefault("dependency_overrides_provider", _overrides_of(route))
    for name in DERIVED:
        if name in told and told[name] == _derived(route, name):
            del told[name]
    return {name: value for name, value in told.items() if value is not None or name in DERIVED}


def _derived(route: Any, name: str) -> Any:
    if name == "description":
        return inspect.cleandoc(route.endpoint.__doc__ or "").split("\f")[0].strip()
    module = sys.modules["fastapi.dependencies.utils"]
    read = getattr(module, "get_typed_return_annotation", None)
    annotation = read(route.endpoint) if read is not None else None
    response = getattr(sys.modules.get("starlette.responses"), "Response", ())
    answers_itself = isinstance(annotation, type) and issubclass(annotation, response)
    streams = inspect.isgeneratorfunction(route.endpoint) or inspect.isasyncgenfunction(
        route.endpoint
    )
    return None if answers_itself or streams else annotation


def _overrides_of(route: Any) -> Any:
    """``dependency_overrides_provider`` of a websocket route, which keeps it in a closure."""
    app: Any = getattr(route, "app", None)
    for _ in range(2):
        cells = dict(
            zip(
                getattr(getattr(app, "__code__", None), "co_freevars", ()),
                getattr(app, "__closure__", None) or (),
                strict=False,
            )
        )
        if "dependency_overrides_provider" in cells:
            return cells["dependency_overrides_provider"].cell_contents
        app = cells["func"].cell_contents if "func" in cells else None
    return None


def _plain_options(asked: str, route: Any) -> dict[str, Any]:
    """What a route of Starlette was made with; it forgets the middleware it was given."""
    if not inspect.isroutine(route.app) and route.app is not route.endpoint:
        raise PatchRefused(
            asked,
            f"this route has middleware of its own around it ({type(route.app).__name__}), which "
            "a new route would lose",
            f"replace the function itself: lp.replace({_dotted(route.endpoint)!r}, …)",
        )
    names = ("name", "methods", "include_in_schema")
    told = {name: getattr(route, name) for name in names if hasattr(route, name)}
    if told.get("methods"):
        told["methods"] = sorted(told["methods"])
    return told


def _remounted(asked: str, route: Any, app: Any, options: Mapping[str, Any]) -> Any:
    if not is_asgi(app):
        found = f"{_shown(app)} is not an ASGI app, which a {type(route).__name__} needs"
        raise PatchRefused(asked, found, "give an app: FastAPI(), Router(), StaticFiles(…), …")
    if isinstance(route.app, Entrance) or route.app is not endpoint_of(route):
        found = f"this {type(route).__name__} has middleware around it, which a new one would lose"
        raise PatchRefused(asked, found, "lp.middleware(route): remove it first")
    at = route.host if kind_of(route) == "host" else route.path
    return _made(asked, app, None, type(route), at, app, **{"name": route.name, **options})


def _check_included(asked: str, endpoint: Any, new: Any, included: Any) -> None:
    """Let FastAPI work out the route as an including router serves it: now, not at a request."""
    build = getattr(included, "_build_effective_context", None)
    if build is None:
        return
    try:
        build(new)
    except Exception as error:
        raise _unserved(asked, endpoint, error) from error


def _check_endpoint(asked: str, endpoint: Any) -> None:
    if _is_endpoint(endpoint):
        return
    if inspect.iscoroutine(endpoint):
        endpoint.close()
        found = f"{endpoint.__qualname__}(…) is a call of the function, not the function"
        raise PatchRefused(asked, found, f"give the function itself: {endpoint.__name__}")
    raise PatchRefused(asked, f"{_shown(endpoint)} cannot be called", HOW_TO_WRITE)


def _is_endpoint(endpoint: Any) -> bool:
    """Whether it answers requests of one route: a function, or a class that is made for each."""
    code = undecorated(endpoint)
    if inspect.isroutine(code):
        return True
    if isinstance(endpoint, type):
        return any(hasattr(endpoint, name) for name in ("dispatch", "__await__"))
    return callable(endpoint) and not is_asgi(endpoint)


def _is_app(endpoint: Any) -> bool:
    """Whether it is an app of its own, to be mounted."""
    if not is_asgi(endpoint):
        return False
    if not inspect.isroutine(undecorated(endpoint)):
        return True
    return list(inspect.signature(endpoint).parameters)[-3:] == ["scope", "receive", "send"]


def _check_takes_one(asked: str, endpoint: Any, what: str) -> None:
    """A route of Starlette calls its function with one argument; a websocket's has to be async."""
    if isinstance(endpoint, type) or _is_app(endpoint):
        return
    if what == "websocket" and not inspect.iscoroutinefunction(endpoint):
        found = f"{_shown(endpoint)} ({place(undecorated(endpoint))}) is not async"
        raise PatchRefused(asked, found, "async def f(websocket): …")
    try:
        signature = inspect.signature(endpoint)
    except (TypeError, ValueError):
        return  # built in: Python cannot tell
    try:
        signature.bind(None)
    except TypeError as error:
        raise PatchRefused(
            asked,
            f"{_shown(endpoint)}{signature} ({place(undecorated(endpoint))}): {error}; "
            f"this route calls it with the {what} only",
            f"write it as f({what}); parameters are FastAPI's",
        ) from error


def _takes_websocket(endpoint: Any) -> bool:
    try:
        parameters = inspect.signature(endpoint).parameters.values()
    except (TypeError, ValueError):
        return False
    shown = [getattr(p.annotation, "__name__", str(p.annotation)) for p in parameters]
    return any(name.rpartition(".")[2] == "WebSocket" for name in shown)


def _dotted(endpoint: Any) -> str:
    code = undecorated(endpoint)
    return f"{getattr(code, '__module__', '?')}.{getattr(code, '__qualname__', '?')}"


def _shown(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", None) or repr(thing))
