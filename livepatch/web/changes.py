"""A change of what requests meet: a middleware stack, a list of routes, the events of a page."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from livepatch.engine.changing.change import Change, ChangeDescription
from livepatch.engine.plan import steps

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")  # a placement or an operation: each is about a layer, its ``layer``
_layer = attrgetter("layer")


class Planned(Protocol):
    """Something of the webui that has a plan.

    Attributes:
        path: what it is, in words.
        plan: what is true.
        shown: what requests see; behind the plan inside a transaction.
    """

    path: str
    plan: Any
    shown: Any

    def look_again(self, verb: str) -> None:
        """Look at the webui as it is now: it changes on its own account too."""

    def take_plan(self, plan: Any) -> None:
        """Take a plan as true; while it is not the webui's own, everybody knows of it."""

    def publish(self, shown: Any) -> None:
        """Let the requests that come from now on see a plan."""

    def is_published(self) -> bool:
        """Whether the webui still has what was published last."""


class Replan(Change):
    """The step from one plan to another.

    It is true in the ``plan`` at once; requests see it by :meth:`show`, together with the other
    steps of its transaction.

    Args:
        planned: what has the plan.
        after: the plan after the step.
        verb: what is done, for the journal.
        layer: the layer that it is about; None: all of them.
        call: the equivalent Python call.
    """

    def __init__(
        self, planned: Planned, after: Any, verb: str, layer: Any, call: str | None = None
    ) -> None:
        self.planned = planned
        self.before = planned.plan
        self.after = after
        self.verb = verb
        self.layer = layer
        self.call = call
        self.is_true = False

    def prepare(self) -> None:
        """Look at the webui as it is now; refuse where it cannot be changed any more."""
        self.planned.look_again(self.verb)

    def commit(self) -> None:
        """Put the step into the plan."""
        self.is_true = True
        self.planned.take_plan(carry_over(self.before, self.after, self.planned.plan))

    def revert(self) -> None:
        """Take the step out of the plan, with what others did since left as it is."""
        self.is_true = False
        self.planned.take_plan(carry_over(self.after, self.before, self.planned.plan))

    def show(self, together: Sequence[Change]) -> None:
        """Let requests see every step that becomes visible now, in one store."""
        shown = self.planned.shown
        for change in together:
            if isinstance(change, Replan) and change.planned is self.planned:
                steps = (change.before, change.after)
                old, new = steps if change.is_true else reversed(steps)
                shown = carry_over(old, new, shown)
        if shown != self.planned.shown or not self.planned.is_published():
            self.planned.publish(shown)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        layer = self.layer
        if layer is None:
            return ChangeDescription(self.verb, self.planned.path, "livepatch", "every change")
        return ChangeDescription(self.verb, layer.target, layer.owner, layer.name, self.call)


def carry_over(
    old: tuple[Item, ...], new: tuple[Item, ...], present: tuple[Item, ...]
) -> tuple[Item, ...]:
    """Apply the step from one plan to another to a plan that others may have changed."""
    return steps.carry_over(old, new, present, by=_layer)
