"""One step of the journal: what it was, and what makes its lines in the file of its session."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .lines import change_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from livepatch.engine import ChangeDescription, Step

    from .lines import Line


@dataclass(eq=False)
class Entry:
    """One step in the journal.

    Attributes:
        number: its place, counted from 1.
        step: what was changed; it knows the way back.
        changes: what was changed, as data: verb, target, owner, name, source text.
        time: when it became true, in UTC.
        undone: whether it is taken back at present.
        cell: the number of the notebook's cell that made it, where one did.
        superseded: whether its step is forgotten: a watched file has newer versions, and undo
            goes back by one of them; or it was undone, and what came after keeps it from redo.
    """

    number: int
    step: Step
    changes: tuple[ChangeDescription, ...]
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    undone: bool = False
    cell: int | None = None
    superseded: bool = False

    def __str__(self) -> str:
        what = ", ".join(f"{c.verb} {c.target} ({c.owner}'s {c.name!r})" for c in self.changes)
        return f"{self.number}. {what}{' · undone' if self.undone else ''}"

    def let_go(self) -> None:
        """Forget the way back, and all that it keeps in memory; the entry stays in the record."""
        self.step, self.superseded = type(self.step)(), True

    def line(self, step: Step) -> Line:
        """What a file says of it.

        Args:
            step: its step, from before it was superseded.
        """
        return {
            "step": self.number,
            "time": self.time.isoformat(timespec="milliseconds"),
            "cell": self.cell,
            "outcome": "done",
            "changes": change_lines(step.changes, self.changes),
        }

    def lines(self) -> Iterator[Callable[[], Line]]:
        """What makes the lines of it, in a file that begins later than it was made."""
        if not self.superseded:
            step = self.step
            yield lambda: self.line(step)
            if self.undone:
                yield lambda: {"undo": self.number, "time": now()}


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
