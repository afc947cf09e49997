"""One callable that the webui calls at one point."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from livepatch.engine.plan.plan import Placement

from .facts import name_of, path_of, place_of, source

if TYPE_CHECKING:
    from collections.abc import Callable

    from livepatch.engine.answers import AnswerLine

    from .point import CallPoint

State = Literal["active", "off", "stale", "removed"]


@dataclass(eq=False)
class Registration:
    """A callback or a hook of the running webui.

    ``str(registration)`` is the answer line of the verb that changed it last.

    Attributes:
        point: the event or hook that it is registered for.
        item: what stands for it in the webui's own data.
        name: what the webui calls it.
        owner: whose it is: an extension's, a package's, the webui's, the notebook's, a module's.
        is_ours: whether it was put there through livepatch.
    """

    point: CallPoint
    item: Any = field(repr=False)
    name: str
    owner: str
    is_ours: bool = False
    answer: str = field(default="", repr=False)

    verb = "callback"

    @property
    def callback(self) -> Any:
        """What is called."""
        return self.point.store.callback_of(self.item)

    @property
    def function(self) -> str:
        """The name that what is called gives itself; the webui may have another for it."""
        return name_of(self.callback)

    @property
    def event(self) -> str:
        """The name of the event or hook."""
        return self.point.event

    @property
    def place(self) -> str:
        """``file:line`` of its code."""
        return place_of(self.callback)

    @property
    def path(self) -> str | None:
        """The dotted name that ``lp.replace``, ``lp.wrap`` and ``%trace`` take; None without one.

        A change by that name lies on the function, wherever else it is called.
        """
        return path_of(self.callback)

    @property
    def source(self) -> str | None:
        """The text of its code, where it can be had."""
        return source(self.callback)

    @property
    def target(self) -> str:
        """Where it is registered, in words."""
        return self.point.path

    @property
    def state(self) -> State:
        """``active``, ``off`` (muted), ``stale`` (the webui dropped it) or ``removed``."""
        return self.point.state_of(self)

    def mute(self) -> AnswerLine:
        """Let the webui pass it by, without losing its place."""
        return self.point.mute(self)

    def unmute(self) -> AnswerLine:
        """Let the webui call it again."""
        return self.point.unmute(self)

    def remove(self) -> None:
        """Take it out; one that is gone already stays gone."""
        if self.state != "removed":
            self.point.remove(self)

    def replace(self, callback: Callable[..., Any]) -> Registration:
        """Have the webui call something else in its place."""
        return self.point.replace(self, callback)

    def move(
        self, *, before: Any = None, after: Any = None, index: int | None = None
    ) -> Registration:
        """Have the webui call it at another moment of the same event."""
        return self.point.move(self, before=before, after=after, index=index)

    def off(self) -> None:
        """Mute it."""
        self.mute()

    def on(self) -> None:
        """Unmute it."""
        self.unmute()

    def whose(self) -> str:
        """The registration in words: its owner and its name."""
        return f"{self.owner}'s {self.name!r}"

    def __str__(self) -> str:
        return self.answer or f"{self.name} · {self.event} · {self.owner} · {self.place}"

    def __repr__(self) -> str:
        return f"<Registration {self.event} · {self.name} · {self.owner} · {self.state}>"


RegistrationPlacement = Placement[Registration, None]
Placements = tuple[RegistrationPlacement, ...]
