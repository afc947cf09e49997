"""A registration: one callable that the webui calls at a hook point."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from livepatch.engine.plan.plan import Placement
from livepatch.looking.callables import name_of, path_of, place_of, text_of

if TYPE_CHECKING:
    from livepatch.engine.answers import AnswerLine

    from .store import Store

State = Literal["active", "off", "stale", "removed"]
Timed = Callable[["Registration", Any], Any]


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
        replaces: the webui's own that it stands in the place of; None: it was added.
        again: what one of the webui's is known by when it is registered anew.
    """

    point: Point
    item: Any = field(repr=False)
    name: str
    owner: str
    is_ours: bool = False
    replaces: Registration | None = field(default=None, repr=False)
    again: Hashable = field(default=None, repr=False)
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
        return text_of(self.callback)

    @property
    def target(self) -> str:
        """Where it is registered, in words."""
        return self.point.path

    @property
    def state(self) -> State:
        """``active``, ``off`` (muted), ``stale`` (the webui dropped it) or ``removed``."""
        return self.point.states().get(self, "removed")

    @property
    def why(self) -> str:
        """Why it is stale; empty where it is not, or where the webui has just dropped it."""
        return self.point.barred.get(self, "")

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


class Point(Sequence[Registration]):
    """An event or a hook: its registrations in the order of the calls, and what changes one.

    Attributes:
        store: where the webui keeps it.
        plan: the placements as they shall be.
        barred: those that have no place in what the webui has now, and why.
    """

    store: Store
    plan: Placements
    barred: dict[Registration, str]

    @property
    def event(self) -> str:
        """The name of the event or hook."""
        return self.store.event

    @property
    def path(self) -> str:
        """What it is, in words."""
        return self.store.path

    @property
    def note(self) -> str:
        """What has to be said of how its registrations are called."""
        return self.store.note

    @property
    def verbs(self) -> frozenset[str]:
        """What can be done here."""
        return self.store.verbs

    @property
    def folded(self) -> bool:
        """Whether a table of all events only counts its registrations."""
        return self.store.folded

    @abstractmethod
    def refresh(self) -> None:
        """Look at what the webui has now: it may have registered and dropped others since."""

    @abstractmethod
    def states(self) -> dict[Registration, State]:
        """The state of each, in the order of calls."""

    @abstractmethod
    def measure_by(self, timed: Timed | None) -> None:
        """Have the calls timed, or cost nothing again.

        Args:
            timed: makes a timed function of one that a registration calls; None: nothing is timed.
        """

    @abstractmethod
    def mute(self, registration: Registration) -> AnswerLine:
        """Let the webui pass a registration by; it keeps its place."""

    @abstractmethod
    def unmute(self, registration: Registration) -> AnswerLine:
        """Let the webui call a muted registration again, in its old place."""

    @abstractmethod
    def remove(self, registration: Registration) -> AnswerLine:
        """Take a registration out; the webui calls it no more."""

    @abstractmethod
    def replace(self, registration: Registration, callback: Callable[..., Any]) -> Registration:
        """Have the webui call something else in the place of a registration."""

    @abstractmethod
    def move(
        self,
        registration: Registration,
        *,
        before: Any = None,
        after: Any = None,
        index: int | None = None,
    ) -> Registration:
        """Have the webui call a registration at another place among the others."""
