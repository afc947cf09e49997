"""Replaces functions of a running program, whoever holds them, and puts them back exactly.

Standard library only, and nothing else of the package: an exported extension carries a copy of
this folder. A change travels one way:

``verbs``, ``wrapping`` (what the user asks) → ``naming`` (what is meant, and the place that holds
it) → ``writing`` (the new code, from what ``reading`` finds) → ``layers`` (what lies on the target
now, and the step to what shall: ``plan``) → ``changing`` (all of it or nothing, and who is told).
``changing`` drives the step: it calls back into ``layers``, and that into ``switching``, where the
code is exchanged that calls run on. ``answers`` says what has been done.

The rooms import downwards only, which CI holds: ``verbs``, ``layers``, ``writing``, ``naming``,
``switching``, ``reading``, ``plan``, ``changing``, ``errors``, ``shown``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .on_demand import on_demand

if TYPE_CHECKING:
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

_HOMES = {
    ".changing.change": (
        "Change",
        "ChangeDescription",
        "Step",
        "apply",
        "transaction",
    ),
    ".changing.events": ("subscribe",),
    ".errors": (
        "ForeignChange",
        "LivepatchError",
        "PatchRefused",
        "TargetNotFound",
    ),
    ".layers.adopting": ("adopt",),
    ".layers.stacks": ("Layer",),
    ".verbs": (
        "live_layers",
        "replace",
        "restore",
        "restore_all",
    ),
    ".wrapping": (
        "after",
        "before",
        "filter_args",
        "filter_result",
        "wrap",
    ),
}

__getattr__ = on_demand(__name__, _HOMES)
