"""Walks along the routes of an app, down into mounted apps and included routers."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from livepatch.looking.callables import owner_of, undecorated

from .aiohttp import AiohttpRoutes, aiohttp_list_of, sub_app_of
from .kinds import endpoint_of, inner_router, kind_of, label_of, winner_over
from .list import Cell, RouteLayer
from .starlette import StarletteRoutes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from livepatch.web.operations import OperationPlacement

    from .list import RouteList

_lists: weakref.WeakValueDictionary[int, StarletteRoutes] = weakref.WeakValueDictionary()


class Level(NamedTuple):
    """A router that a request comes through, and the route that it takes there."""

    routes: RouteList
    cell: Cell
    prefix: str


@dataclass(frozen=True, eq=False)
class Row:
    """One route and how it is reached.

    Attributes:
        levels: from the app's own router to that of the route.
        around: the routers it is included by, as FastAPI serves them.
    """

    levels: tuple[Level, ...]
    around: tuple[Any, ...] = ()

    @classmethod
    def of_cell(cls, routes: RouteList, cell: Cell, prefix: str) -> Row:
        """A row of one router, whatever leads there."""
        return cls((Level(routes, cell, prefix),))

    @classmethod
    def of_new(cls, routes: RouteList, route: Any, at: Row | None) -> Row:
        """A row for a route that is in no list yet, beside another one."""
        cell = Cell(route, route)
        if at is None:
            return cls.of_cell(routes, cell, "")
        return cls((*at.levels[:-1], Level(routes, cell, at.prefix)), at.around)

    @property
    def routes(self) -> RouteList:
        """The list that it stands in."""
        return self.levels[-1].routes

    @property
    def cell(self) -> Cell:
        """Its place in that list."""
        return self.levels[-1].cell

    @property
    def prefix(self) -> str:
        """What mounts and included routers put before its path."""
        return self.levels[-1].prefix

    @property
    def kind(self) -> str:
        """What it is."""
        return self.routes.kind_of(self.cell.route)

    @property
    def path(self) -> str:
        """The whole path; of a host its name."""
        return self.prefix + self.routes.path_of(self.cell.route)

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods."""
        return self.routes.methods_of(self.cell.route)

    @property
    def label(self) -> str:
        """As people name it: ``GET /path``."""
        if self.kind == "included":
            return f"the routes included at {self.path or '/'}"
        return label_of(self.kind, self.methods, self.path)

    @property
    def name(self) -> str | None:
        """Its name."""
        return getattr(self.cell.route, "name", None)

    @property
    def endpoint(self) -> Any:
        """What answers."""
        return self.routes.endpoint_of(self.cell.route)

    @property
    def operations(self) -> list[OperationPlacement]:
        """What we did to it, in order."""
        return [o for o in self.routes.plan if o.patch.slot is self.cell.slot]

    @property
    def owner(self) -> str:
        """Whose route it is: ours, an extension's, a package's or the webui's."""
        layers = [o.layer for o in self.operations if o.patch.new is self.cell.route]
        return layers[-1].owner if layers else owner_of(undecorated(self.endpoint))

    def is_meant_by(self, reference: Any) -> bool:
        """Whether someone who gives this means it."""
        if isinstance(reference, str):
            method, _, path = reference.strip().rpartition(" ")
            if path == self.path and method:
                return reference == self.label or method.upper() in self.methods
            return reference in (self.path, self.label, self.name)
        row = getattr(reference, "row", None)
        if isinstance(row, Row):
            return row.cell.slot is self.cell.slot and row.path == self.path
        if isinstance(reference, RouteLayer):
            return any(operation.layer is reference for operation in self.operations)
        if reference is self.cell.route:
            return True
        return callable(reference) and bool(reference == self.endpoint)

    def serves_what(self, other: Row) -> bool:
        """Whether another route is there for the same URLs, and for one of the same methods."""
        if self.kind != other.kind or self.shape != other.shape:
            return False
        mine, others = set(self.methods), set(other.methods)
        return not mine or not others or bool(mine & others)

    @property
    def shape(self) -> str:
        """The path without the names of its parameters."""
        return self.prefix + self.routes.shape_of(self.cell.route)

    def winner(self) -> str | None:
        """The route that takes all its requests before they come here; None: it is reached."""
        asked = self.routes.sample_requests(self.cell.route, self.prefix)
        for routes, cell, prefix in self.levels:
            requests = [q for request in asked if (q := request.without(prefix)) is not None]
            earlier = []
            for other in routes.cells():
                if other.slot is cell.slot:
                    break
                earlier.append(other)
            winner = winner_over(requests, [other.route for other in earlier])
            if winner is not None:
                found = next(other for other in earlier if other.route is winner)
                return Row.of_cell(routes, found, prefix).label
        return None

    def winner_among(self, cells: Sequence[Cell], *, of_all: bool) -> Cell | None:
        """The first of these cells of its router that takes its requests: one of them, or all."""
        requests = [
            q
            for request in self.routes.sample_requests(self.cell.route, self.prefix)
            if (q := request.without(self.prefix)) is not None
        ]
        if of_all:
            winner = winner_over(requests, [cell.route for cell in cells])
            return next((cell for cell in cells if cell.route is winner), None)
        return next((c for c in cells if any(q.is_won_by(c.route) for q in requests)), None)


