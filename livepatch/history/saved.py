"""Reading a journal's file: its sessions, and what was live at the end of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lines import Line

FORMAT = 1
REDOABLE = 100  # steps that a file which was begun anew still knows how to undo

Identity = tuple[str, str, str]


@dataclass
class SavedLayer:
    """A layer that was live at the end of a session.

    Attributes:
        step: the number of the step that made it.
        time: when, in UTC, ISO 8601.
        cell: the notebook's cell, as its number, where there was one.
        line: what the file says of the change.
        on: whether it was switched on.
        steps: the numbers of all steps that are about it.
    """

    step: int
    time: str
    cell: int | None
    line: Line
    on: bool = True
    steps: set[int] = field(default_factory=set)

    @property
    def identity(self) -> Identity:
        """Target, owner and name."""
        return _identity(self.line)


@dataclass
class Session:
    """What one process wrote.

    Attributes:
        session: tells it from others.
        header: the facts of the process.
        steps: the lines of its steps, by their numbers.
        undone: the numbers of the steps that were undone at its end.
        lost: how many steps could not be written.
        bad: how many lines could not be read, up to the next session's.
    """

    session: str
    header: Line
    steps: dict[int, Line] = field(default_factory=dict)
    undone: set[int] = field(default_factory=set)
    lost: int = 0
    bad: int = 0

    @property
    def format(self) -> int:
        """The format of its lines."""
        found = self.header.get("livepatch_journal")
        return found if isinstance(found, int) else 0

    def live(self) -> list[SavedLayer]:
        """What was live at its end, in the order in which it was laid."""
        layers: dict[Identity, SavedLayer] = {}
        for number in sorted(self.steps.keys() - self.undone):
            step = self.steps[number]
            for line in step["changes"]:
                _follow(layers, number, step, line)
        return list(layers.values())


def _follow(layers: dict[Identity, SavedLayer], number: int, step: Line, line: Line) -> None:
    for gone in line.get("gone", ()):
        layers.pop((gone[0], gone[1], gone[2]), None)
    identity, verb = _identity(line), line["verb"]
    if verb in ("switch on", "switch off"):
        if identity in layers:
            layers[identity].on = verb == "switch on"
            layers[identity].steps.add(number)
    elif verb not in ("restore", "adopt"):
        layer = SavedLayer(number, str(step.get("time")), step.get("cell"), line)
        layer.steps.add(number)
        layers[identity] = layer


def _identity(line: Line) -> Identity:
    return line["target"], line["owner"], line["name"]


def sessions_in(path: Path) -> list[Session]:
    """The sessions in a file, oldest first, with what was put aside of it.

    Lines that cannot be read are counted and passed over.

    Raises:
        OSError: the file is there and cannot be read.
    """
    sessions: dict[str, Session] = {}
    last: Session | None = None
    for part in (path.with_suffix(".1.jsonl"), path):
        for line in _lines(part):
            if line is None:
                if last is not None:
                    last.bad += 1
            elif "livepatch_journal" in line:
                last = sessions.setdefault(line["session"], Session(line["session"], line))
            elif line["session"] in sessions:
                last = sessions[line["session"]]
                if not _take(last, line):
                    last.bad += 1
    return list(sessions.values())


def _lines(path: Path) -> Iterator[Line | None]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for data in file:
            if not data.strip():
                continue
            try:
                line: Any = json.loads(data)
            except ValueError:  # cut off when its process was killed, or damaged
                yield None
                continue
            is_line = isinstance(line, dict) and isinstance(line.get("session"), str)
            yield line if is_line else None


def _take(session: Session, line: Line) -> bool:
    """Take a line in; False where it is none that this version knows."""
    if isinstance(line.get("step"), int) and _are_changes(line.get("changes")):
        session.steps[line["step"]] = line
    elif isinstance(line.get("undo"), int):
        session.undone.add(line["undo"])
    elif isinstance(line.get("redo"), int):
        session.undone.discard(line["redo"])
    elif isinstance(line.get("lost"), int):
        session.lost += line["lost"]
    else:
        return session.format > FORMAT  # of a newer one it may be in order
    return True


def _are_changes(changes: Any) -> bool:
    words = ("verb", "target", "owner", "name")
    return isinstance(changes, list) and all(
        isinstance(c, dict)
        and all(isinstance(c.get(word), str) for word in words)
        and all(isinstance(g, list) and len(g) == 3 for g in c.get("gone", ()))
        for c in changes
    )


def carried_over(session: Session) -> Iterator[Line]:
    """The lines of a session that a file which is begun anew has to have."""
    wanted = {number for layer in session.live() for number in layer.steps}
    wanted |= set(sorted(session.steps)[-REDOABLE:])
    for number in sorted(wanted):
        yield session.steps[number]
        if number in session.undone:
            yield {"undo": number}
