"""The routes of a running app: what users look at and change."""

from __future__ import annotations

import difflib
import inspect
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

from livepatch.engine import PatchRefused, TargetNotFound
from livepatch.engine.answers import answer, counted
from livepatch.engine.changing.registry import registry
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import caller, undecorated
from livepatch.web.operations import Operation, OperationPlacement, when_seen

from .list import RouteLayer
from .places import inside as path_inside
from .places import slot_at, what_follows
from .report import routes_table
from .route import LiveRoute, Reference, RouteTable
from .walk import Row, rows_of

if TYPE_CHECKING:
    from livepatch.reports import Report

    from .list import Cell, RouteList


class Routes(RouteTable, Sequence[LiveRoute]):
    """The routes of a running app in the order of matching: a sequence that shows as a table.

    Get it by ``lp.routes()``. It is indexed by position, by path, by ``"GET /path"``, by name or by
    function. A change is seen by the requests that come after it; those under way are answered by
    the function they came to.

    Attributes:
        root: the list of the app's own router.
        path: whose routes, in words.
    """

    def __init__(self, root: RouteList, path: str) -> None:
        self.root = root
        self.path = path

    def add(
        self,
        path: str,
        endpoint: Any,
        *,
        before: Reference = None,
        index: int | None = None,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> RouteLayer:
        """Add a route to the running app.

        It is made as the app's own decorators would make it: of a FastAPI app it has the
        parameters, the dependencies and the response model that the function's signature says, and
        the OpenAPI document has it too. Without a place it comes last, but before whatever would
        take its requests, such as a page mounted at ``/``.

        Args:
            path: its path, with parameters as in ``/items/{item_id}``.
            endpoint: the function; an ASGI app is mounted at the path.
            before: the route to stand before.
            index: its place among the routes of the app's own router, 0 the first.
            options: for options that are named as an argument of this method.
            **more: what the app's own ``add_api_route`` or ``add_route`` takes: ``methods``,
                ``name``, ``response_model``, ``dependencies`` …; ``websocket=True`` for a
                websocket whose function does not say so by its annotation.

        Returns:
            The layer; ``str(layer)`` is the answer line, ``layer.remove()`` takes it back.

        Raises:
            PatchRefused: the path is taken, or the framework cannot serve the function; nothing has
                changed.
            TargetNotFound: there is no such route to stand before.

        Example:
            >>> import livepatch as lp
            >>> from fastapi import FastAPI
            >>> app = FastAPI(openapi_url=None)
            >>> layer = lp.routes(app).add("/double/{number}", lambda number: number * 2)
            >>> [(route.methods, route.path) for route in lp.routes(app)]
            [(('GET',), '/double/{number}')]
            >>> layer.remove()
            >>> len(lp.routes(app))
            0
        """
        asked = f"add {path} to {self.path}"
        begun = time.perf_counter()
        with registry.lock:
            at = None if before is None else self._find(asked, before).row
            routes = self.root if at is None else at.routes
            inside = path if at is None else path_inside(asked, path, at)
            new = routes.make(asked, inside, endpoint, {**(options or {}), **more})
            row = Row.of_new(routes, new, at)
            anchor = self._anchor(asked, routes, at, index, row)
            layer = RouteLayer(routes, row.label, caller(), "add", endpoint)
            plan = (*routes.plan, OperationPlacement(layer, Operation(layer, new, anchor)))
            call = f"add({path!r}, {_shown(endpoint)}{_said({**(options or {}), **more})})"
            routes.apply("add", layer, plan, f"lp.routes(app).{call}")
            facts = [*what_follows(routes, layer), *self._facts(begun)]
            layer.answer = answer(f"added {row.label} to {self.path}", f"{layer.owner}'s", *facts)
            return layer

    def replace(
        self,
        route: Reference,
        endpoint: Any,
        *,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> RouteLayer:
        """Answer the requests of a route by another function, of the same or another signature.

        Everything that the route was told stays: path, methods, name, dependencies, an explicit
        response model. What FastAPI reads from the function follows the new one: parameters, body,
        the response model of its annotation, the description, the OpenAPI document.

        Args:
            route: the route, its path, ``"GET /path"``, its name or its function.
            endpoint: the new function; of a mount, an ASGI app.
            options: for options that are named as an argument of this method.
            **more: what the route shall be told otherwise, as for :meth:`add`.

        Returns:
            The layer; the same owner's earlier replacement of this route is replaced in its place.

        Raises:
            PatchRefused: the framework cannot serve the function; nothing has changed.
            TargetNotFound: there is no such route.
        """
        begun = time.perf_counter()
        told = {**(options or {}), **more}
        with registry.lock:
            asked = f"replace {_shown(route)} by {_shown(endpoint)} in {self.path}"
            row = self._find(asked, route).row
            routes, slot = row.routes, row.cell.slot
            new = routes.remake(asked, row.cell.route, endpoint, told, row.around)
            owner = caller()
            old = routes.earlier(slot, owner, "replace")
            layer = (
                cast("RouteLayer", old.layer)
                if old
                else RouteLayer(routes, row.label, owner, "replace")
            )
            layer.function = endpoint
            operation = OperationPlacement(layer, Operation(slot, new))
            plan = tuple(operation if o is old else o for o in routes.plan)
            call = f"replace({row.label!r}, {_shown(endpoint)}{_said(told)})"
            routes.apply(
                "replace",
                layer,
                plan if old else (*plan, operation),
                f"lp.routes(app).{call}",
            )
            again = " again" if old else ""
            facts = [_signatures(row.endpoint, endpoint), *self._also(row), *self._facts(begun)]
            line = f"replaced {row.label} in {self.path}{again}"
            layer.answer = answer(line, f"{owner}'s", *(fact for fact in facts if fact))
            return layer

    def remove(self, route: Reference) -> RouteLayer:
        """Take a route out of the running app; a route of ours that was added is gone for good.

        Args:
            route: the route, its path, ``"GET /path"``, its name or its function.

        Returns:
            The layer; ``layer.remove()`` brings the webui's route back, in its place.

        Raises:
            TargetNotFound: there is no such route.
        """
        begun = time.perf_counter()
        asked = f"remove {_shown(route)} from {self.path}"
        with registry.lock:
            row = self._find(asked, route).row
            routes, slot = row.routes, row.cell.slot
            is_ours = isinstance(slot, RouteLayer)
            layer = slot if is_ours else RouteLayer(routes, row.label, caller(), "remove")
            if is_ours:
                plan = tuple(o for o in routes.plan if o.patch.slot is not slot)
            else:
                plan = (*routes.plan, OperationPlacement(layer, Operation(slot)))
            call = f"lp.routes(app).remove({row.label!r})"
            routes.apply("remove", layer, plan, call)
            facts = [*self._also(row), *self._facts(begun)]
            line = f"removed {row.label} from {self.path}"
            layer.answer = answer(line, f"it was {row.owner}'s", *facts)
            return layer

    def move(
        self, route: Reference, *, before: Reference = None, index: int | None = None
    ) -> RouteLayer:
        """Match a route at another time: of several that fit a request the first wins.

        Args:
            route: the route, its path, ``"GET /path"``, its name or its function.
            before: the route to stand before, of the same router.
            index: its place among the routes of its router, 0 the first.

        Returns:
            The layer; ``layer.remove()`` puts the route back in its place.

        Raises:
            PatchRefused: no place was given, or one in another router.
            TargetNotFound: there is no such route.
        """
        begun = time.perf_counter()
        asked = f"move {_shown(route)} in {self.path}"
        with registry.lock:
            row = self._find(asked, route).row
            if (before is None) == (index is None):
                raise PatchRefused(asked, "no place was given", "before=… or index=…")
            at = None if before is None else self._find(asked, before).row
            routes, slot = row.routes, row.cell.slot
            if at is not None and at.routes is not routes:
                found = f"{at.label} belongs to another router ({at.routes.path})"
                raise PatchRefused(asked, found, "a route moves within its own router")
            owner = caller()
            old = routes.earlier(slot, owner, "move")
            layer = (
                cast("RouteLayer", old.layer)
                if old
                else RouteLayer(routes, row.label, owner, "move")
            )
            rest = _cells_beside(slot, routes)
            anchor = at.cell.slot if at else slot_at(asked, rest, index or 0)
            plan = tuple(o for o in routes.plan if o is not old)
            place_said = f"before={at.label!r}" if at else f"index={index}"
            call = f"lp.routes(app).move({row.label!r}, {place_said})"
            routes.apply(
                "move",
                layer,
                (*plan, OperationPlacement(layer, Operation(slot, None, anchor))),
                call,
            )
            position = [cell.slot for cell in routes.cells()].index(slot)
            facts = [f"{position + 1} of {len(rest) + 1}", *self._facts(begun)]
            layer.answer = answer(f"moved {row.label} in {self.path}", f"{owner}'s", *facts)
            return layer

    def report(self, pattern: str = "") -> Report[LiveRoute]:
        """The routes as a table, in the order of matching.

        Args:
            pattern: a part of ``GET /path``, of a name or function, to show only such routes.
        """
        return routes_table(self.path, [route for route in self._all() if route.matches(pattern)])

    def _anchor(
        self, asked: str, routes: RouteList, at: Row | None, index: int | None, new: Row
    ) -> Any:
        """The slot to stand before; refuse where the new route would be reached by nobody."""
        if at is not None and index is not None:
            raise PatchRefused(asked, "more than one place was given", "before=… or index=…")
        cells = routes.cells()
        if at is None and index is None:
            taken = next((row for row in rows_of(self.root) if row.serves_what(new)), None)
            if taken is not None:
                raise PatchRefused(
                    asked,
                    f"{taken.label} is taken by {_shown(taken.endpoint)} "
                    f"({place(undecorated(taken.endpoint))}), which is matched first",
                    f"lp.routes()[{taken.label!r}].replace(f), or add(…, before={taken.label!r})",
                )
            winner = new.winner_among(cells, of_all=False)
            return None if winner is None else winner.slot
        anchor = at.cell.slot if at is not None else slot_at(asked, cells, index or 0)
        slots = [id(cell.slot) for cell in cells]
        end = slots.index(id(anchor)) if id(anchor) in slots else len(cells)
        winner = new.winner_among(cells[:end], of_all=True)
        if winner is not None:
            label = Row.of_cell(routes, winner, new.prefix).label
            found = f"{label} is matched before that place: no request would reach the new route"
            raise PatchRefused(asked, found, f"before={label!r}")
        return anchor

    def _also(self, row: Row) -> list[str]:
        """Where else the same route is reached, and which others have its function."""
        rows = [route.row for route in self]
        slot, endpoint = row.cell.slot, row.endpoint
        same = [r.label for r in rows if r.cell.slot is slot and r.path != row.path]
        others = [r.label for r in rows if r.cell.slot is not slot and r.endpoint is endpoint]
        facts = [f"also as {', '.join(same)}"] if same else []
        if others:
            named = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
            facts.append(f"{named} still served by {_shown(endpoint)}")
        return facts

    @staticmethod
    def _facts(begun: float) -> list[str]:
        return [*when_seen(), f"{(time.perf_counter() - begun) * 1000:.2f} ms"]

    def _find(self, asked: str, reference: Reference) -> LiveRoute:
        if isinstance(reference, int) and not isinstance(reference, bool):
            routes = self._all()
            if -len(routes) <= reference < len(routes):
                return routes[reference]
            found = f"it has {counted(len(routes), 'route')}, counted from 0"
            raise TargetNotFound(asked, found, "look at %routes")
        routes = self._all()
        meant = [route for route in routes if route.row.is_meant_by(reference)]
        if isinstance(reference, RouteLayer) and not meant:
            found = f"the route that {reference.whose()} changed is no longer in the list"
            raise TargetNotFound(asked, found, "look at %routes")
        slots = {id(route.row.cell.slot) for route in meant}
        if len(slots) == 1 or (meant and isinstance(reference, LiveRoute)):
            return meant[0]
        if meant:
            labels = ", ".join(f"{r.label} ({r.place})" for r in meant)
            advice = f"say which: lp.routes()[{meant[0].label!r}]"
            raise TargetNotFound(asked, f"{len(meant)} routes match: {labels}", advice)
        if isinstance(reference, LiveRoute):
            found = f"{reference.label} is no longer in the list"
            raise TargetNotFound(asked, found, "lp.undo() brings back what was removed last")
        wanted = str(reference).rpartition(" ")[2]
        paths = {route.path: route.label for route in routes}
        near = [paths[path] for path in difflib.get_close_matches(wanted, paths, 3, 0.5)]
        found = f"there is no route {_shown(reference)}"
        found += f"; near: {', '.join(near)}" if near else f" among {len(routes)}"
        raise TargetNotFound(asked, found, "look at %routes")

    @overload
    def __getitem__(self, index: int | str) -> LiveRoute: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LiveRoute]: ...
    def __getitem__(self, index: int | slice | str) -> LiveRoute | Sequence[LiveRoute]:
        if isinstance(index, slice):
            return self._all()[index]
        if isinstance(index, int):
            return self._all()[index]  # an IndexError, as of any sequence: iteration relies on it
        with registry.lock:
            return self._find(f"look up {_shown(index)} in {self.path}", index)

    def __contains__(self, reference: object) -> bool:
        return any(route.row.is_meant_by(reference) for route in self)

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[LiveRoute]:
        return iter(self._all())

    def _all(self) -> list[LiveRoute]:
        with registry.lock:
            rows = rows_of(self.root)
            return [LiveRoute(self, row, position) for position, row in enumerate(rows)]

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


def _cells_beside(slot: Any, routes: RouteList) -> list[Cell]:
    return [cell for cell in routes.cells() if cell.slot is not slot]


def _signatures(old: Any, new: Any) -> str:
    """What an answer line says where the parameters are others now."""
    try:
        before, after = inspect.signature(old), inspect.signature(new)
    except (TypeError, ValueError):  # an app, or built in
        return ""
    if [*before.parameters.values()] == [*after.parameters.values()]:
        return ""
    return f"now takes {tuple(after.parameters)!r} instead of {tuple(before.parameters)!r}"


def _said(options: Mapping[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in options.items())


def _shown(thing: Any) -> str:
    if isinstance(thing, LiveRoute):
        return thing.label
    if isinstance(thing, RouteLayer):
        return thing.target
    if isinstance(thing, (str, int)):
        return str(thing)
    return str(getattr(thing, "__qualname__", None) or type(thing).__qualname__)
