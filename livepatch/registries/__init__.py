"""What a webui calls by itself, callbacks and hooks: looked at and changed while it runs.

A webui keeps them in data of its own: lists by event, methods of script classes, functions of
extension modules, dictionaries of hooks. An adapter answers each as a :class:`~.store.Store`; all
else (add, replace, mute, move, remove, and the exact way back) is written once, over stores.
"""

from __future__ import annotations

from .extension import Extension, Owners
from .point import HookPoint
from .points import point_of
from .registration import Registration
from .store import Store
from .table import CallTable

__all__ = [
    "CallTable",
    "Extension",
    "HookPoint",
    "Owners",
    "Registration",
    "Store",
    "point_of",
]
