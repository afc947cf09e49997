"""The routes of one router, and what we did to them.

The webui's own routes are the *base*. Each change of ours is an operation of a layer on it; what
requests are matched against is the base with the operations that are on, worked out again at every
change and stored in one assignment: a request sees the list before or the list after. While nothing
of ours is left, the router has its own list back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from livepatch.engine import PatchRefused
from livepatch.engine.answers import answer
from livepatch.engine.change import Change, ChangeDescription, apply
from livepatch.engine.registry import registry
from livepatch.engine.sources import source_of

from .layer import carry_over

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .route_kinds import Request

Verb = Literal["add", "replace", "remove", "move"]


class Cell(NamedTuple):
    """A place in a list of routes.

    Attributes:
        slot: what stands for the place, whatever is put there: the webui's own route, or the layer
            that added one.
        route: the route that is there.
    """

    slot: Any
    route: Any


@dataclass(eq=False)
class RouteLayer:
    """One change of a route: what ``add``, ``replace``, ``remove`` and ``move`` answer.

    ``str(layer)`` is the answer line of the verb that changed it last.

    Attributes:
        routes: the list it is a change of.
        target: the route, as ``GET /path``.
        owner: whose change it is.
        verb: what it does.
        endpoint: the function it brought; None where it brought none.
    """

    routes: RouteList
    target: str
    owner: str
    verb: Verb
    endpoint: Any = None
    answer: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The verb: one owner has one change of a kind on a route."""
        return self.verb

    @property
    def state(self) -> str:
        """``active``, ``off``, ``stale`` (its route is no more in the list) or ``removed``."""
        operation = self.routes.operation_of(self)
        if operation is None:
            return "removed"
        if not operation.on:
            return "off"
        return "active" if self.routes.has_effect(operation) else "stale"

    @property
    def source(self) -> str | None:
        """The text of its function, where it can be had."""
        return source_of(self.endpoint) if callable(self.endpoint) else None

    def remove(self) -> None:
        """Take this change back; the others stay. One that is gone already stays gone."""
        with registry.lock:
            if self.routes.operation_of(self) is not None:
                rest = tuple(o for o in self.routes.plan if o.layer is not self)
                self.routes.apply("take back", self, rest)
                self.answer = answer(f"took back {self.verb} {self.target}", f"{self.owner}'s")

    def off(self) -> None:
        """Leave this change out without losing it."""
        self._switch(on=False)

    def on(self) -> None:
        """Make this change true again."""
        self._switch(on=True)

    def _switch(self, *, on: bool) -> None:
        with registry.lock:
            operation = self.routes.operation_of(self)
            verb = "switch on" if on else "switch off"
            if operation is None:
                raise PatchRefused(
                    f"{verb} {self.verb} {self.target}",
                    f"this change ({self.whose()}) was taken back",
                    "lp.undo() brings back what was taken back last",
                )
            if operation.on is not on:
                switched = operation.switched(on=on)
                plan = tuple(switched if o is operation else o for o in self.routes.plan)
                self.routes.apply(verb, self, plan)
            done = "switched on" if on else "switched off"
            self.answer = answer(f"{done} {self.verb} {self.target}", f"{self.owner}'s")

    def whose(self) -> str:
        """The change in words: its owner and what it does."""
        return f"{self.owner}'s {self.name!r}"

    def __str__(self) -> str:
        return self.answer or f"{self.verb} {self.target} · {self.owner}"

    def __repr__(self) -> str:
        return f"<RouteLayer {self.verb} {self.target} · {self.owner} · {self.state}>"


