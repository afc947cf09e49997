"""The step of a point from its present placements to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.changing.change import Change, ChangeDescription

from .placements import carry_over

if TYPE_CHECKING:
    from .followed import FollowedPoint
    from .placements import Placements
    from .registration import Registration


class Rearrange(Change):
    """The step of a point from its present placements to others."""

    def __init__(
        self, point: FollowedPoint, after: Placements, verb: str, registration: Registration | None
    ) -> None:
        self.point = point
        self.before = point.plan
        self.after = after
        self.verb = verb
        self.registration = registration

    def prepare(self) -> None:
        """Look at what the webui has now."""
        self.point.refresh()

    def commit(self) -> None:
        """Make the webui call the placements after the step."""
        self.point.take(carry_over(self.before, self.after, self.point.plan))

    def revert(self) -> None:
        """Make it call those before the step, with what others did since."""
        self.point.take(carry_over(self.after, self.before, self.point.plan))

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        about = self.registration
        if about is None:
            return ChangeDescription(self.verb, self.point.path, "livepatch", "everything")
        text = about.source if self.verb in ("add", "replace") else None
        return ChangeDescription(self.verb, self.point.path, about.owner, about.name, text)
