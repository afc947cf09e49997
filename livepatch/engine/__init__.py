"""Replaces functions of a running program, whoever holds them, and puts them back exactly.

Standard library only, and nothing else of the package: an exported extension carries a copy of
this folder. As data, a change travels one way:

``naming`` (what is meant, and the place that holds it) → ``writing`` (the new code) → ``layers``
(what lies on it, and what runs around a call) → ``switching`` (the code that calls run on) →
``changing`` (all of it or nothing, and when; who is told).

The rooms import downwards only, which CI holds: ``verbs``, ``layers``, ``writing``, ``naming``,
``switching``, ``reading``, ``plan``, ``changing``, ``errors``, ``shown``.
"""

from __future__ import annotations

from .changing.change import Change, ChangeDescription, Step, apply, transaction
from .changing.events import subscribe
from .errors import ForeignChange, LivepatchError, PatchRefused, TargetNotFound
from .layers.adopting import adopt
from .layers.stacks import Layer
from .verbs import live_layers, replace, restore, restore_all
from .wrapping import after, before, filter_args, filter_result, wrap

__all__ = [
    "Change",
    "ChangeDescription",
    "ForeignChange",
    "Layer",
    "LivepatchError",
    "PatchRefused",
    "Step",
    "TargetNotFound",
    "adopt",
    "after",
    "apply",
    "before",
    "filter_args",
    "filter_result",
    "live_layers",
    "replace",
    "restore",
    "restore_all",
    "subscribe",
    "transaction",
    "wrap",
]
