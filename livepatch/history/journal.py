"""The ordered record of every change in this process; undo and redo walk along it."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

from livepatch.engine import PatchRefused, subscribe
from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.changing.change import open_step
from livepatch.engine.changing.masking import masked
from livepatch.engine.changing.registry import registry

from .entry import Entry, now
from .places import Place
from .replaying import Replayed, look, replay_all, replay_report
from .report import JournalReport
from .sessions import SavedSession, Sessions
from .versions import what_is_live, whose
from .writer import SessionWriter

if TYPE_CHECKING:
    from pathlib import Path

    from livepatch.engine import Step
    from livepatch.reports import Report
    from livepatch.reports.differences import Diff

    from .saved import Session


# A million steps in memory made the garbage collector stop the process for seconds at a time.
KEPT = 10_000

# Seconds that `keep` waits for the file, so that it can name it; the disk may not answer at all.
PATIENCE = 1.0


class Journal(Sequence[Entry]):
    """The steps since the process began, oldest first; of very many the last ``KEPT``.

    Undo takes back the youngest step that is not undone; a new step drops the undone ones behind
    it from redo, but not from the record. In a webui with a kernel each step is written to a file
    of its session as well, without values; after a restart ``replay()`` makes those true again that
    were live, where nothing stands against it.

    Any thread may change the webui, undo and look: who changes the record holds the engine's lock.

    Attributes:
        cell_now: says the number of the notebook's cell that runs, or None.
    """

    def __init__(self) -> None:
        self.cell_now: Callable[[], int | None] | None = None
        self._writer: SessionWriter | None = None
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0
        self._redoable: list[Entry] = []

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._listed()[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._listed())

    def __str__(self) -> str:
        return str(self._report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self._report()._repr_mimebundle_()

    def diff(self, number: int) -> Diff:
        """What one step changed, as a difference of source texts.

        Args:
            number: the step's.

        Raises:
            TargetNotFound: there is no such step.
        """
        return self._report().diff(number)

    def _report(self) -> JournalReport:
        with registry.lock:
            return JournalReport(self._listed(), tuple(self._redoable), self.lost)

    def record(self, step: Step) -> None:
        """Write a step down; the same step again is not written twice."""
        cell = self.cell_now() if self.cell_now is not None else None
        with registry.lock:
            # An interrupted commit runs again, by then behind the steps of other threads perhaps.
            if self._is_among_the_last(step):
                return
            changes = tuple(change.describe() for change in step.changes)
            self._count += 1
            entry = Entry(self._count, step, changes, cell=cell)
            self._begin()  # of what was before
            self._entries.append(entry)
            for dropped in self._redoable:
                dropped.let_go()  # neither undo nor redo reaches it any more
            self._redoable.clear()
            if self._writer is not None:
                self._writer.append(lambda: entry.line(step))

    def _is_among_the_last(self, step: Step) -> bool:
        return any(entry.step is step for entry in islice(reversed(self._entries), 4))

    def supersede(self, step: Step) -> None:
        """Forget how a step is undone, and what it keeps in memory; it stays in the record."""
        with registry.lock:  # an undo that has chosen the step takes it back first
            self._let_go(step)

    def _let_go(self, step: Step) -> None:
        for entry in reversed(self._entries):
            if entry.step is step:
                entry.let_go()
                return

    @property
    def path(self) -> Path | None:
        """The file that steps are written to; None where none is kept, or none could be made."""
        return self._writer.path if self._writer is not None else None

    @property
    def lost(self) -> int:
        """How many steps of this session could not be written: the disk was full, or too slow."""
        return self._writer.lost if self._writer is not None else 0

    def keep(self, name: str) -> Path:
        """Write the steps of this process to the journal of a webui, those made before too.

        ``livepatch.attach()`` does it. Every process has a file of its own there, the user's alone
        (0600, in folders 0700), and no value is ever in it. A disk that is full is said in the log
        and harms nothing else.

        Args:
            name: the webui's name.

        Returns:
            The file; the folder for it where the disk is full, or does not answer within a second.

        Raises:
            PatchRefused: nothing of the name can be a file's name.
        """
        place = Place.of(name)
        writer = self._writer
        if writer is None or writer.place != place:
            self.end()
            writer = self._writer = SessionWriter(place)
        with registry.lock:
            self._begin()
        writer.wait_until_open(PATIENCE)
        return writer.path or place.folder

    def end(self) -> None:
        """Write no further steps to disk; what is live counts as live at the session's end."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.end()

    def sessions(self) -> Report[SavedSession]:
        """The sessions in the journal of this webui's name, oldest first, this one included.

        Each is what one process wrote. Others that run write beside this one.

        Raises:
            PatchRefused: no journal is kept, or its folder cannot be read.
        """
        return self._sessions().report()

    def saved(
        self, session: str | int | None = None, *, namespace: dict[str, Any] | None = None
    ) -> Report[Replayed]:
        """What was live when the webui's last session ended, and what replaying it comes to.

        Args:
            session: another than the last one, as ``sessions()`` names it.
            namespace: the names that the notebook's changes see; default: those of the caller.

        Raises:
            FileNotTrusted: its file is somebody else's, or others can write it.
            PatchRefused: no journal is kept, or it cannot be read.
            TargetNotFound: there is no such session.
        """
        names = sys._getframe(1).f_globals if namespace is None else namespace
        found, notes = self._chosen(session)
        return replay_report(found, look(found, names) if found is not None else [], notes)

    def replay(
        self,
        *steps: int,
        session: str | int | None = None,
        namespace: dict[str, Any] | None = None,
    ) -> Report[Replayed]:
        """Make true again what was live when the webui's last session ended, in one step.

        What has no target any more, or another original source, or needs a name that is not there,
        is shown as stale and left alone.

        Args:
            steps: only these, by their numbers in ``saved()``.
            session: another session than the last one, as ``sessions()`` names it.
            namespace: the names that the notebook's changes see; default: those of the caller.

        Raises:
            FileNotTrusted: its file is somebody else's, or others can write it.
            PatchRefused: no journal is kept, or it cannot be read, the session still runs, or it
                has no such step.
            TargetNotFound: there is no such session.
        """
        names = sys._getframe(1).f_globals if namespace is None else namespace
        found, notes = self._chosen(session)
        if found is not None and session is not None:
            self._sessions().refuse_running(found)
        replayed = look(found, names) if found is not None else []
        replay_all(replayed, names, steps)
        return replay_report(found, replayed, notes)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all steps are on disk.

        Args:
            timeout: how long to wait, in seconds.

        Returns:
            Whether they are, all of this session; not so once a step was lost. True where no
            journal is kept.
        """
        return self._writer is None or self._writer.flush(timeout)

    def _listed(self) -> list[Entry]:
        """The entries as they are at one moment."""
        with registry.lock:
            return list(self._entries)

    def _begin(self) -> None:
        """Begin to write, with what was done so far; in a forked child only once it has to."""
        writer = self._writer
        if writer is not None and not writer.is_begun:
            writer.begin([make for entry in self._entries for make in entry.lines()])

    def _sessions(self) -> Sessions:
        writer = self._writer
        if writer is None:
            raise PatchRefused(
                "read the journal of earlier sessions",
                "this process keeps no journal on disk",
                'livepatch.attach(), or lp.journal.keep("my-webui")',
            )
        writer.flush()
        return Sessions(writer.place, writer.session)

    def _chosen(self, session: str | int | None) -> tuple[Session | None, list[str]]:
        sessions = self._sessions()
        return sessions.before() if session is None else (sessions.named(str(session)), [])

    def _tell(self, what: str, entry: Entry) -> None:
        self._begin()
        if self._writer is not None:
            line = {what: entry.number, "time": now()}
            self._writer.append(lambda: line)

    def _after_fork(self) -> None:
        """In a forked child: it has a session of its own, from its first step on."""
        writer = self._writer
        if writer is not None:
            writer.abandon()
            self._writer = SessionWriter(writer.place)

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
        with registry.lock:  # from the choice to the mark: two undos never choose one step
            is_done = (e for e in reversed(self._entries) if not (e.undone or e.superseded))
            entry = next(is_done, None)
            if entry is None:
                raise PatchRefused("undo", "the journal has no step left to undo", "lp.journal")

            def commit() -> None:
                entry.step.undo()
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
        with registry.lock:
            if not self._redoable:
                raise PatchRefused(
                    "redo", "no step is undone, or there were other changes since", "lp.journal"
                )
            entry = self._redoable[-1]

            def commit() -> None:
                entry.step.redo()
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
            "a transaction is open, and its changes are not yet a step of the journal",
            "leave the with block first; an exception in it takes back everything in it",
        )


journal = Journal()
subscribe("step", journal.record)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=journal._after_fork)


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
    owners = sorted({whose(change) for change in entry.changes})
    return [f"{done}: {changes}", *owners, *what_is_live(entry, list(journal))]
