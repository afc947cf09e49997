"""A change of a middleware stack, as the engine's protocol of changes has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.change import Change, ChangeDescription

from .layer import carry_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layer import MiddlewareLayer, Placements
    from .stack import MiddlewareStack


class Rearrange(Change):
    """The step of a stack from some placements to others.

    It is true in the stack's ``plan`` at once; requests see it by :meth:`show`, together with the
    other steps of its transaction.
    """

    def __init__(
        self,
        stack: MiddlewareStack,
        after: Placements,
        verb: str,
        layer: MiddlewareLayer | None,
        call: str | None = None,
    ) -> None:
        self.stack = stack
        self.before = stack.plan
        self.after = after
        self.verb = verb
        self.layer = layer
        self.call = call
        self.is_true = False

    def prepare(self) -> None:
        """Look at the stack as it is now; refuse where it cannot be mapped any more."""
        self.stack.refresh(f"{self.verb} · {self.stack.path}")

    def commit(self) -> None:
        """Put the step into the plan."""
        self.is_true = True
        self.stack.take_plan(carry_over(self.before, self.after, self.stack.plan))

    def revert(self) -> None:
        """Take the step out of the plan, with what others did since left as it is."""
        self.is_true = False
        self.stack.take_plan(carry_over(self.after, self.before, self.stack.plan))

    def show(self, together: Sequence[Change]) -> None:
        """Let requests see every step of the stack that becomes visible now, in one store."""
        shown = self.stack.shown
        for change in together:
            if isinstance(change, Rearrange) and change.stack is self.stack:
                steps = (change.before, change.after)
                old, new = steps if change.is_true else reversed(steps)
                shown = carry_over(old, new, shown)
        if shown != self.stack.shown or not self.stack.is_published():
            self.stack.publish(shown)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        layer = self.layer
        owner, name = (layer.owner, layer.name) if layer else ("livepatch", "every layer")
        return ChangeDescription(self.verb, self.stack.path, owner, name, self.call)
