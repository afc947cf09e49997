"""Tells which route has answered a request."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from livepatch.engine import LivepatchError
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import owner_of, undecorated
from livepatch.measure import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from .route import LiveRoute

GROUP = "requests"
NOBODY = "no route"


class Answering:
    """The routes of an app by what a request knows of them when it is over.

    Starlette leaves the endpoint in the scope, not always the route; so where several routes have
    one endpoint, the path decides.

    Args:
        routes: answers the routes of the app whose requests are looked at.
    """

    def __init__(self, routes: Callable[[], Iterable[LiveRoute]]) -> None:
        self.routes = routes
        self._routes: dict[tuple[int, str], list[LiveRoute]] = {}

    def look(self) -> None:
        """Take the routes as they are now."""
        found: dict[tuple[int, str], list[LiveRoute]] = {}
        with contextlib.suppress(LivepatchError):  # a route by itself has no routes
            for route in self.routes():
                for method in route.methods or ("",):
                    found.setdefault((id(route.endpoint), method), []).append(route)
        self._routes = found

    def of_scope(self, scope: Any, path: str, root: str) -> tuple[Hashable, Callable[[], Part]]:
        """What a request is noted under: the route, or its function where that is new.

        Args:
            scope: the scope as routing left it.
            path: the path that was asked for.
            root: what the app is mounted at.
        """
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return NOBODY, lambda: Part(GROUP, NOBODY)
        method = scope.get("method", "")
        method = "GET" if method == "HEAD" else method
        routes = self._routes.get((id(endpoint), method)) or self._routes.get((id(endpoint), ""))
        if routes is None:
            label = f"{method or 'WS'} {path_below(root, path)}"
            return (NOBODY, id(endpoint)), lambda: _part_of(label, endpoint)
        route = routes[0]
        if len(routes) > 1:
            below = path_below(root, path)
            route = next((one for one in routes if _fits(one, below)), route)
        return route.label, lambda: Part(GROUP, route.label, route.owner, route.place)

    def of_request(self, request: Any) -> tuple[Hashable, Callable[[], Part]]:
        """The same for a request of aiohttp, which knows its route."""
        route = request.match_info.route
        resource = getattr(route, "resource", None)
        label = None if resource is None else f"{route.method} {resource.canonical}"
        return self.of_route(None if label is None else (label, route.handler))

    def of_route(self, found: tuple[str, Any] | None) -> tuple[Hashable, Callable[[], Part]]:
        """The same where the label and the function of the route are known; None: no route was."""
        if found is None:
            return NOBODY, lambda: Part(GROUP, NOBODY)
        label, endpoint = found
        return label, lambda: _part_of(label, endpoint)


def path_below(root: str, path: str) -> str:
    """The path that an app is asked for, below what it is mounted at."""
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _fits(route: LiveRoute, path: str) -> bool:
    pattern = getattr(route.route, "path_regex", None)
    prefix = route.row.prefix
    return pattern is not None and bool(
        path.startswith(prefix) and pattern.match(path[len(prefix) :])
    )


def _part_of(label: str, endpoint: Any) -> Part:
    code = undecorated(endpoint)
    return Part(GROUP, label, owner_of(code), place(code))
