"""The routes of an aiohttp app (ComfyUI's server is one).

Its router keeps resources, each with a path and the routes of its methods, and an index of them by
path. A request takes the index that is there as it comes, so a change is a new index in one store,
with copies of the resources that are others now.
"""

from __future__ import annotations

import copy
import inspect
import re
import sys
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import undecorated

from .list import RouteList, same_routes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .kinds import Request

HOW_TO_WRITE = "async def f(request): return web.Response(text=…)"

_lists: weakref.WeakValueDictionary[int, AiohttpRoutes] = weakref.WeakValueDictionary()


class AiohttpRoutes(RouteList):
    """``app.router``: its routes; a folder of files or a sub-app is one of them."""

    goes_by_order = False

    def __init__(self, owner: Any, path: str) -> None:
        self._own: tuple[list[Any], dict[str, list[Any]]] | None = None
        super().__init__(owner, path)

    def read(self) -> list[Any]:
        """The routes of all resources, in the order in which they were registered."""
        return _routes_of(self.owner._resources)

    def write(self, routes: list[Any], *, are_own: bool) -> None:
        """Store a new index: a request on its way through the old one is not disturbed."""
        router = self.owner
        if self._own is None:
            self._own = (router._resources, router._resource_index)
        if are_own:
            own, self._own = self._own, None
            if same_routes(_routes_of(own[0]), routes):
                router._resource_index, router._resources = own[1], own[0]
                return
        resources = _resources_for(routes)
        index: dict[str, list[Any]] = {}
        for resource in resources:
            if resource not in router._matched_sub_app_resources:
                index.setdefault(router._get_resource_index_key(resource), []).append(resource)
        router._resource_index, router._resources = index, resources

    def kind_of(self, route: Any) -> str:
        """A route, or a mount: files, or an app of its own."""
        return "route" if hasattr(route, "handler") else "mount"

    def path_of(self, route: Any) -> str:
        """The path, with the prefix of the app's own sub-apps."""
        resource = route.resource if hasattr(route, "handler") else route
        return str(resource.canonical)

    def methods_of(self, route: Any) -> tuple[str, ...]:
        """Its HTTP method; none: every method."""
        method = getattr(route, "method", "*")
        return () if method == "*" else (method,)

    def endpoint_of(self, route: Any) -> Any:
        """What answers: a coroutine function, a view, a sub-app, a folder."""
        return getattr(route, "handler", None) or getattr(route, "_app", route)

    def shape_of(self, route: Any) -> str:
        """The path without the names of its parameters."""
        return re.sub(r"\{[^{}]*\}", "{}", self.path_of(route))

    def sample_requests(self, route: Any, prefix: str) -> list[Request]:  # noqa: ARG002
        """None: aiohttp goes by the longest path, and no route takes another one's requests."""
        return []

    def make(self, asked: str, path: str, endpoint: Any, options: Mapping[str, Any]) -> Any:
        """A new route with a resource of its own."""
        options = dict(options)
        methods = options.pop("methods", None) or [options.pop("method", "GET")]
        if len(methods) != 1:
            found = f"an aiohttp route has one method, not {', '.join(methods)}"
            raise PatchRefused(asked, found, "add one route for each method")
        _check_handler(asked, endpoint)
        module: Any = sys.modules["aiohttp.web_urldispatcher"]
        is_plain = not ("{" in path or "}" in path)
        kind = module.PlainResource if is_plain else module.DynamicResource
        try:
            resource = kind(path, name=options.pop("name", None))
            route = resource.add_route(methods[0].upper(), endpoint, **options)
            if route.method == "GET":
                resource.add_route("HEAD", endpoint, **options)
            resource.freeze()
        except Exception as error:
            raise _refused(asked, endpoint, error) from error
        return route

    def remake(
        self,
        asked: str,
        route: Any,
        endpoint: Any,
        options: Mapping[str, Any],
        around: Any,  # noqa: ARG002 - nothing is around a route of aiohttp
    ) -> Any:
        """A route of the same resource and method with another function."""
        if not hasattr(route, "handler"):
            found = f"{self.path_of(route) or '/'} is a {type(route).__name__}, no function"
            raise PatchRefused(asked, found, "remove it and add your own routes")
        if options:
            found = f"only the function of an aiohttp route can be replaced ({', '.join(options)})"
            raise PatchRefused(asked, found, "remove it and add another route")
        _check_handler(asked, endpoint)
        expect = route._expect_handler
        try:
            return type(route)(route.method, endpoint, route.resource, expect_handler=expect)
        except Exception as error:
            raise _refused(asked, endpoint, error) from error