@dataclass(frozen=True, eq=False)
class Operation:
    """What a layer does to the list.

    Attributes:
        layer: the layer.
        slot: the place that it is about; of an added route the layer itself.
        route: the route that it puts there.
        before: the slot that an added or moved route stands before; None: the end.
        on: whether it is switched on.
    """

    layer: RouteLayer
    slot: Any
    route: Any = None
    before: Any = None
    on: bool = True

    def switched(self, *, on: bool) -> Operation:
        """The same, switched on or off."""
        return Operation(self.layer, self.slot, self.route, self.before, on)

    def work(self, cells: list[Cell]) -> None:
        """Do it to a list of cells; nothing where its place is gone."""
        verb = self.layer.verb
        if verb == "add":
            cells.insert(_index(cells, self.before), Cell(self.layer, self.route))
            return
        index = _index(cells, self.slot)
        if index == len(cells):
            return
        if verb == "replace":
            cells[index] = Cell(self.slot, self.route)
            return
        cell = cells.pop(index)
        if verb == "move":
            cells.insert(_index(cells, self.before), cell)


Operations = tuple[Operation, ...]


class RouteList(ABC):
    """The list of one router.

    Attributes:
        owner: the router.
        path: whose routes, in words.
        base: the routes without us.
        plan: every operation that is true.
        shown: the operations that requests see; behind the plan inside a transaction.
    """

    def __init__(self, owner: Any, path: str) -> None:
        self.owner = owner
        self.path = path
        self.base: list[Any] = self.read()
        self.plan: Operations = ()
        self.shown: Operations = ()

    @abstractmethod
    def read(self) -> list[Any]:
        """The routes that requests are matched against now, in order."""

    @abstractmethod
    def write(self, routes: list[Any], *, are_own: bool) -> None:
        """Match the requests that come from now on against these, by one store.

        Args:
            routes: the routes in order.
            are_own: whether nothing of ours is among them.
        """

    @abstractmethod
    def make(self, asked: str, path: str, endpoint: Any, options: Mapping[str, Any]) -> Any:
        """A new route that is in no list yet.

        Raises:
            PatchRefused: the framework cannot serve it.
        """

    @abstractmethod
    def remake(
        self, asked: str, route: Any, endpoint: Any, options: Mapping[str, Any], around: Any
    ) -> Any:
        """A route like another one with another endpoint.

        Raises:
            PatchRefused: the framework cannot serve it.
        """

    @abstractmethod
    def kind_of(self, route: Any) -> str:
        """``route``, ``websocket``, ``mount``, ``host``, ``included`` or ``other``."""

    @abstractmethod
    def path_of(self, route: Any) -> str:
        """Its path within this router; of a host its name."""

    @abstractmethod
    def methods_of(self, route: Any) -> tuple[str, ...]:
        """Its HTTP methods; none: every method."""

    @abstractmethod
    def endpoint_of(self, route: Any) -> Any:
        """What answers its requests."""

    @abstractmethod
    def shape_of(self, route: Any) -> str:
        """Its path without the names of the parameters."""

    @abstractmethod
    def sample_requests(self, route: Any, prefix: str) -> list[Request]:
        """A request of each method that it is there for; none where no URL can be made up."""

    def cells(self, operations: Operations | None = None) -> list[Cell]:
        """The list with what we did to it; default: everything that is true."""
        cells = [Cell(route, route) for route in self.base]
        for operation in self.plan if operations is None else operations:
            if operation.on:
                operation.work(cells)
        return cells

    def refresh(self) -> None:
        """Look at the list as it is now: the webui adds routes and removes some on its own."""
        present = self.read()
        written = self.cells(self.shown)
        if _same(present, [cell.route for cell in written]):
            return
        if not self.shown:
            self.base = present
            return
        slots = {id(cell.route): cell.slot for cell in written}
        present_ids = {id(route) for route in present}
        gone = {id(cell.slot) for cell in written if id(cell.route) not in present_ids}
        base = [route for route in self.base if id(route) not in gone]
        previous: Any = None
        for route in present:
            slot = slots.get(id(route), route)
            if id(route) not in slots:
                known = [id(r) for r in base]
                position = known.index(id(previous)) + 1 if id(previous) in known else 0
                base.insert(position, route)
            if slot is route or any(slot is r for r in base):
                previous = slot
        self.base = base

    def apply(
        self, verb: str, layer: RouteLayer, plan: Operations, call: str | None = None
    ) -> None:
        """Make a plan true, as one change."""
        apply(Reroute(self, plan, verb, layer, call))

    def operation_of(self, layer: RouteLayer) -> Operation | None:
        """What a layer does here; None once it was taken back."""
        return next((o for o in self.plan if o.layer is layer), None)

    def has_effect(self, operation: Operation) -> bool:
        """Whether the list that is there shows what the operation does."""
        with registry.lock:
            self.refresh()
            present = {id(route) for route in self.read()}
            if operation.layer.verb == "remove":
                return id(operation.slot) not in present
            covered = any(
                o.on and o.slot is operation.slot and o is not operation for o in self.plan
            )
            slots = {id(cell.slot) for cell in self.cells()}
            if operation.route is None or covered or operation not in self.shown:
                return id(operation.slot) in slots or covered
            return id(operation.route) in present

    def own_layers(self) -> list[RouteLayer]:
        """Our layers, in the order they were made."""
        return [operation.layer for operation in self.plan]

    def way_back(self) -> Reroute:
        """The change that takes everything of ours back."""
        return Reroute(self, (), "restore", None)

    def take_plan(self, plan: Operations) -> None:
        """Take a plan as true; while there is one, everybody knows of this list."""
        self.plan = plan
        if plan:
            registry.changed[id(self)] = self
        else:
            registry.changed.pop(id(self), None)

    def publish(self, shown: Operations) -> None:
        """Let the requests that come from now on see these operations."""
        self.refresh()
        self.shown = shown
        self.write([cell.route for cell in self.cells(shown)], are_own=not shown)


