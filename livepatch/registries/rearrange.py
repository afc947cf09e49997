"""The step of a point from its present placements to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.changing.change import ChangeDescription
from livepatch.engine.plan.plan import Placement, Replan

from .registration import Registration

if TYPE_CHECKING:
    from .followed import FollowedPoint

RegistrationPlacement = Placement[Registration, None]
Placements = tuple[RegistrationPlacement, ...]


class Rearrange(Replan[RegistrationPlacement]):
    """The step of a point from its present placements to others."""

    def __init__(
        self, point: FollowedPoint, after: Placements, verb: str, registration: Registration | None
    ) -> None:
        super().__init__(point.plan, after)
        self.point = point
        self.verb = verb
        self.registration = registration

    def prepare(self) -> None:
        """Look at what the webui has now."""
        self.point.refresh()

    def present(self) -> Placements:
        """The placements now."""
        return self.point.plan

    def take(self, plan: Placements) -> None:
        """Make the webui call these placements."""
        self.point.take(plan)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        about = self.registration
        if about is None:
            return ChangeDescription(self.verb, self.point.path, "livepatch", "everything")
        text = about.source if self.verb in ("add", "replace") else None
        return ChangeDescription(self.verb, self.point.path, about.owner, about.name, text)
