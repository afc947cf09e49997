"""One step of one app, and the facts that its answer line tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .versions import LoadedVersion


@dataclass(frozen=True)
class AppStep:
    """What becomes of one app.

    Attributes:
        label: the app's.
        before: what it was; None: not loaded.
        after: what it becomes; None: not loaded.
    """

    label: str
    before: LoadedVersion | None
    after: LoadedVersion | None

    @property
    def reversed(self) -> AppStep:
        """The way back."""
        return AppStep(self.label, self.after, self.before)


@dataclass
class Notes:
    """What has to be said of a step that was made."""

    still_running: int = 0
    facts: list[str] = field(default_factory=list)
