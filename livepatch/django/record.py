"""The record of an app that livepatch has changed: what the verbs answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .versions import version_of

if TYPE_CHECKING:
    from .live import LiveDjango
    from .versions import LoadedVersion, Version


@dataclass(eq=False)
class AppRecord:
    """An app as livepatch changed it; ``str(record)`` is the answer line of the last verb.

    Attributes:
        live: what is published.
        label: the app's label.
        owner: who changed it.
        verb: what was done last: ``load``, ``reload``, ``disable``, ``enable``, ``unload``.
    """

    live: LiveDjango
    label: str
    owner: str
    verb: str = ""
    answer: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The app's label."""
        return self.label

    @property
    def target(self) -> str:
        """The app in words."""
        return f"app {self.label}"

    @property
    def source(self) -> None:
        """There is no text: an app is a folder."""
        return

    @property
    def placement(self) -> LoadedVersion | None:
        """What is loaded of it; None for nothing."""
        return self.live.placements.get(self.label)

    @property
    def version(self) -> str:
        """The version that the app says it has."""
        return version_of(self.placement.version.config) if self.placement else ""

    @property
    def config(self) -> Any:
        """Its AppConfig; None when it is not loaded."""
        return self.placement.version.config if self.placement else None

    @property
    def loaded(self) -> Version | None:
        """The version that is loaded."""
        return self.placement.version if self.placement else None

    @property
    def state(self) -> str:
        """``active``, ``off`` (disabled) or ``removed`` (unloaded)."""
        if self.placement is None:
            return "removed"
        return "active" if self.placement.on else "off"

    def whose(self) -> str:
        """The change in words: its owner and what it does."""
        return f"{self.owner}'s {self.verb} of {self.label}"

    def __str__(self) -> str:
        return self.answer or f"{self.label} · {self.state} · {self.owner}'s"

    __repr__ = __str__
