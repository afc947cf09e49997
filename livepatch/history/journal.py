"""The ordered record of every change in this process; undo and redo walk along it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, overload

from livepatch.engine import PatchRefused, subscribe
from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.change import open_step
from livepatch.engine.masking import masked
from livepatch.reports.journal import JournalReport

if TYPE_CHECKING:
    from livepatch.engine import ChangeDescription, Step


# A million steps in memory made the garbage collector stop the process for seconds at a time.
KEPT = 10_000


@dataclass(eq=False)
class Entry:
    """One step in the journal.

    Attributes:
        number: its place, counted from 1.
        step: what was changed; it knows the way back.
        changes: what was changed, as data: verb, target, owner, name, source text.
        time: when it became true, in UTC.
        undone: whether it is taken back at present.
    """

    number: int
    step: Step
    changes: tuple[ChangeDescription, ...]
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    undone: bool = False

    def __str__(self) -> str:
        what = ", ".join(f"{c.verb} {c.target} ({c.owner}'s {c.name!r})" for c in self.changes)
        return f"{self.number}. {what}{' · undone' if self.undone else ''}"


class Journal(Sequence[Entry]):
    """The steps since the process began, oldest first; of very many the last ``KEPT``.

    Undo takes back the youngest step that is not undone; a new step drops the undone ones behind
    it from redo, but not from the record.
    """

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0
        self._redoable: list[Entry] = []

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return list(self._entries)[index] if isinstance(index, slice) else self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __str__(self) -> str:
        return str(JournalReport(self))

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return JournalReport(self)._repr_mimebundle_()

    def record(self, step: Step) -> None:
        """Write a step down; the same step again is not written twice."""
        if self._entries and self._entries[-1].step is step:
            return
        changes = tuple(change.describe() for change in step.changes)
        self._count += 1
        self._entries.append(Entry(self._count, step, changes))
        self._redoable.clear()

    def can_redo(self, entry: Entry) -> bool:
        """Whether a step is undone and can be made true again."""
        return entry in self._redoable

    def undo(self) -> Entry:
        """Take the youngest step back that is not undone.

        Raises:
            PatchRefused: there is nothing to undo.
            ForeignChange: someone else changed a target since; nothing was touched.
        """
        _refuse_inside_a_transaction("undo")
        entry = next((e for e in reversed(self._entries) if not e.undone), None)
        if entry is None:
            raise PatchRefused("undo", "the journal has no step that is not undone", "lp.journal")

        def commit() -> None:
            entry.step.revert()
            entry.undone = True
            if entry not in self._redoable:
                self._redoable.append(entry)

        masked(commit)
        return entry

    def redo(self) -> Entry:
        """Make the step true again that was undone last.

        Raises:
            PatchRefused: there is nothing to redo.
            ForeignChange: someone else changed a target since; nothing was touched.
        """
        _refuse_inside_a_transaction("redo")
        if not self._redoable:
            raise PatchRefused(
                "redo", "no step is undone, or something else was changed since", "lp.journal"
            )
        entry = self._redoable[-1]

        def commit() -> None:
            entry.step.commit()
            entry.undone = False
            if entry in self._redoable:
                self._redoable.remove(entry)

        masked(commit)
        return entry


def _refuse_inside_a_transaction(asked: str) -> None:
    if open_step() is not None:
        raise PatchRefused(
            asked,
            "a transaction is open, and its own changes are no step of the journal yet",
            "leave the with block first; an exception in it takes everything in it back",
        )


journal = Journal()
subscribe("step", journal.record)


def undo() -> AnswerLine:
    """Take the last step back.

    Returns:
        The answer line.

    Raises:
        PatchRefused: there is nothing to undo.

    Example:
        >>> import textwrap, livepatch as lp
        >>> layer = lp.replace("textwrap.dedent", lambda text: "patched")
        >>> lp.undo().partition(" · ")[0]
        'undone: replace textwrap.dedent'
        >>> textwrap.dedent("  text")
        'text'
    """
    return answer(*_told("undone", journal.undo()))


def redo() -> AnswerLine:
    """Make the step true again that was undone last.

    Returns:
        The answer line.

    Raises:
        PatchRefused: there is nothing to redo.

    Example:
        >>> import textwrap, livepatch as lp
        >>> layer = lp.replace("textwrap.dedent", lambda text: "patched")
        >>> answer = lp.undo()
        >>> lp.redo().partition(" · ")[0]
        'redone: replace textwrap.dedent'
        >>> answer = lp.undo()
    """
    return answer(*_told("redone", journal.redo()))


def _told(done: str, entry: Entry) -> list[str]:
    changes = ", ".join(f"{change.verb} {change.target}" for change in entry.changes)
    owners = sorted({f"{change.owner}'s {change.name!r}" for change in entry.changes})
    return [f"{done}: {changes}", *owners]
