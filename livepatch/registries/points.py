"""The known hook points: one object for the same data of the webui."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import is_same

from .point import HookPoint
from .timed_store import TimedStore

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

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


def at_rest() -> list[Store]:
    """The stores whose webui is not about to register everything anew."""
    with registry.lock:
        return _at_rest()


def _at_rest() -> list[Store]:
    stores = [point.store for point in _points.values()]
    return [store for store in stores if not store.is_registering()]


def look_again(resting: Sequence[Store]) -> None:
    """Look at every point anew, after we have put something there or taken something out.

    Args:
        resting: the stores that were :func:`at_rest` before: what is gone from them, we took out.
    """
    with registry.lock:
        _look_again(resting)


def _look_again(resting: Sequence[Store]) -> None:
    for store in resting:
        store.take_as_it_is()
    for point in list(_points.values()):
        point.refresh()
