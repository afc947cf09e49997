"""The journal as a report, with what each step changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.answers import counted
from livepatch.engine.errors import LivepatchError, TargetNotFound
from livepatch.reports.differences import Diff, html_diff, original_source, unified
from livepatch.reports.html import QUIET, TEXT, escape
from livepatch.reports.table import text_table

from .clock import clock
from .versions import SILENT, live_steps, whats_new, whose

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from livepatch.engine import ChangeDescription

    from .entry import Entry

SHOWN = 50


class JournalReport:
    """The steps, oldest first, each with its difference to open.

    Args:
        entries: the steps of the journal, as it is now.
        redoable: those of them that are undone and can be made true again.
        lost: how many steps could not be written to disk.
    """

    def __init__(
        self, entries: Sequence[Entry], redoable: Collection[Entry] = (), lost: int = 0
    ) -> None:
        self.entries = entries
        self.redoable = redoable
        self.lost = lost

    def __str__(self) -> str:
        if not self.entries:
            return "Journal: nothing has been changed yet"
        live = set(live_steps(self.entries).values())
        rows = [
            [
                *(str(entry.number), clock(entry.time), _what(entry), _whose(entry)),
                *(_state(entry, live), whats_new(entry, self.entries)),
            ]
            for entry in self._last()
        ]
        headings = ["step", "time", "change", "by", "state", "new in it"]
        return f"{self._title()}\n{text_table(headings, rows)}"

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return {"text/plain": str(self), "text/html": self._html()}

    def diff(self, number: int) -> Diff:
        """What a step changed.

        Args:
            number: the step's number.

        Raises:
            TargetNotFound: the journal has no such step.
        """
        entry = next((e for e in self.entries if e.number == number), None)
        if entry is None:
            raise TargetNotFound(
                f"journal --diff {number}", f"the journal has no step {number}", "look at %journal"
            )
        return Diff(f"Step {number}: {_what(entry)}", tuple(self._differences(entry)))

    def _differences(self, entry: Entry) -> list[tuple[str, str]]:
        found = []
        for change in entry.changes:
            before, after = self._texts(entry, change)
            text = unified(before, after, f"{change.target} before", f"{change.target} after")
            heading = f"{change.verb} {change.target} ({change.owner}'s {change.name!r})"
            found.append((heading if text else f"{heading}: no text changed", text))
        return found

    def _texts(self, entry: Entry, change: ChangeDescription) -> tuple[str, str]:
        """The text that ran before a change and the one that runs after it, as far as known."""
        earlier = [
            (c.verb, c.source)
            for e in self.entries
            if e.number < entry.number and (not e.undone or self._undone_later(e, entry))
            for c in e.changes
            if (c.target, c.owner, c.name) == (change.target, change.owner, change.name)
            and c.verb not in SILENT
        ]
        verb, text = earlier[-1] if earlier else ("restore", None)
        if change.verb in SILENT:
            return "", ""
        if change.verb == "restore":
            return change.source or "", _original(change.target) if verb == "replace" else ""
        if verb == "restore" or text is None:
            return _original(change.target) if change.verb == "replace" else "", change.source or ""
        return text, change.source or ""

    def _undone_later(self, earlier: Entry, entry: Entry) -> bool:
        """Whether an earlier step was still true when this one was made."""
        return earlier in self.redoable and entry in self.redoable

    def _html(self) -> str:
        title = f'<div style="color:{QUIET}">{escape(self._title())}</div>'
        if not self.entries:
            return f'<p style="color:{TEXT};margin:0">{escape(str(self))}</p>'
        rows = []
        live = set(live_steps(self.entries).values())
        for entry in self._last():
            told = (_whose(entry), _state(entry, live), whats_new(entry, self.entries))
            facts = " · ".join([clock(entry.time), *filter(None, told)])
            inside = "".join(
                f'<div style="color:{QUIET}">{escape(heading)}</div>{html_diff(text)}'
                for heading, text in self._differences(entry)
            )
            rows.append(
                f'<details style="color:{TEXT}"><summary>{entry.number}. {escape(_what(entry))} '
                f'<span style="color:{QUIET}"> · {escape(facts)}</span></summary>'
                f'<div style="margin-left:16px">{inside}</div></details>'
            )
        return title + "".join(rows)

    def _last(self) -> Sequence[Entry]:
        return self.entries[-SHOWN:]

    def _title(self) -> str:
        count = len(self.entries)
        if not count:
            return "Journal: nothing has been changed yet"
        earlier = f", the last {SHOWN} of {count} steps" if count > SHOWN else ""
        if not (lost := self.lost):
            return f"Journal{earlier}"
        return f"Journal{earlier} · {counted(lost, 'step')} could not be written to disk"


def _original(target: str) -> str:
    try:
        return original_source(target) or ""
    except LivepatchError:  # it is gone by now: the difference shows the new text alone
        return ""


def _what(entry: Entry) -> str:
    return ", ".join(f"{change.verb} {change.target}" for change in entry.changes)


def _whose(entry: Entry) -> str:
    """Whose changes a step holds; a name that says more than the verb is given too."""
    return ", ".join(sorted({whose(change) for change in entry.changes}))


def _state(entry: Entry, live: Collection[Entry]) -> str:
    return "undone" if entry.undone else "live" if entry in live else ""
