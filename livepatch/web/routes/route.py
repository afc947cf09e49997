"""One route of a running app, as users look at it, and what it asks of the routes around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from livepatch.engine.reading.sources import place
from livepatch.looking.callables import undecorated

if TYPE_CHECKING:
    from livepatch.web.operations import OperationLayer

    from .list import RouteLayer
    from .walk import Row

Reference = Any  # a route, a path, "METHOD /path", a name, a function or a position


@dataclass(frozen=True, eq=False)
class LiveRoute:
    """One route of a running app, as it is at this moment.

    Attributes:
        table: the routes it was found among.
        row: where it is and how it is reached.
        position: its place in the order of matching.
    """

    table: RouteTable
    row: Row
    position: int

    @property
    def path(self) -> str:
        """The whole path, with the prefixes of mounts and included routers."""
        return self.row.path

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods; empty for mounts and websockets."""
        return self.row.methods

    @property
    def label(self) -> str:
        """How it is named here: ``GET /path``, ``WS /path``, ``MOUNT /path``."""
        return self.row.label

    @property
    def kind(self) -> str:
        """``route``, ``websocket``, ``mount`` or ``host``."""
        return self.row.kind

    @property
    def name(self) -> str | None:
        """Its name, for ``url_path_for``."""
        return self.row.name

    @property
    def endpoint(self) -> Any:
        """The function that answers; of a mount, the app."""
        return self.row.endpoint

    @property
    def route(self) -> Any:
        """The framework's own object."""
        return self.row.cell.route

    @cached_property
    def place(self) -> str:
        """``file:line`` of the function."""
        return place(undecorated(self.endpoint))

    @cached_property
    def owner(self) -> str:
        """Whose route it is: ours, an extension's, a package's or the webui's."""
        return self.row.owner

    @cached_property
    def shadowed_by(self) -> str | None:
        """The route that takes all its requests before they come here; None: it is reached."""
        return self.row.winner()

    @property
    def layers(self) -> tuple[OperationLayer, ...]:
        """What livepatch did to it."""
        return tuple(operation.layer for operation in self.row.operations)

    def replace(self, endpoint: Any, **options: Any) -> RouteLayer:
        """Answer its requests by another function. See :meth:`Routes.replace`."""
        return self.table.replace(self, endpoint, **options)

    def remove(self) -> RouteLayer:
        """Take it out of the running app. See :meth:`Routes.remove`."""
        return self.table.remove(self)

    def move(self, *, before: Reference = None, index: int | None = None) -> RouteLayer:
        """Match it at another time. See :meth:`Routes.move`."""
        return self.table.move(self, before=before, index=index)

    def matches(self, pattern: str) -> bool:
        """Whether ``GET /path``, its name or its function contains something."""
        function = str(getattr(self.endpoint, "__qualname__", type(self.endpoint).__name__))
        words = (self.label, self.name or "", function)
        return any(pattern.lower() in word.lower() for word in words)

    def __str__(self) -> str:
        name = getattr(self.endpoint, "__qualname__", type(self.endpoint).__name__)
        return f"{self.label} · {name} · {self.owner} · {self.place}"

    def __repr__(self) -> str:
        return f"<LiveRoute {self.label} · {self.owner}>"


class RouteTable(ABC):
    """The routes of an app, which change one of them."""

    @abstractmethod
    def replace(self, route: LiveRoute, endpoint: Any, **options: Any) -> RouteLayer:
        """Answer the requests of a route by another function."""

    @abstractmethod
    def remove(self, route: LiveRoute) -> RouteLayer:
        """Take a route out of the running app."""

    @abstractmethod
    def move(
        self, route: LiveRoute, *, before: Reference = None, index: int | None = None
    ) -> RouteLayer:
        """Match a route at another time."""
