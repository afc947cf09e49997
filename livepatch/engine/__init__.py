"""Replaces functions of a running program, whoever holds them, and puts them back exactly.

Standard library only, and nothing else of the package: an exported extension carries a copy of
this folder. As data, a change travels one way:

``lookup``, ``peeling``, ``targets`` (what is meant; ``slots`` and ``overrides`` where there is no
code to change) → ``graft``, ``patches``, ``combinators``, ``guard``, ``classes`` (the new code) →
``laying`` (the layer) → ``stacks``, ``bodies``, ``codes``, ``functions`` (the switch) → ``change``,
``masking``, ``pending`` (all of it or nothing, and when) → ``events`` (who is told).
"""

from __future__ import annotations

from .adopting import adopt
from .change import Change, ChangeDescription, Step, apply, transaction
from .errors import ForeignChange, LivepatchError, PatchRefused, TargetNotFound
from .events import subscribe
from .layers import Layer
from .verbs import layers, replace, restore, restore_all
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
    "layers",
    "replace",
    "restore",
    "restore_all",
    "subscribe",
    "transaction",
    "wrap",
]
