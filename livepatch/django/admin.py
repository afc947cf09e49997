"""The admin's registries: copied at every change, with a view of its own for the loading thread."""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, KeysView, ValuesView

Table = dict[Any, Any]
_views = threading.local()


class LiveRegistry(dict[Any, Any]):
    """``AdminSite._registry``: every change is one store of a new table."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = dict(table)

    def seen(self) -> Table:
        """The table as this thread sees it."""
        staged: dict[int, Table] = getattr(_views, "tables", {})
        return staged.get(id(self), self.table)

    def put(self, table: Table) -> None:
        """Exchange the table that this thread sees."""
        staged = getattr(_views, "tables", None)
        if staged is not None and id(self) in staged:
            staged[id(self)] = table
        else:
            self.table = table

    def __getitem__(self, key: Any) -> Any:
        return self.seen()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.put({**self.seen(), key: value})

    def __delitem__(self, key: Any) -> None:
        table = dict(self.seen())
        del table[key]
        self.put(table)

    def __contains__(self, key: object) -> bool:
        return key in self.seen()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.seen())

    def __len__(self) -> int:
        return len(self.seen())

    def __bool__(self) -> bool:
        return bool(self.seen())

    def __eq__(self, other: object) -> bool:
        return self.seen() == other

    def __repr__(self) -> str:
        return repr(self.seen())

    __hash__ = None

    def keys(self) -> KeysView[Any]:  # type: ignore[override]  # noqa: D102
        return self.seen().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # noqa: D102
        return self.seen().values()

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]  # noqa: D102
        return self.seen().items()

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: D102
        return self.seen().get(key, default)

    def pop(self, key: Any, *default: Any) -> Any:  # noqa: D102
        table = dict(self.seen())
        value = table.pop(key, *default)
        self.put(table)
        return value

    def copy(self) -> Table:  # noqa: D102
        return dict(self.seen())

    def clear(self) -> None:  # noqa: D102
        self.put({})

    def update(self, *arguments: Any, **named: Any) -> None:  # noqa: D102
        self.put({**self.seen(), **dict(*arguments, **named)})


@dataclass(eq=False)
class AdminPages:
    """What an app registers in one admin site.

    Attributes:
        added: its model admins by model.
        replaced: what was there before for a model: Django's own ``UserAdmin``, for example.
        removed: what it unregistered.
    """

    added: Table = field(default_factory=dict)
    replaced: Table = field(default_factory=dict)
    removed: Table = field(default_factory=dict)

    def put_into(self, table: Table) -> Table:
        """A table with these pages."""
        return {**{k: v for k, v in table.items() if k not in self.removed}, **self.added}

    def take_out_of(self, table: Table) -> Table:
        """A table without them."""
        rest = {k: v for k, v in table.items() if self.added.get(k) is not v}
        return {**rest, **{k: v for k, v in self.replaced.items() if k not in rest}, **self.removed}


Pages = dict[int, AdminPages]


def sites() -> list[Any]:
    """The admin sites of this process; empty where the admin is not used."""
    module = sys.modules.get("django.contrib.admin.sites")
    return [] if module is None else list(module.all_sites)


def go_live() -> None:
    """Let the tables of all sites be exchanged in one store."""
    for site in sites():
        if type(site._registry) is dict:
            site._registry = LiveRegistry(site._registry)


def go_back() -> None:
    """Give the sites plain dictionaries again."""
    for site in sites():
        if isinstance(site._registry, LiveRegistry):
            site._registry = dict(site._registry.table)


@contextlib.contextmanager
def staged(old: list[Pages], new: list[Pages] | None = None) -> Iterator[Pages]:
    """Let this thread see the tables without old pages and with new ones, and register in them.

    Args:
        old: the pages that are left out.
        new: the pages that are added.

    Yields:
        Filled as the body ends: what was registered in it, by site.
    """
    go_live()
    registered: Pages = {}
    tables = {id(site._registry): _rearranged(site, old, new or []) for site in sites()}
    before = {key: dict(table) for key, table in tables.items()}
    outer, _views.tables = getattr(_views, "tables", {}), tables
    try:
        yield registered
        registered.update(_registered(before, tables))
    finally:
        _views.tables = outer


def _registered(before: Any, tables: Any) -> Pages:
    found: Pages = {}
    for site in sites():
        key = id(site._registry)
        if key in before:
            found[id(site)] = _difference(before[key], tables[key])
    return found


def publish(old: list[Pages], new: list[Pages]) -> None:
    """Let requests see the tables without old pages and with new ones."""
    go_live()
    for site in sites():
        site._registry.put(_rearranged(site, old, new))


def pages_by_label(label: str, package: str) -> Pages:
    """What an app that was loaded at the start has registered."""
    found = {}
    for site in sites():
        mine = {
            model: page
            for model, page in site._registry.items()
            if model._meta.app_label == label or _is_of(page, package)
        }
        found[id(site)] = AdminPages(added=mine)
    return found


def _rearranged(site: Any, old: list[Pages], new: list[Pages]) -> Table:
    table: Table = dict(site._registry.seen())
    for pages in old:
        if id(site) in pages:
            table = pages[id(site)].take_out_of(table)
    for pages in new:
        if id(site) in pages:
            table = pages[id(site)].put_into(table)
    return table


def _difference(before: Table, after: Table) -> AdminPages:
    added = {k: v for k, v in after.items() if before.get(k) is not v}
    replaced = {k: before[k] for k in added if k in before}
    removed = {k: v for k, v in before.items() if k not in after}
    return AdminPages(added, replaced, removed)


def _is_of(page: Any, package: str) -> bool:
    from .naming import belongs

    return belongs(type(page).__module__, package)
