"""The routes of one router, and livepatch's changes of them.

They are worked out again at every change and stored in one assignment: a request sees the list
before or the list after. While nothing of ours is left, the router has its own list back.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from livepatch.looking.callables import name_of
from livepatch.web.operations import (
    Operation,
    OperationLayer,
    OperationList,
    OperationPlacement,
    Operations,
    renewed,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from .kinds import Request


class Cell(NamedTuple):
    """A place in a list of routes.

    Attributes:
        slot: what stands for the place, whatever is put there: the webui's own route, or the layer
            that added one.
        route: the route that is there.
    """

    slot: Any
    route: Any


class RouteLayer(OperationLayer):
    """One change of a route: what ``add``, ``replace``, ``remove`` and ``move`` answer."""


class RouteList(OperationList):
    """The list of one router.

    Attributes:
        owner: the router.
        base: the routes without us.
        goes_by_order: whether of several routes that fit a request the first wins.
    """

    goes_by_order = True

    def __init__(self, owner: Any, path: str) -> None:
        super().__init__(path)
        self.owner = owner
        self.base: list[Any] = self.read()

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
                _work(operation, cells)
        return cells

    def refresh(self) -> None:
        """Look at the list as it is now: the webui adds routes and removes some on its own."""
        present = self.read()
        written = self.cells(self.published)
        if same_routes(present, [cell.route for cell in written]):
            return
        if not self.published:
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

    def renew(self, owner: Any) -> None:
        """Go on with the router of the app that the webui has made in the place of this one's.

        Args:
            owner: the new router.
        """
        before, self.owner, shown = self.base, owner, self.published
        self.base, self.published = self.read(), ()
        again = renewed(before, self.base, self._known_by)
        for placement in self.plan:
            slot, new, anchor = placement.patch
            # Not another placement: undo and redo know it by this one.
            placement.patch = Operation(
                again.get(id(slot), slot), new, again.get(id(anchor), anchor)
            )
        self.publish(shown)

    def _known_by(self, route: Any) -> Hashable:
        return (
            self.kind_of(route),
            self.path_of(route),
            self.methods_of(route),
            name_of(self.endpoint_of(route)),
        )

    def publish(self, shown: Operations) -> None:
        """Let the requests that come from now on see these operations."""
        self.refresh()
        self.published = shown
        self.write([cell.route for cell in self.cells(shown)], are_own=not shown)

    def has_effect(self, operation: OperationPlacement) -> bool:
        """Whether the list that is there shows what the operation does, or a later one on it."""
        self.refresh()
        present = {id(route) for route in self.read()}
        slots = {id(cell.slot) for cell in self.cells()}
        if operation.layer.verb == "remove":
            return id(operation.patch.slot) not in slots
        of_slot = [o for o in self.plan if o.on and o.patch.slot is operation.patch.slot]
        if operation not in self.published or operation is not of_slot[-1]:
            return True
        return id(operation.patch.slot) in slots and (
            operation.patch.new is None or id(operation.patch.new) in present
        )


def _work(operation: OperationPlacement, cells: list[Cell]) -> None:
    """Do an operation to a list of cells; nothing where its place is gone."""
    verb = operation.layer.verb
    if verb == "add":
        new = Cell(operation.layer, operation.patch.new)
        cells.insert(_index(cells, operation.patch.before), new)
        return
    index = _index(cells, operation.patch.slot)
    if index == len(cells):
        return
    if verb == "replace":
        cells[index] = Cell(operation.patch.slot, operation.patch.new)
        return
    cell = cells.pop(index)
    if verb == "move":
        cells.insert(_index(cells, operation.patch.before), cell)


def _index(cells: Sequence[Cell], slot: Any) -> int:
    """Where a slot is; behind the last where it is not."""
    found = (i for i, cell in enumerate(cells) if slot is not None and cell.slot is slot)
    return next(found, len(cells))


def same_routes(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two lists hold the very same routes."""
    # Not ==: routes of Starlette are equal when their paths and endpoints are.
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
