"""Reading what a process wrote: its session, from the files it wrote to."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from livepatch.files import open_trusted
from livepatch.processes import ProcessIdentity

from .live import SavedLayer, is_of_a_file, live_after
from .shapes import LONGEST_LINE, is_number, is_step, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .lines import Line

FORMAT = 1
LONGEST_FILE = 64_000_000  # bytes that are read of one
LONGEST_END = 200  # bytes of the line with which a session ends


@dataclass
class Carried:
    """What was live before the steps that a long session still has.

    Attributes:
        before: the number of the first of those steps.
        count: how many layers there are to be.
        layers: the layers.
    """

    before: int
    count: int
    layers: list[SavedLayer] = field(default_factory=list)

    def lines(self) -> Iterator[Line]:
        """It, as a file has it."""
        yield {"carried": self.before, "layers": self.count}
        for layer in self.layers:
            yield {"carried": self.before, "layer": layer.as_data()}


@dataclass
class Session:
    """What one process wrote.

    Attributes:
        session: tells it from others: its number, or of 0.1 a word.
        paths: its files.
        header: the facts of the process.
        steps: the lines of its steps, by their numbers.
        undone: the numbers of the steps that were undone at its end.
        lost: how many steps could not be written.
        bad: the places of the lines that could not be read, ``7.jsonl:12``.
        end: when it ended by its own word; empty where it has not said so.
        carried: what was live before its steps, as each of its files says.
    """

    session: str
    paths: list[Path]
    header: Line = field(default_factory=dict)
    steps: dict[int, Line] = field(default_factory=dict)
    undone: set[int] = field(default_factory=set)
    lost: int = 0
    bad: list[str] = field(default_factory=list)
    end: str = ""
    carried: list[Carried] = field(default_factory=list)

    @property
    def format(self) -> int:
        """The format of its lines."""
        found = self.header.get("livepatch_journal")
        return found if type(found) is int else 0

    @property
    def process(self) -> ProcessIdentity | None:
        """The process that wrote it; None where the file does not say so."""
        return ProcessIdentity.from_data(self.header)

    @property
    def since(self) -> str:
        """When it began, in UTC, ISO 8601; empty where the file does not say so."""
        found = self.header.get("since")
        return found if isinstance(found, str) else ""

    @property
    def changed_something(self) -> bool:
        """Whether there is a step in it that was not a watched file's.

        Those come back by themselves with each start, also with one that crashes at once.
        """
        changes = [change for step in self.steps.values() for change in step["changes"]]
        changes += [layer.line for carried in self.carried for layer in carried.layers]
        return any(not is_of_a_file(change) for change in changes)

    def live(self, before: int | None = None) -> list[SavedLayer]:
        """What was live at its end, in the order in which it was laid.

        Args:
            before: only the steps before that number count.
        """
        base = self._base()
        first = base.before if base else 0
        numbers = sorted(n for n in self.steps.keys() - self.undone if n >= first)
        steps = (self.steps[n] for n in numbers if before is None or n < before)
        return live_after(steps, base.layers if base else ())

    def _base(self) -> Carried | None:
        """The last of what was carried over that is whole, or without which there is nothing."""
        for carried in reversed(self.carried):
            is_whole = len(carried.layers) == carried.count
            if is_whole or not any(number < carried.before for number in self.steps):
                return carried
        return None

    def take(self, line: Line) -> bool:
        """Take a line in; False where it is none that this version knows."""
        if "livepatch_journal" in line:
            self.header = self.header or line  # a second part's says the same
        elif is_step(line):
            self.steps[line["step"]] = line
        elif is_number(line.get("undo")):
            self.undone.add(line["undo"])
        elif is_number(line.get("redo")):
            self.undone.discard(line["redo"])
        elif is_number(line.get("lost")):
            self.lost += line["lost"]
        elif isinstance(line.get("end"), str):
            self.end = line["end"]
        elif is_number(line.get("carried")):
            return self._take_carried(line)
        else:
            return self.format > FORMAT  # of a newer one it may be in order
        return True

    def _take_carried(self, line: Line) -> bool:
        if is_number(line.get("layers")):
            self.carried.append(Carried(line["carried"], line["layers"]))
            return True
        layer = SavedLayer.from_data(line.get("layer"))
        if layer is None or not self.carried or self.carried[-1].before != line["carried"]:
            return False
        self.carried[-1].layers.append(layer)
        return True


def read_session(name: str, paths: Sequence[Path], asked: str) -> Session:
    """A session from its files, oldest part first.

    Lines that cannot be read are named and passed over.

    Args:
        name: what tells the session from others.
        paths: its files.
        asked: what the user asked for, the first line of a refusal.

    Raises:
        FileNotTrusted: a file is somebody else's, or others can write it, or it is no file.
        OSError: a file cannot be read.
    """
    session = Session(name, list(paths))
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # old sessions are removed meanwhile
            _take_all(session, path, asked)
    return session


def _take_all(session: Session, path: Path, asked: str) -> None:
    for place, line in _lines(path, asked):
        if line is None or not session.take(line):
            session.bad.append(place)


def sessions_of_0_1(paths: Sequence[Path], asked: str) -> list[Session]:
    """The sessions in the files of 0.1, which all processes wrote into, the oldest first.

    Args:
        paths: the files, the older first.
        asked: what the user asked for, the first line of a refusal.

    Raises:
        FileNotTrusted: a file is somebody else's, or others can write it, or it is no file.
        OSError: a file cannot be read.
    """
    sessions: dict[str, Session] = {}
    last: Session | None = None
    for path in paths:
        for place, line in _lines(path, asked):
            name = line.get("session") if line is not None else None
            if line is not None and isinstance(name, str):
                if "livepatch_journal" in line:
                    sessions.setdefault(name, Session(f"0.1-{name}", list(paths)))
                last = sessions.get(name, last)
                if name in sessions and sessions[name].take(line):
                    continue
            if last is not None:
                last.bad.append(place)
    return list(sessions.values())


def glance(name: str, paths: Sequence[Path], asked: str) -> tuple[Session, bool]:
    """The facts of a session and its last word, without reading all of it.

    Returns:
        The session, without its steps, and whether it has any.

    Raises:
        FileNotTrusted: a file is somebody else's, or others can write it, or it is no file.
        OSError: a file cannot be read.
    """
    session, has_steps = Session(name, list(paths)), False
    with contextlib.suppress(FileNotFoundError):  # old sessions are removed meanwhile
        with open_trusted(paths[0], asked) as file:
            session.header = parsed(file.readline(LONGEST_LINE)) or {}
            is_header = "livepatch_journal" in session.header
            has_steps = bool(file.read(1)) or len(paths) > 1 or not is_header
        with open_trusted(paths[-1], asked) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_END))
            last = file.read(LONGEST_END).splitlines()[-1:]
        end = (parsed(b"".join(last)) or {}).get("end")
        session.end = end if isinstance(end, str) else ""
    return session, has_steps


def _lines(path: Path, asked: str) -> Iterator[tuple[str, Line | None]]:
    """Each line that is not empty, with its place; None for one that is no line."""
    with open_trusted(path, asked) as file:
        yield from _lines_of(file, path.name)


def _lines_of(file: BinaryIO, name: str) -> Iterator[tuple[str, Line | None]]:
    for number, data in enumerate(_cut(file), 1):
        if file.tell() > LONGEST_FILE:
            yield f"{name}:{number} and what follows", None
        elif data.strip():
            yield f"{name}:{number}", parsed(data)


def _cut(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, those that are too long cut off: they are no JSON then."""
    while file.tell() <= LONGEST_FILE and (data := file.readline(LONGEST_LINE)):
        yield data
        while not data.endswith(b"\n") and file.tell() <= LONGEST_FILE:
            data = file.readline(LONGEST_LINE) or b"\n"
