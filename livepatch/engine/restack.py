"""The change of a stack: from one set of layers to another, and back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .change import Change, ChangeDescription
from .errors import PatchRefused

if TYPE_CHECKING:
    from .layers import Placement, Placements
    from .stacks import Stack


class Restack(Change):
    """The step of a stack from its present placements to others."""

    def __init__(self, stack: Stack, after: Placements, placement: Placement, verb: str) -> None:
        self.stack = stack
        self.before = stack.placements
        self.after = after
        self.placement = placement
        self.verb = verb

    def prepare(self) -> None:
        """Refuse where someone else changed what is there, or where no code can change."""
        asked = f"{self.verb} {self.stack.path}"
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            raise PatchRefused(
                asked,
                "this Python runs without its GIL: there, changing a function's code while others "
                "call it is not safe (cpython gh-145272)",
                "start the webui with PYTHON_GIL=1",
            )
        self.stack.check_not_foreign(asked)

    def commit(self) -> None:
        """Install the placements after the step."""
        self.stack.install(_carry_over(self.before, self.after, self.stack.placements))

    def revert(self) -> None:
        """Install the placements before the step, with what others did since."""
        self.stack.install(_carry_over(self.after, self.before, self.stack.placements))

    def describe(self) -> ChangeDescription:
        """The layer that the step is about."""
        layer, patch = self.placement.layer, self.placement.patch
        return ChangeDescription(
            self.verb, layer.target, layer.owner, layer.name, patch.source, patch.facts
        )


def _carry_over(old: Placements, new: Placements, present: Placements) -> Placements:
    """Apply the step from ``old`` to ``new`` to placements that others may have changed."""
    if present == old:
        return new
    before, after = {p.layer: p for p in old}, {p.layer: p for p in new}
    touched = {layer for layer in {**before, **after} if before.get(layer) is not after.get(layer)}
    result: list[Any] = [after.get(p.layer, p) if p.layer in touched else p for p in present]
    result = [p for p in result if p.layer not in touched or p.layer in after]
    present_layers = {p.layer for p in present}
    for position, placement in enumerate(new):
        if placement.layer in touched and placement.layer not in present_layers:
            lower = {p.layer for p in new[:position]}
            index = max((i + 1 for i, p in enumerate(result) if p.layer in lower), default=0)
            result.insert(index, placement)
    return tuple(result)
