"""A change of what requests meet: a middleware stack, a list of routes, the events of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from livepatch.engine.plan.plan import Planned, Replan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.engine.changing.change import Change


class Published(Planned[Any], Protocol):
    """Something that requests meet: they see its plan when it is published.

    Attributes:
        published: the plan that requests see; behind the plan inside a transaction.
    """

    published: Any

    def publish(self, plan: Any) -> None:
        """Let the requests that come from now on see a plan."""

    def is_published(self) -> bool:
        """Whether the webui still has what was published last."""


class WebChange(Replan[Any]):
    """A step that is true in the plan at once, and that requests see at the end of its transaction.

    They see it together with the other steps, in one store.
    """

    planned: Published

    def show(self, together: Sequence[Change]) -> None:
        """Let requests see every step that becomes visible now."""
        plan = self.planned.published
        for change in together:
            if isinstance(change, WebChange) and change.planned is self.planned:
                plan = change.carried(plan) if change.is_made else change.carried_back(plan)
        if plan != self.planned.published or not self.planned.is_published():
            self.planned.publish(plan)
