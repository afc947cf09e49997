"""A change of what requests meet: a middleware stack, a list of routes, the events of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from livepatch.engine.changing.change import Change, ChangeDescription
from livepatch.engine.plan.plan import Replan

if TYPE_CHECKING:
    from collections.abc import Sequence


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


class WebChange(Replan[Any]):
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
        super().__init__(planned.plan, after)
        self.planned = planned
        self.verb = verb
        self.layer = layer
        self.call = call
        self.is_true = False

    def prepare(self) -> None:
        """Look at the webui as it is now; refuse where it cannot be changed any more."""
        self.planned.look_again(self.verb)

    def present(self) -> Any:
        """The plan now."""
        return self.planned.plan

    def take(self, plan: Any) -> None:
        """Take a plan as true."""
        self.planned.take_plan(plan)

    def commit(self) -> None:
        """Put the step into the plan."""
        self.is_true = True
        super().commit()

    def revert(self) -> None:
        """Take the step out of the plan, with what others did since left as it is."""
        self.is_true = False
        super().revert()

    def show(self, together: Sequence[Change]) -> None:
        """Let requests see every step that becomes visible now, in one store."""
        shown = self.planned.shown
        for change in together:
            if isinstance(change, WebChange) and change.planned is self.planned:
                shown = change.carried(shown) if change.is_true else change.carried_back(shown)
        if shown != self.planned.shown or not self.planned.is_published():
            self.planned.publish(shown)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        layer = self.layer
        if layer is None:
            return ChangeDescription(self.verb, self.planned.path, "livepatch", "every change")
        return ChangeDescription(self.verb, layer.target, layer.owner, layer.name, self.call)