def rows_of(
    routes: RouteList,
    prefix: str = "",
    levels: tuple[Level, ...] = (),
    around: tuple[Any, ...] = (),
) -> Iterator[Row]:
    """Every route below a router, in the order of matching; a mount before what is mounted."""
    routes.refresh()
    for cell in routes.cells():
        here = (*levels, Level(routes, cell, prefix))
        kind = routes.kind_of(cell.route)
        if kind != "included":
            yield Row(here, around)
        if kind not in ("included", "mount", "host"):
            continue
        if isinstance(routes, AiohttpRoutes):
            app = sub_app_of(cell.route)
            if app is not None:  # its paths begin with the prefix already
                yield from rows_of(aiohttp_list_of(app, f"routes of {routes.path}"), "", here)
            continue
        inner = inner_router(cell.route)
        if inner is None or any(level.routes.owner is inner for level in here):
            continue
        below = prefix + routes.path_of(cell.route) if kind != "host" else prefix
        inner_list = list_of(inner, f"{routes.path}{routes.path_of(cell.route)}")
        if kind == "included":
            for app in getattr(routes, "apps", ()):
                inner_list.apps.add(app)
            yield from rows_of(inner_list, below, here, _around(around, cell.route))
        else:
            add_documented(inner_list, endpoint_of(cell.route))
            yield from rows_of(inner_list, below, here)


def list_of(router: Any, path: str) -> StarletteRoutes:
    """The list of a router; the same object for the same router."""
    found = _lists.get(id(router))
    if found is None or found.owner is not router:
        found = _lists[id(router)] = StarletteRoutes(router, path)
    return found


def follow_router(router: Any, new: Any, app: Any) -> None:
    """Have our changes of a router, and of those in it, go upon the one made in its place.

    Args:
        router: the router of before.
        new: the new one.
        app: the app that shows its routes in its document.
    """
    found = _lists.get(id(router))
    if found is not None and found.owner is router:
        found.apps.clear()
        add_documented(found, app)
        found.renew(new)
        _lists[id(new)] = found
    inner = {label_of(kind_of(r), (), str(getattr(r, "path", ""))): r for r in new.routes}
    for route in router.routes:
        old = inner_router(route)
        other = inner.get(label_of(kind_of(route), (), str(getattr(route, "path", ""))))
        within = inner_router(other) if other is not None else None
        if old is not None and within is not None and old is not within:
            follow_router(old, within, app)


def add_documented(routes: StarletteRoutes, app: Any) -> None:
    """Note the app that shows a router's routes in its document, be it wrapped or not."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        if hasattr(app, "openapi_schema"):
            routes.apps.add(app)
            return
        app = getattr(app, "app", None)


def _around(around: tuple[Any, ...], included: Any) -> tuple[Any, ...]:
    """An included router with what the routers around it give it: as FastAPI works it out."""
    if not around:
        return (included,)
    context = around[-1].include_context.combine(included.include_context)
    whole = type(included)(original_router=included.original_router, include_context=context)
    return (*around[:-1], whole)