def aiohttp_list_of(app: Any, path: str) -> AiohttpRoutes:
    """The list of an app's router; the same object for the same router."""
    router = app.router
    found = _lists.get(id(router))
    if found is None or found.owner is not router:
        found = _lists[id(router)] = AiohttpRoutes(router, path)
    return found


def is_aiohttp_app(app: Any) -> bool:
    """Whether it is an ``aiohttp.web.Application``."""
    names = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(app).__mro__}
    return ("aiohttp", "Application") in names


def sub_app_of(route: Any) -> Any:
    """The app of its own that a resource leads to, if it does."""
    app = getattr(route, "_app", None)
    return app if is_aiohttp_app(app) else None


def _has_routes(resource: Any) -> bool:
    """Whether its routes can be changed one by one: not those of files and sub-apps."""
    return isinstance(getattr(resource, "_routes", None), dict) and hasattr(resource, "_any_route")


def _routes_of(resources: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for resource in resources:
        if _has_routes(resource):
            found += [route for route in resource if route is not _head_of(resource)]
        else:
            found.append(resource)
    return found


def _head_of(resource: Any) -> Any:
    """The HEAD that aiohttp adds to a GET: it follows the GET, and is not listed."""
    head, get = resource._routes.get("HEAD"), resource._routes.get("GET")
    return head if head is not None and get is not None and head.handler is get.handler else None


def _resources_for(routes: Sequence[Any]) -> list[Any]:
    """Resources with these routes in this order: the webui's own where they are as they were."""
    resources: list[Any] = []
    runs: list[list[Any]] = []
    for route in routes:
        resource = getattr(route, "resource", None)
        before = getattr(runs[-1][-1], "resource", None) if runs else None
        if resource is not None and before is resource:
            runs[-1].append(route)
        else:
            runs.append([route])
    for run in runs:
        resource = getattr(run[0], "resource", None)
        if resource is None:
            resources.append(run[0])
        elif same_routes(_routes_of([resource]), run):
            resources.append(resource)
        else:
            resources.append(_with_routes(resource, run))
    return resources


def _with_routes(resource: Any, routes: Sequence[Any]) -> Any:
    other = copy.copy(resource)
    other._routes = {route.method: route for route in routes}
    get, head = other._routes.get("GET"), _head_of(resource)
    if get is not None and head is not None and "HEAD" not in other._routes:
        if get.handler is not head.handler:
            head = type(head)("HEAD", get.handler, resource, expect_handler=head._expect_handler)
        other._routes["HEAD"] = head
    other._any_route = other._routes.get("*")
    other._allowed_methods = set(other._routes)
    return other


def _check_handler(asked: str, endpoint: Any) -> None:
    """A handler is a coroutine function of one argument, or a view."""
    view = getattr(sys.modules.get("aiohttp.abc"), "AbstractView", ())
    if isinstance(endpoint, type) and issubclass(endpoint, view):
        return
    if inspect.iscoroutine(endpoint):
        endpoint.close()
        found = f"{endpoint.__qualname__}(…) is a call of the function, not the function"
        raise PatchRefused(asked, found, f"give the function itself: {endpoint.__name__}")
    name = getattr(endpoint, "__qualname__", None) or repr(endpoint)
    if not inspect.iscoroutinefunction(endpoint):
        found = f"{name} ({place(undecorated(endpoint))}) is not a coroutine function"
        raise PatchRefused(asked, found, HOW_TO_WRITE)
    try:
        inspect.signature(endpoint).bind(None)
    except TypeError as error:
        found = (
            f"{name} ({place(undecorated(endpoint))}): {error}; aiohttp calls it with the request "
            "only"
        )
        raise PatchRefused(asked, found, HOW_TO_WRITE) from error


def _refused(asked: str, endpoint: Any, error: Exception) -> PatchRefused:
    said = " ".join(str(error).split()) or "(it says nothing)"
    advice = f"nothing has changed; look at {place(undecorated(endpoint))}"
    return PatchRefused(asked, f"{type(error).__name__}: {said}", advice)
