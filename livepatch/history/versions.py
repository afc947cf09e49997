"""Tells the versions of one layer apart: which of its steps is live, and what is new in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from livepatch.engine import ChangeDescription

    from .entry import Entry

Identity = tuple[str, str, str]

LONGEST = 40
SILENT = ("switch on", "switch off")
TAKES_BACK = ("remove", "take back", "unload", "disable", "unguard")
_HEADS = ("def ", "async def ", "class ", "@")


def identity_of(change: ChangeDescription) -> Identity:
    """What tells a layer from others: its target, its owner and its name."""
    return change.target, change.owner, change.name


def whose(change: ChangeDescription) -> str:
    """Whose a change is; a name that says more than the verb is given too."""
    return change.owner if change.name == change.verb else f"{change.owner}'s {change.name!r}"


def live_steps(entries: Iterable[Entry]) -> dict[Identity, Entry]:
    """The step that made each layer as it is now; of what is the webui's own again, none.

    Args:
        entries: the steps of the journal, oldest first.
    """
    live: dict[Identity, Entry] = {}
    for entry in entries:
        for change in () if entry.undone else entry.changes:
            if change.verb == "restore":
                live = {one: step for one, step in live.items() if one[0] != change.target}
            elif change.verb in TAKES_BACK:
                live.pop(identity_of(change), None)
            elif change.verb not in SILENT:
                live[identity_of(change)] = entry
    return live


def whats_new(entry: Entry, entries: Sequence[Entry]) -> str:
    """A line of a step's text that the version before it has not, to tell equal steps apart.

    Args:
        entry: the step.
        entries: the steps of the journal, oldest first.
    """
    if len(entry.changes) != 1 or not entry.changes[0].source:
        return ""
    (change,) = entry.changes
    lines = [line.strip() for line in str(change.source).splitlines() if line.strip()]
    new = [line for line in lines if line not in _text_before(entry, change, entries)] or lines
    body = [line for line in new if not line.startswith(_HEADS)] or new
    line = body[0]
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _text_before(entry: Entry, change: ChangeDescription, entries: Sequence[Entry]) -> set[str]:
    for earlier in reversed([e for e in entries if e.number < entry.number]):
        for one in earlier.changes:
            if identity_of(one) == identity_of(change) and one.source:
                return {line.strip() for line in str(one.source).splitlines()}
    return set()


def what_is_live(entry: Entry, entries: Sequence[Entry]) -> list[str]:
    """What is live of the layers of a step, in words: which step's version, or the webui's own.

    Args:
        entry: the step.
        entries: the steps of the journal, oldest first, as they are now.
    """
    live = live_steps(entries)
    steps = {step.number: step for c in entry.changes if (step := live.get(identity_of(c)))}
    words = []
    for number, step in sorted(steps.items()):
        new = whats_new(step, entries)
        words.append(f"live: step {number}" + (f", {new}" if new else ""))
    has_own = any(identity_of(change) not in live for change in entry.changes)
    return [*words, *(["live: what the webui had"] if has_own else [])]