class Reroute(Change):
    """The step of a list from some operations to others."""

    def __init__(
        self,
        routes: RouteList,
        after: Operations,
        verb: str,
        layer: RouteLayer | None,
        call: str | None = None,
    ) -> None:
        self.routes = routes
        self.before = routes.plan
        self.after = after
        self.verb = verb
        self.layer = layer
        self.call = call
        self.is_true = False

    def prepare(self) -> None:
        """Look at the list as it is now; a list of routes can always be changed."""
        self.routes.refresh()

    def commit(self) -> None:
        """Put the step into the plan."""
        self.is_true = True
        self.routes.take_plan(_carried(self.before, self.after, self.routes.plan))

    def revert(self) -> None:
        """Take the step out of the plan, with what others did since left as it is."""
        self.is_true = False
        self.routes.take_plan(_carried(self.after, self.before, self.routes.plan))

    def show(self, together: Sequence[Change]) -> None:
        """Let requests see every step of this list that becomes visible now, in one store."""
        shown = self.routes.shown
        for change in together:
            if isinstance(change, Reroute) and change.routes is self.routes:
                old, new = (change.before, change.after)[:: 1 if change.is_true else -1]
                shown = _carried(old, new, shown)
        if shown != self.routes.shown:
            self.routes.publish(shown)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        layer = self.layer
        if layer is None:
            return ChangeDescription(self.verb, self.routes.path, "livepatch", "every change")
        return ChangeDescription(self.verb, layer.target, layer.owner, layer.name, self.call)


def _carried(old: Operations, new: Operations, present: Operations) -> Operations:
    # The rule is that of middleware: what a step touched moves, what others did since stays.
    return cast(
        "Operations",
        carry_over(cast("Any", old), cast("Any", new), cast("Any", present)),
    )


def _index(cells: Sequence[Cell], slot: Any) -> int:
    """Where a slot is; behind the last where it is not."""
    found = (i for i, cell in enumerate(cells) if slot is not None and cell.slot is slot)
    return next(found, len(cells))


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    # Not ==: routes of Starlette are equal when their paths and endpoints are.
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
