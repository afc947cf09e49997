"""ComfyUI's caches: what was computed by code that changed is dropped, so that it runs again.

ComfyUI keeps the outputs of nodes by the node and everything before it, and the nodes themselves
by number and type. Neither sees that code changed: the same prompt would give the old picture after
a change, and the changed one after a restore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine.errors import TargetNotFound
from livepatch.engine.layers.stacks import Restack
from livepatch.engine.naming.lookup import look_up
from livepatch.engine.plan.plan import Replan, layers_on
from livepatch.registries.containers import InDict
from livepatch.registries.followed import FollowedPoint
from livepatch.registries.loaded import ExtensionChange
from livepatch.registries.store import Method

from .runtime import drop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from livepatch.engine.changing.change import Change


def evict(queue: Any, changes: Sequence[Change], classes: Mapping[str, Any]) -> None:
    """Drop what may have been computed by code that changed.

    Args:
        queue: the queue of prompts; None while ComfyUI starts.
        changes: what has become true, or was taken back.
        classes: the classes of nodes, by their types.
    """
    if queue is None:
        return
    types: set[str] = set()
    concerned = False
    for change in changes:
        found = _types_of(getattr(change, "change", change), classes)
        concerned = concerned or found != set()
        types |= set(classes) if found is None else found
    if concerned:
        everything = types == set(classes)
        drop(queue, lambda key: everything or _is_concerned(key, types))


def _types_of(change: Any, classes: Mapping[str, Any]) -> set[str] | None:
    """The types of the nodes whose code a change is about; None: it may be any's."""
    if isinstance(change, ExtensionChange):
        # The types may be gone from the classes already, or not be there yet.
        return {put.key for put in change.loaded.puts if isinstance(put, InDict)}
    if isinstance(change, Replan) and isinstance(change.planned, FollowedPoint):
        before, after = ([r.item for r in layers_on(p)] for p in (change.before, change.after))
        touched = [item for item in (*before, *after) if (item in before) is not (item in after)]
        if not all(isinstance(item, Method) for item in touched):
            return None
        holders = [item.holder for item in touched]
    elif isinstance(change, Restack):
        holder = _class_of(change.describe().target)
        if holder is None:
            return None
        holders = [holder]
    else:
        return set()  # middleware, routes: no node runs in them
    found = {
        name
        for name, cls in classes.items()
        if any(holder in getattr(cls, "__mro__", ()) for holder in holders)
    }
    return found or None


def _class_of(path: str) -> Any:
    """The class that a dotted name is about: itself or as a method's."""
    try:
        found = look_up("", path)
    except TargetNotFound:
        return None
    for thing in (found.value, found.holder):
        if isinstance(thing, type):
            return thing
    return None


def _is_concerned(key: Any, types: set[str]) -> bool:
    """Whether the key of an output or of a node names one of the types.

    An output's key has the node and all before it, each beginning with its type; the key of a
    shape that is not known counts as concerned.
    """
    if isinstance(key, tuple) and len(key) == 2:
        return key[1] in types
    if not isinstance(key, frozenset):
        return True
    nodes = [part[1] for part in key if isinstance(part, tuple) and len(part) == 2]
    known = [node for node in nodes if isinstance(node, frozenset)]
    return len(known) != len(key) or any((0, name) in node for node in known for name in types)
