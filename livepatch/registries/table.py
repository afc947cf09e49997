"""All events, or all hooks, of the webui: one sequence that can be indexed by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

from livepatch.engine import TargetNotFound
from livepatch.engine.answers import counted
from livepatch.looking.callables import target_of

from .finding import matches
from .report import callbacks_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from livepatch.engine.answers import AnswerLine
    from livepatch.reports import Report

    from .finding import Reference
    from .point import HookPoint
    from .registration import Registration


class CallTable(Sequence["Registration"]):
    """What the webui calls at all its events, or hooks, in the order in which they come.

    It is a sequence of registrations that shows as a table; ``table["step"]`` is one event.

    Args:
        title: what is listed.
        points: the events or hooks.
        kind: what one of them is called: ``event``, ``hook``.
    """

    def __init__(self, title: str, points: Sequence[HookPoint], kind: str) -> None:
        self.title = title
        self.points = tuple(points)
        self.kind = kind

    @property
    def events(self) -> list[str]:
        """The names of the events or hooks, those without registrations too."""
        return [point.event for point in self.points]

    def add(self, event: str, callback: Callable[..., Any], **options: Any) -> Registration:
        """Have the webui call something more; see :meth:`HookPoint.add`."""
        return self.point(f"add a callback to {event}", event).add(callback, **options)

    def replace(self, reference: Reference, callback: Callable[..., Any]) -> Registration:
        """Have it call something else in the place of a registration."""
        return self.find("replace", reference).replace(callback)

    def mute(self, reference: Reference) -> AnswerLine:
        """Let it pass a registration by.

        Args:
            reference: a registration, what it calls, its name, or ``event/name``.
        """
        return self.find("mute", reference).mute()

    def unmute(self, reference: Reference) -> AnswerLine:
        """Let it call a muted registration again."""
        return self.find("unmute", reference).unmute()

    def move(self, reference: Reference, **place: Any) -> Registration:
        """Have it call a registration ``before=…`` or ``after=…`` another, or as ``index=…``."""
        return self.find("move", reference).move(**place)

    def remove(self, reference: Reference) -> AnswerLine:
        """Take a registration out."""
        found = self.find("remove", reference)
        return found.point.remove(found)

    def point(self, asked: str, event: str) -> HookPoint:
        """The event of a name.

        Raises:
            TargetNotFound: there is no such event.
        """
        for point in self.points:
            if point.event == event:
                return point
        return self._no_event(asked, event)

    def _no_event(self, asked: str, event: str, *, or_name: str = "") -> NoReturn:
        near = difflib.get_close_matches(str(event), self.events)
        if or_name:
            near += difflib.get_close_matches(str(event), dict.fromkeys(r.name for r in self))
        with_some = [point.event for point in self.points if len(point)]
        shown = near or with_some[:12] or self.events[:12]
        advice = f"did you mean {' or '.join(near[:3])}?" if near else f"%{self.magic} shows them"
        raise TargetNotFound(
            asked,
            f"this webui has no {self.kind} {event!r}{or_name}; it has {len(self.points)}, "
            f"among them: {', '.join(shown)}",
            advice,
        )

    @property
    def magic(self) -> str:
        """The magic that shows the table."""
        return "hooks" if self.kind == "hook" else "callbacks"

    def find(self, verb: str, reference: Reference) -> Registration:
        """The registration that is meant, of whatever event.

        Raises:
            TargetNotFound: there is none, or there are several.
        """
        asked = f"{verb} {getattr(reference, 'name', reference)}"
        if isinstance(reference, str) and reference.partition("/")[0] in self.events:
            event, _, name = reference.partition("/")
            if name:
                return self.point(asked, event).find(asked, _number(name))
            self._name_one(asked, event)
        found = [r for r in self if matches(r, reference)]
        found = [r for r in found if reference in (r, r.name)] or found
        if len(found) == 1:
            return found[0]
        if not found:
            self._not_found(asked, reference)
        places = [f"{r.event}/{list(r.point).index(r)}" for r in found]
        raise TargetNotFound(
            asked,
            f"{len(found)} have that name: {', '.join(places)}",
            f"say which: {places[0]!r}",
        )

    def _name_one(self, asked: str, event: str) -> NoReturn:
        """An event was named where one of its registrations is meant."""
        names = [r.name for r in self.point(asked, event)]
        verb = asked.partition(" ")[0]
        known = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        advice = f"%{self.magic} {verb} {event}/{names[0]}" if names else f"%{self.magic}"
        raise TargetNotFound(
            asked,
            f"{event} is a {self.kind} with {counted(len(names), 'registration')}"
            f"{f': {known}' if names else ''}",
            f"say which: {advice}" if names else f"{advice} shows where something is registered",
        )

    def _not_found(self, asked: str, reference: Reference) -> NoReturn:
        names = list(dict.fromkeys(r.name for r in self))
        near = difflib.get_close_matches(str(reference), names, n=3, cutoff=0.4)
        short = {name.rpartition("/")[2]: name for name in names}
        near = near or [short[n] for n in difflib.get_close_matches(str(reference), short)]
        raise TargetNotFound(
            asked,
            f"nothing is registered as {reference!r}; registered: "
            f"{', '.join(names[:8]) or 'nothing'}{' …' if len(names) > 8 else ''}",
            f"did you mean {' or '.join(near)}?"
            if near
            else f"%{self.magic} shows what is registered",
        )

    def report(self, event: str | None = None) -> Report[Registration]:
        """The registrations as a table.

        Args:
            event: only those of this event; or those that ``EVENT/NAME`` means; or those that have
                this word in their name, their function's, or their owner's.

        Raises:
            TargetNotFound: there is no such event, and nothing has that word.
        """
        if event is None:
            return callbacks_table(self.title, self.points, self.magic)
        if event in self.events:
            return self.point(f"look at {event}", event).report()
        only = self._having(event)
        if not only:
            self._no_event(f"look at {event}", event, or_name=", and nothing of such a name")
        return callbacks_table(f"{self.title} with {event!r}", self.points, only=only)

    def _having(self, word: str) -> list[Registration]:
        """The registrations that a word means, or else those that have it somewhere."""
        event, slash, name = word.partition("/")
        if slash and event in self.events:
            point = self.point("", event)
            numbered = [r for number, r in enumerate(point) if str(number) == name]
            return numbered or _having(point, name)
        return _having(self, word)

    def __contains__(self, thing: object) -> bool:
        return thing in self.events if isinstance(thing, str) else thing in list(self)

    @overload
    def __getitem__(self, index: str) -> HookPoint: ...
    @overload
    def __getitem__(self, index: int) -> Registration: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Registration]: ...
    def __getitem__(
        self, index: int | str | slice
    ) -> Registration | HookPoint | Sequence[Registration]:
        if isinstance(index, str):
            return self.point(f"look at {index}", index)
        return list(self)[index]

    def __len__(self) -> int:
        return sum(len(point) for point in self.points)

    def __iter__(self) -> Iterator[Registration]:
        return (registration for point in self.points for registration in point)

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


def _having(registrations: Iterable[Registration], word: str) -> list[Registration]:
    known = list(registrations)
    meant = [r for r in known if matches(r, word)]
    if meant:
        return meant
    texts = {id(r): (r.name, r.owner, target_of(r.callback)) for r in known}
    return [r for r in known if any(word.lower() in text.lower() for text in texts[id(r)])]


def _number(name: str) -> Reference:
    return int(name) if name.isdigit() else name
