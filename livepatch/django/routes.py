"""The URL patterns of a running Django, as routes.

Django tries patterns in their order, through includes, and asks each for its view as a request
comes. So a pattern is changed where it stands: another view, or an answer that it does not match.
"""

from __future__ import annotations

import re
import sys
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.web.routes.list import RouteList

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from livepatch.web.routes.kinds import Request


class Pattern:
    """One pattern with the whole path that leads to it.

    Attributes:
        pattern: Django's own ``URLPattern``.
        path: the path from the root, as Django writes it: ``/blog/<int:pk>/``.
        name: its name with its namespaces, for ``reverse()``.
        view: what answers.
    """

    def __init__(self, pattern: Any, path: str, name: str | None, view: Any) -> None:
        self.pattern, self.path, self.name, self.view = pattern, path, name, view


class DjangoRoutes(RouteList):
    """All patterns of the root URLconf, in the order of matching."""

    goes_by_order = False

    def __init__(self, owner: Any, path: str) -> None:
        self._known: dict[tuple[int, str, int], Pattern] = {}
        self._views: dict[int, tuple[Any, Any]] = {}
        super().__init__(owner, path)

    def read(self) -> list[Any]:
        """The patterns that requests are matched against now."""
        found = []
        for pattern, path, name in _patterns(self.owner()):
            if "resolve" in vars(pattern):
                continue  # ours: it matches nothing
            key = (id(pattern), path, id(pattern.callback))
            if key not in self._known:
                self._known[key] = Pattern(pattern, path, name, pattern.callback)
            found.append(self._known[key])
        return found

    def write(self, routes: list[Any], *, are_own: bool) -> None:  # noqa: ARG002
        """Give each pattern its view, and let those that are gone match nothing."""
        wanted = {id(route.pattern): route for route in routes}
        order = [id(route.pattern) for route in self.base]
        if [key for key in wanted if key in order] != [key for key in order if key in wanted]:
            raise PatchRefused(
                f"move a pattern of {self.path}",
                "Django tries patterns in the order of its lists, which includes share",
                "change the order in urls.py, then: %django_app reload APP",
            )
        for pattern, path, name in _patterns(self.owner()):
            route = wanted.get(id(pattern))
            if route is None:
                pattern.resolve = _matches_nothing
                continue
            vars(pattern).pop("resolve", None)
            if pattern.callback is not route.view:
                pattern.callback = route.view
                self._known[id(pattern), path, id(route.view)] = route
            route.name = name

    def kind_of(self, route: Any) -> str:  # noqa: ARG002
        """A route; what is included is listed with its whole path."""
        return "route"

    def path_of(self, route: Any) -> str:
        """The whole path."""
        return str(route.path)

    def methods_of(self, route: Any) -> tuple[str, ...]:
        """The methods of a class-based view; of a function none are known: every method."""
        cls = getattr(route.view, "view_class", None)
        if cls is None:
            return ()
        names = getattr(cls, "http_method_names", ())
        return tuple(n.upper() for n in names if n not in ("options", "head") and hasattr(cls, n))

    def endpoint_of(self, route: Any) -> Any:
        """The view; of a class-based one its class."""
        return getattr(route.view, "view_class", route.view)

    def shape_of(self, route: Any) -> str:
        """The path without the names of its parameters."""
        return re.sub(r"<(?:(\w+):)?\w+>", r"<\1>", str(route.path))

    def sample_requests(self, route: Any, prefix: str) -> list[Request]:  # noqa: ARG002
        """None: which pattern wins is Django's to say."""
        return []

    def make(self, asked: str, path: str, endpoint: Any, options: Mapping[str, Any]) -> Any:  # noqa: ARG002
        """Refuse: a pattern comes with the app that has it."""
        raise PatchRefused(
            asked,
            "a URL pattern of Django belongs to an app's urls.py, which reverse() and the admin "
            "rely on",
            "put it there, then: %django_app reload APP, or %django_app load NEW_APP",
        )

    def remake(
        self,
        asked: str,
        route: Any,
        endpoint: Any,
        options: Mapping[str, Any],
        around: Any,  # noqa: ARG002
    ) -> Any:
        """The same pattern with another view."""
        if options:
            told = ", ".join(options)
            raise PatchRefused(
                asked, f"only the view of a pattern can be replaced ({told})", "f only"
            )
        view = endpoint.as_view() if hasattr(endpoint, "as_view") else endpoint
        if not callable(view):
            raise PatchRefused(asked, f"{endpoint!r} cannot be called", "give a view function")
        return Pattern(route.pattern, route.path, route.name, view)


_lists: weakref.WeakValueDictionary[int, DjangoRoutes] = weakref.WeakValueDictionary()


def django_list_of(handler: Any, path: str) -> DjangoRoutes:
    """The patterns of the process; the same object for the same root URLconf."""
    key = id(sys.modules.get("django.urls.resolvers"))
    found = _lists.get(key)
    if found is None:
        found = _lists[key] = DjangoRoutes(_root, path)
        found.handler = handler  # type: ignore[attr-defined]
    return found


def _root() -> Any:
    """The resolver for new requests; with apps that come and go that of the newest version."""
    settings = sys.modules["django.conf"].settings
    resolvers = sys.modules["django.urls.resolvers"]
    return resolvers.get_resolver(settings.ROOT_URLCONF)


def _patterns(
    resolver: Any, prefix: str = "/", namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[Any, str, str | None]]:
    for pattern in list(resolver.url_patterns):
        path = f"{prefix}{pattern.pattern}"
        if hasattr(pattern, "url_patterns"):
            space = pattern.namespace
            inner = (*namespaces, space) if space else namespaces
            yield from _patterns(pattern, path, inner)
        else:
            name = ":".join((*namespaces, pattern.name)) if pattern.name else None
            yield pattern, path, name


def _matches_nothing(path: str) -> None:
    """What stands for ``URLPattern.resolve``: Django goes on to the next pattern."""
