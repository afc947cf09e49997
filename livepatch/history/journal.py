"""The ordered record of every change in this process; undo and redo walk along it."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, overload

from livepatch.engine import PatchRefused, subscribe
from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.changing.change import open_step
from livepatch.engine.changing.masking import masked
from livepatch.reports.journal import JournalReport

from .file import JournalFile, path_of
from .lines import change_lines
from .replaying import Replayed, last_session, look, replay_all, replay_report

if TYPE_CHECKING:
    from pathlib import Path

    from livepatch.engine import ChangeDescription, Step
    from livepatch.reports import Report


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
        cell: the number of the notebook's cell that made it, where one did.
        superseded: whether its step is forgotten: a watched file has newer versions, and undo
            goes back by one of them.
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


class Journal(Sequence[Entry]):
    """The steps since the process began, oldest first; of very many the last ``KEPT``.

    Undo takes back the youngest step that is not undone; a new step drops the undone ones behind
    it from redo, but not from the record. In a webui with a kernel each step is written to a file
    of its own as well, without values; after a restart ``replay()`` makes those true again that
    were live, where nothing stands against it.

    Attributes:
        cell_now: says the number of the notebook's cell that runs, or None.
    """

    def __init__(self) -> None:
        self.cell_now: Callable[[], int | None] | None = None
        self._file: JournalFile | None = None
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
        cell = self.cell_now() if self.cell_now is not None else None
        entry = Entry(self._count, step, changes, cell=cell)
        self._entries.append(entry)
        self._redoable.clear()
        if self._file is not None:
            self._file.append(lambda: _line_of(entry, step))

    def supersede(self, step: Step) -> None:
        """Forget how a step is undone, and what it keeps in memory; it stays in the record."""
        for entry in reversed(self._entries):
            if entry.step is step:
                entry.step, entry.superseded = type(step)(), True
                return

    @property
    def path(self) -> Path | None:
        """The file that steps are written to; None where none is kept."""
        return self._file.path if self._file is not None else None

    def keep(self, name: str) -> Path:
        """Write the steps of this process to the journal of a webui, those made before too.

        ``livepatch.attach()`` does it. The file is the user's alone (0600, in a folder 0700), and
        no value is ever in it. A disk that is full is said in the log and harms nothing else.

        Args:
            name: the webui's name.

        Returns:
            The file.

        Raises:
            PatchRefused: nothing of the name can be a file's name.
        """
        path = path_of(name)
        if self._file is not None and self._file.path == path:
            return path
        self.end()
        self._file = file = JournalFile(path)
        for entry in self._entries:
            if entry.superseded:
                continue
            file.append(lambda entry=entry: _line_of(entry, entry.step))  # type: ignore[misc]
            if entry.undone:
                self._tell("undo", entry)
        return path

    def end(self) -> None:
        """Write no further steps to disk; what is live counts as live at the session's end."""
        file, self._file = self._file, None
        if file is not None:
            file.end()

    def saved(self, namespace: dict[str, Any] | None = None) -> Report[Replayed]:
        """What was live when the webui's last session ended, and what replaying it comes to.

        Args:
            namespace: the names that the notebook's changes see; default: those of the caller.

        Raises:
            PatchRefused: no journal is kept, or its file cannot be read.
        """
        session = self._last_session()
        names = sys._getframe(1).f_globals if namespace is None else namespace
        return replay_report(session, look(session, names) if session is not None else [])

    def replay(self, *steps: int, namespace: dict[str, Any] | None = None) -> Report[Replayed]:
        """Make true again what was live when the webui's last session ended, in one step.

        What has no target any more, or another original source, or needs a name that is not there,
        is shown as stale and left alone.

        Args:
            steps: only these, by their numbers in ``saved()``.
            namespace: the names that the notebook's changes see; default: those of the caller.

        Raises:
            PatchRefused: no journal is kept, its file cannot be read, or it has no such step.
        """
        session = self._last_session()
        names = sys._getframe(1).f_globals if namespace is None else namespace
        found = look(session, names) if session is not None else []
        replay_all(found, names, steps)
        return replay_report(session, found)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all steps are on disk.

        Args:
            timeout: how long to wait, in seconds.

        Returns:
            Whether they are; True where no file is kept.
        """
        return self._file is None or self._file.flush(timeout)

    def _last_session(self) -> Any:
        file = self._file
        if file is not None:
            file.flush()
        return last_session(self.path, file.session if file is not None else None)

    def _tell(self, what: str, entry: Entry) -> None:
        if self._file is not None:
            line = {what: entry.number, "time": _now()}
            self._file.append(lambda: line)

    def _forget_file(self) -> None:
        """In a forked child: the thread that writes is the parent's."""
        self._file = None

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
        entry = next((e for e in reversed(self._entries) if not (e.undone or e.superseded)), None)
        if entry is None:
            raise PatchRefused("undo", "the journal has no step that is not undone", "lp.journal")

        def commit() -> None:
            entry.step.revert()
            entry.undone = True
            if entry not in self._redoable:
                self._redoable.append(entry)
            self._tell("undo", entry)

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
            self._tell("redo", entry)

        masked(commit)
        return entry


def _refuse_inside_a_transaction(asked: str) -> None:
    if open_step() is not None:
        raise PatchRefused(
            asked,
            "a transaction is open, and its own changes are no step of the journal yet",
            "leave the with block first; an exception in it takes everything in it back",
        )


def _line_of(entry: Entry, step: Step) -> dict[str, Any]:
    return {
        "step": entry.number,
        "time": entry.time.isoformat(timespec="milliseconds"),
        "cell": entry.cell,
        "outcome": "done",
        "changes": change_lines(step.changes, entry.changes),
    }


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


journal = Journal()
subscribe("step", journal.record)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=journal._forget_file)


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
