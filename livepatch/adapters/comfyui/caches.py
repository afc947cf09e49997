"""ComfyUI's caches: what was computed by code that changed is dropped, so that it runs again.

ComfyUI keeps the outputs of nodes by the node and everything before it, and the nodes themselves
by number and type. Neither sees that code changed: the same prompt would give the old picture after
a change, and the changed one after a restore.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from livepatch.engine.errors import TargetNotFound
from livepatch.engine.layers.stacks import Restack
from livepatch.engine.naming.lookup import look_up
from livepatch.engine.plan.plan import Replan, layers_on
from livepatch.engine.switching.frames import all_stacks
from livepatch.registries.containers import InDict
from livepatch.registries.followed import FollowedPoint
from livepatch.registries.loaded import ExtensionChange
from livepatch.registries.store import Method

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from livepatch.engine.changing.change import Change

KINDS = ("outputs", "ui", "objects")


def evict(queue: Any, changes: Sequence[Change], classes: Mapping[str, Any]) -> None:
    """Drop what may have been computed by code that changed.

    While a prompt runs, nodes of it that ran the old code may still put their outputs into the
    caches: then ComfyUI itself is told to drop them all when the prompt has ended.

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
    if not concerned:
        return
    everything = types == set(classes)
    if not queue.mutex.acquire(timeout=0.05):
        _drop_at_the_end(queue)
        return
    try:
        for cache in _caches():
            _evict_from(cache, types, everything=everything)
        if queue.currently_running:
            _drop_at_the_end(queue)
    finally:
        queue.mutex.release()


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


def _caches() -> Iterator[Any]:
    for executor in _executors():
        for kind in KINDS:
            cache = getattr(executor.caches, kind, None)
            if cache is not None:
                yield cache


def _executors() -> Iterator[Any]:
    """What runs the prompts: a local variable of the thread that does."""
    for frame in itertools.chain.from_iterable(all_stacks().values()):
        if frame.f_code.co_name == "prompt_worker":
            executor = frame.f_locals.get("e")
            if hasattr(executor, "caches"):
                yield executor


def _evict_from(cache: Any, types: set[str], *, everything: bool) -> None:
    entries = getattr(cache, "cache", None)
    if isinstance(entries, dict):
        for key in list(entries):
            if everything or _is_concerned(key, types):
                entries.pop(key, None)
    for inner in list((getattr(cache, "subcaches", None) or {}).values()):
        _evict_from(inner, types, everything=everything)


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


def _drop_at_the_end(queue: Any) -> None:
    queue.set_flag("unload_models", False)
    queue.set_flag("free_memory", True)
