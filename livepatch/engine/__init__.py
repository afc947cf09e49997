"""Replaces functions of a running program, whoever holds them, and puts them back exactly.

Standard library only, and nothing else of the package: an exported extension carries a copy of
this folder. As data, a replacement travels one way:

``targets`` (what is meant) → ``patches``, ``graft``, ``names`` (the new code, in its place) →
``codes`` (what to install) → ``layers``, ``functions`` (the switch) → ``change``, ``masking``
(all of it or nothing) → ``events`` (who is told).
"""

from __future__ import annotations

from .change import Change, ChangeDescription, Step, apply, transaction
from .errors import ForeignChange, LivepatchError, PatchRefused, TargetNotFound
from .events import subscribe
from .layers import Layer
from .verbs import layers, replace, restore, restore_all

__all__ = [
    "Change",
    "ChangeDescription",
    "ForeignChange",
    "Layer",
    "LivepatchError",
    "PatchRefused",
    "Step",
    "TargetNotFound",
    "apply",
    "layers",
    "replace",
    "restore",
    "restore_all",
    "subscribe",
    "transaction",
]
