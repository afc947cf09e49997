"""All events, or all hooks, of the webui: one sequence that can be indexed by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

from livepatch.engine import TargetNotFound

from .finding import matches
from .report import callbacks_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        near = difflib.get_close_matches(str(event), self.events)
        with_some = [point.event for point in self.points if len(point)]
        shown = near or with_some[:12] or self.events[:12]
        raise TargetNotFound(
            asked,
            f"this webui has no {self.kind} {event!r}; it has {len(self.points)}, "
            f"among them: {', '.join(shown)}",
            f"did you mean {' or '.join(near)}?" if near else "table.events has all of them",
        )

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

    def _not_found(self, asked: str, reference: Reference) -> NoReturn:
        names = list(dict.fromkeys(r.name for r in self))
        near = difflib.get_close_matches(str(reference), names, n=3, cutoff=0.4)
        short = {name.rpartition("/")[2]: name for name in names}
        near = near or [short[n] for n in difflib.get_close_matches(str(reference), short)]
        raise TargetNotFound(
            asked,
            f"nothing is registered as {reference!r}; registered: "
            f"{', '.join(names[:8]) or 'nothing'}{' …' if len(names) > 8 else ''}",
            f"did you mean {' or '.join(near)}?" if near else f"look at {self.title}",
        )

    def report(self, event: str | None = None) -> Report[Registration]:
        """The registrations as a table; of one event only where it is named."""
        if event is not None:
            return self.point(f"look at {event}", event).report()
        return callbacks_table(self.title, self.points)

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


def _number(name: str) -> Reference:
    return int(name) if name.isdigit() else name
