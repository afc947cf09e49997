"""A store whose webui calls timed callables, while everyone who reads it sees the plain ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from .registration import Point, Timed


class TimedStore(Store):
    """Stands for another store while its calls are timed.

    Args:
        inner: the store.
        point: whose registrations are timed.
        timed: makes a timed function of one that a registration calls.
    """

    def __init__(self, inner: Store, point: Point, timed: Timed) -> None:
        super().__init__(inner.event, inner.path, inner.key)
        self.inner = inner
        self.point = point
        self.timed = timed
        self.verbs, self.note, self.folded = inner.verbs, inner.note, inner.folded
        self._timed: dict[Hashable, tuple[Any, Any]] = {}
        self._plain: dict[Hashable, Any] = {}

    def read(self) -> list[Any]:
        """The plain items in the order of the calls."""
        identity = self.inner.identity
        return [self._plain.get(identity(item), item) for item in self.inner.read()]

    def write(self, items: Sequence[Any]) -> None:
        """Make the webui call the items, timed."""
        self.inner.write([self._timed_item(item) for item in items])

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:
        """A new item, plain."""
        return self.inner.make(callback, name, like)

    def identity(self, item: Any) -> Hashable:
        """That of the inner store."""
        return self.inner.identity(item)

    def own_items(self) -> list[Any] | None:
        """Those of the inner store; what is timed counts as ours there."""
        items = self.inner.own_items()
        return None if items is None else [self._plain.get(self.identity(i), i) for i in items]

    def is_registering(self) -> bool:
        """That of the inner store."""
        return self.inner.is_registering()

    def take_as_it_is(self) -> None:
        """That of the inner store."""
        self.inner.take_as_it_is()

    def settle(self) -> None:
        """That of the inner store."""
        self.inner.settle()

    def again(self, item: Any) -> Hashable:
        """That of the inner store."""
        return self.inner.again(item)

    def follows(self, old: Any, new: Any) -> bool:
        """That of the inner store."""
        return self.inner.follows(old, new)

    def missing(self, item: Any) -> str:
        """That of the inner store."""
        return self.inner.missing(item)

    def homeless(self, item: Any) -> str:
        """That of the inner store."""
        return self.inner.homeless(item)

    def in_the_way(self, item: Any, own: Any) -> str:
        """That of the inner store."""
        return self.inner.in_the_way(item, own)

    def renewed(self, item: Any, name: str) -> Any:
        """That of the inner store."""
        return self.inner.renewed(item, name)

    def callback_of(self, item: Any) -> Any:
        """What is called."""
        return self.inner.callback_of(item)

    def name_of(self, item: Any) -> str:
        """What the webui calls it."""
        return self.inner.name_of(item)

    def file_of(self, item: Any) -> str | None:
        """The file that registered it."""
        return self.inner.file_of(item)

    def holders(self) -> dict[str, Any]:
        """What can have such a hook, by name."""
        return self.inner.holders()

    def _timed_item(self, item: Any) -> Any:
        identity = self.inner.identity(item)
        # Both are kept: an identity stands for an item for as long as that lives.
        if identity not in self._timed:
            made = self._make_timed(item)
            self._timed[identity] = item, made
            self._plain[self.inner.identity(made)] = item
        return self._timed[identity][1]

    def _make_timed(self, item: Any) -> Any:
        placed = (p.layer for p in self.point.plan)
        registration = next((r for r in placed if r.item is item), None)
        if registration is None:
            return item
        return self.inner.exchanged(item, lambda function: self.timed(registration, function))
