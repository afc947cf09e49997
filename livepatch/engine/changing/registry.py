"""The one place of the engine's state in a process.

Exported extensions carry a copy of the engine under their own package name. All copies of one
process that have the same ``VERSION`` share this object, found under a fixed name in
``sys.modules``: whoever comes first makes it. Each copy has for itself what only its own code asks
for: the open transaction, the texts of new code, the traces.
"""

from __future__ import annotations

import sys
import threading
import weakref
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from .locks import Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# To be raised when a copy could not work any more with the stacks, layers or changes of an older
# one. Copies of other versions keep to themselves, with a lock and a mask of their own: each takes
# the other's code for the webui's own, and is refused where the other lies on top.
VERSION = 2
SHARED_NAME = f"_livepatch_registry_{VERSION}"


class Registry(ModuleType):
    """What every copy of the engine in this process knows.

    What is in it may have been made by any of them, so no class of this copy's is named here: its
    methods and attributes count.

    Attributes:
        lock: held from the preparation of a change to its commit.
        patched: the stacks with layers on them, by the first of their keys.
        stacks: every stack that someone still holds, patched or not, by each of its keys (the
            ``id`` of a function, the place of a value), so that nothing ever gets two. A stack
            keeps what it is about alive, so the ids stay unique.
        changed: what else of the webui has changes of ours on it, by ``id()``: see ``changed.py``.
        pending: what waits for a safe point, by its layer.
        watcher: the thread that looks for the moment of what waits.
        subscribers: what is called on an event, by the event's name.
        mask_lock, masked_threads, held_back: see ``masking.py``.
        notebook_modules: names of the modules whose code is a notebook's.
        kept_owners: whose layers ``restore_all`` leaves alone: exported extensions that the webui
            loaded belong to themselves.
    """

    def __init__(self) -> None:
        super().__init__(SHARED_NAME)
        self.version = VERSION
        self.lock = Lock()
        self.patched: dict[Hashable, Any] = {}
        self.stacks: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()
        self.changed: dict[int, Any] = {}
        self.pending: dict[Any, Any] = {}
        self.watcher: threading.Thread | None = None
        self.subscribers: dict[str, list[Callable[[Any], object]]] = {}
        self.mask_lock = threading.Lock()
        self.masked_threads: set[int] = set()
        self.held_back: set[int] = set()
        self.notebook_modules = {"livepatch_notebook"}
        self.kept_owners: set[str] = set()


def _shared() -> Registry:
    return cast("Registry", sys.modules.setdefault(SHARED_NAME, Registry()))


registry = _shared()
