"""The known hook points: one object for the same data of the webui."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import is_same

from .point import HookPoint
from .timed_store import TimedStore

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .extension import Owners
    from .store import Store

_points: weakref.WeakValueDictionary[Hashable, HookPoint] = weakref.WeakValueDictionary()


def point_of(store: Store, owners: Owners) -> HookPoint:
    """The point over a store; the same object for the same data of the webui."""
    with registry.lock:
        point = _points.get(store.key)
        if point is None:
            point = _points[store.key] = HookPoint(store, owners)
        elif is_same(point.plan, point.base) and not isinstance(point.store, TimedStore):
            point.store = store
        point.own_by(owners)
        point.refresh()
        return point


def look_again() -> None:
    """Look at every point anew: the webui's registries are as they shall be."""
    with registry.lock:
        for point in list(_points.values()):
            point.store.take_as_it_is()
            point.refresh()
