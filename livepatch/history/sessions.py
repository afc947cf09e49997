"""The sessions of a webui's name: which of them is the one before this process's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from livepatch.engine import PatchRefused, TargetNotFound
from livepatch.errors import LivepatchError
from livepatch.reports import Report

from .clock import clock_of
from .places import last_sign
from .saved import FORMAT, Session, glance, read_session, sessions_of_0_1
from .standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livepatch.reports.table import Columns

    from .places import Place

State = Literal["this one", "running", "ended", "unknown", "refused"]


@dataclass
class SavedSession:
    """What one process wrote into the journal of a webui's name.

    Attributes:
        session: its number, or of livepatch 0.1 a word: what ``saved()`` and ``replay()`` take.
        state: ``this one``; ``running`` in another process; ``ended``; ``unknown`` where that
            cannot be seen from here; ``refused`` where its file is not to be read.
        why: why it is unknown or refused, in words.
        since: when it began, in UTC, ISO 8601.
        until: when its process was last seen alive; that is looked at every five minutes.
        pid: the id of its process; None where the file does not say so.
        steps: how many steps it has that were not undone.
        live: how many layers were live at its end.
        lost: how many steps could not be written.
    """

    session: str
    state: State
    why: str = ""
    since: str = ""
    until: str = ""
    pid: int | None = None
    steps: int = 0
    live: int = 0
    lost: int = 0


class Sessions:
    """The sessions of a name, as one process sees them at one moment.

    Args:
        place: where they lie.
        own: the number of this process's own; None where it has none.

    Raises:
        PatchRefused: the folder cannot be listed.
    """

    def __init__(self, place: Place, own: int | None) -> None:
        self.asked = f"read the journal {place.folder}"
        self.own = own
        self._of_0_1 = place.of_0_1()
        try:
            self._paths = place.by_end()
        except OSError as error:
            raise _unreadable(self.asked, error) from error

    def report(self) -> Report[SavedSession]:
        """All of them, oldest first, as a table."""
        columns: Columns[SavedSession] = {
            "session": lambda one: one.session,
            "since": lambda one: clock_of(one.since),
            "until": lambda one: clock_of(one.until),
            "pid": lambda one: one.pid or "",
            "steps": lambda one: f"{one.steps} and {one.lost} lost" if one.lost else one.steps,
            "live": lambda one: one.live,
            "state": lambda one: f"{one.state}: {one.why}" if one.why else one.state,
        }
        rows = [*self._rows_of_0_1(), *map(self._row, sorted(self._paths))]
        return Report("Sessions of the journal", rows, columns, "there are none")

    def named(self, name: str) -> Session:
        """One of them.

        Args:
            name: its number, or of 0.1 its word.

        Raises:
            TargetNotFound: there is none of that name.
            FileNotTrusted: its file is somebody else's, or others can write it.
            PatchRefused: it cannot be read, or a newer livepatch wrote it.
        """
        for number in self._paths:
            if name == str(number):
                return self._known(self._read(number))
        for session in self._older:
            if name == session.session:
                return self._known(session)
        names = [*(one.session for one in self._older), *map(str, sorted(self._paths))]
        raise TargetNotFound(
            f"{self.asked}, session {name}",
            f"its sessions: {', '.join(names[-20:]) or 'none'}",
            "look at lp.journal.sessions()",
        )

    def before(self) -> tuple[Session | None, list[str]]:
        """The one that ended last, of those that began before this one's and changed anything.

        One that still runs is a sibling of this process. So is perhaps one of which it cannot be
        seen from here whether it has ended: that one has to be named.

        Returns:
            The session, and which ones after it were passed over, in words.

        Raises:
            FileNotTrusted: one that would have to be looked at is somebody else's.
            PatchRefused: one cannot be read, or a newer livepatch wrote it.
        """
        notes: list[str] = []
        for session in self._last_first():
            state, why = standing(session)
            if state == "ended":
                return self._known(session), notes
            if state == "unknown":
                notes.append(f"skipped session {session.session}, {why}")
        return None, notes

    def refuse_running(self, session: Session) -> None:
        """A session that is still written is not replayed: what it did is live where it runs.

        Raises:
            PatchRefused: it is this process's own, or runs in another.
        """
        state, _ = self.state_of(session)
        if state in ("this one", "running"):
            process = session.process
            where = "this process's own" if state == "this one" else "of a running process"
            raise PatchRefused(
                f"replay session {session.session}",
                f"it is {where} (pid {process.pid if process else 'unknown'})",
                "choose another: lp.journal.sessions()",
            )

    def state_of(self, session: Session) -> tuple[State, str]:
        """Whether a session runs or has ended, and why that is not known."""
        return ("this one", "") if session.session == str(self.own) else standing(session)

    def _last_first(self) -> Iterator[Session]:
        """Those before this process's own that changed anything and do not surely run."""
        for number in self._paths:
            if self.own is None or number < self.own:
                seen, has_steps = self._glance(number)
                if has_steps and standing(seen)[0] != "running":  # a sibling is not read
                    session = self._read(number)
                    if session.changed_something or session.format > FORMAT:
                        yield session
        yield from (session for session in reversed(self._older) if session.changed_something)

    @cached_property
    def _older(self) -> list[Session]:
        try:
            return sessions_of_0_1(self._of_0_1, self.asked)
        except OSError as error:
            raise _unreadable(self.asked, error) from error

    def _glance(self, number: int) -> tuple[Session, bool]:
        try:
            return glance(str(number), self._paths[number], self.asked)
        except OSError as error:
            raise _unreadable(self.asked, error) from error

    def _read(self, number: int) -> Session:
        try:
            return read_session(str(number), self._paths[number], self.asked)
        except OSError as error:
            raise _unreadable(self.asked, error) from error

    def _known(self, session: Session) -> Session:
        if session.format > FORMAT:
            raise PatchRefused(
                self.asked,
                f"a newer livepatch wrote session {session.session} (format "
                f"{session.format}, this one knows {FORMAT})",
                "python -m pip install -U livepatch, or name another: lp.journal.sessions()",
            )
        return session

    def _row(self, number: int) -> SavedSession:
        try:
            return self._row_of(self._read(number))
        except LivepatchError as error:
            return SavedSession(str(number), "refused", f"{error.found}; {error.advice}")

    def _rows_of_0_1(self) -> list[SavedSession]:
        try:
            return list(map(self._row_of, self._older))
        except LivepatchError as error:
            return [SavedSession("0.1", "refused", f"{error.found}; {error.advice}")]

    def _row_of(self, session: Session) -> SavedSession:
        state, why = self.state_of(session)
        process = session.process
        return SavedSession(
            session.session,
            state,
            why,
            session.since,
            _iso(last_sign(session.paths)),
            process.pid if process else None,
            len(session.steps.keys() - session.undone),
            len(session.live()),
            session.lost,
        )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _unreadable(asked: str, error: OSError) -> PatchRefused:
    reason = f"{type(error).__name__}: {error.strerror or error}"
    return PatchRefused(asked, reason, "fix that, and try again")
