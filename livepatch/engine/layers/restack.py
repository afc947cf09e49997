"""The change of a stack: from one set of layers to another, and back."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import TYPE_CHECKING

from ..changing.change import Change, ChangeDescription
from ..errors import PatchRefused
from ..plan.steps import carry_over

if TYPE_CHECKING:
    from .layer import Placement, Placements
    from .stacks import Stack


_layer = attrgetter("layer")


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
        self.stack.install(carry_over(self.before, self.after, self.stack.placements, by=_layer))

    def revert(self) -> None:
        """Install the placements before the step, with what others did since."""
        self.stack.install(carry_over(self.after, self.before, self.stack.placements, by=_layer))

    def describe(self) -> ChangeDescription:
        """The layer that the step is about."""
        layer, patch = self.placement.layer, self.placement.patch
        return ChangeDescription(
            self.verb, layer.target, layer.owner, layer.name, patch.source, patch.facts
        )
