"""Writing a session: one writer, a thread of its own, only ever appending.

A step is written by that thread, so that neither a slow disk nor a full one is felt by whoever
changes something. Each line goes out in one call: a process that is killed in the middle loses that
line at most. The thread runs outside any cell's context: what it logs is the webui's, not a cell's.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import json
import logging
import platform
import queue
import sys
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.locks import Lock
from livepatch.engine.changing.masking import masked
from livepatch.errors import LivepatchError
from livepatch.files import AppendedFile, private_folder
from livepatch.processes import ProcessIdentity

from .rotation import remove_old_sessions
from .saved import FORMAT, Carried, read_session
from .shapes import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from .lines import Line
    from .places import Place

    Make = Callable[[], Line]

LONGEST = 8_000_000  # bytes of a file before the session goes on in the next
PARTS = 4  # files that a session has at most
ALIVE_EVERY = 300.0  # seconds between two signs of life of a session in which nothing is done
WAITING = 10_000  # steps that may wait for the disk; more are counted, not kept
AT_EXIT = 1.0  # seconds that the process's end may wait for the last lines

log = logging.getLogger("livepatch")


class SessionWriter:
    """What this process adds to the journals of a name, and the thread that does it.

    Args:
        place: where the sessions of the name lie.

    Attributes:
        session: the session's number; None while it has no file.
        lost: how many steps could not be written.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.session: int | None = None
        self.lost = 0
        self._since = _now()
        self._waiting: queue.SimpleQueue[Sequence[Make] | threading.Event | None]
        self._waiting = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_open = threading.Event()  # or cannot be opened
        self._file: AppendedFile | None = None
        self._parts: list[Path] = []
        self._part = 0  # the number of the last
        self._longest = LONGEST
        self._steps = 0
        self._unsaid = 0  # of the lost ones
        self._counting = Lock()
        self._has_failed = False
        self._has_ended = False

    @property
    def path(self) -> Path | None:
        """The file that is written to; None while there is none."""
        file = self._file
        return file.path if file is not None else None

    @property
    def is_begun(self) -> bool:
        """Whether its thread was started."""
        return self._thread is not None

    def begin(self, earlier: Sequence[Make] = ()) -> None:
        """Start the thread; it makes the file at once.

        Args:
            earlier: makes the lines of what was done before.
        """
        thread = threading.Thread(target=self._run, name="livepatch-journal", daemon=True)
        self._thread = thread
        self._waiting.put(earlier)
        try:
            # In a context of its own: that of a cell would send its warnings into the cell.
            masked(lambda: contextvars.Context().run(thread.start))
        except RuntimeError:  # the interpreter is ending: there is nobody to write any more
            self._has_ended = True
            self._is_open.set()
            self._lose(len(earlier))
        else:
            atexit.register(self.end, AT_EXIT)

    def wait_until_open(self, timeout: float) -> None:
        """Wait until the file is there, or could not be made."""
        self._is_open.wait(timeout)

    def append(self, make: Make) -> None:
        """Have a line written; never waits, and never raises.

        Args:
            make: makes the line; called in the thread that writes.
        """
        if self._has_ended or self._waiting.qsize() >= WAITING:
            self._lose(1)
        else:
            self._waiting.put((make,))

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything is written that was appended so far.

        Args:
            timeout: how long to wait, in seconds.

        Returns:
            Whether all of it is; not so when a step was lost, or the disk does not answer.
        """
        if self._thread is None or not self._thread.is_alive():
            return self._waiting.empty() and not self.lost
        done = threading.Event()
        self._waiting.put(done)
        return done.wait(timeout) and not self.lost

    def end(self, timeout: float = 2.0) -> None:
        """Write what waits and that it ends, and end the thread; later steps are not written."""
        deadline = time.monotonic() + timeout
        self.flush(timeout)
        self._has_ended = True
        thread, self._thread = self._thread, None
        atexit.unregister(self.end)
        if thread is not None:
            self._waiting.put(None)
            thread.join(max(0.0, deadline - time.monotonic()))

    def abandon(self) -> None:
        """In a forked child: the thread and the file are the parent's."""
        self._has_ended = True
        atexit.unregister(self.end)
        if self._file is not None:
            self._file.close()

    def _run(self) -> None:
        self._try(self._open)
        self._is_open.set()
        while (item := self._next()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            else:
                for make in item:
                    self._try(self._write, make, steps=1)
        self._try(self._leave)

    def _next(self) -> Sequence[Make] | threading.Event | None:
        """What is to be written next. While there is nothing, the file's time says: still alive."""
        while True:
            try:
                return self._waiting.get(timeout=ALIVE_EVERY)
            except queue.Empty:
                if self._file is not None:
                    with contextlib.suppress(OSError):
                        self._file.touch()

    def _try(self, work: Callable[..., object], *arguments: object, steps: int = 0) -> None:
        """Do something that the webui must not feel, whatever comes of it.

        A change is true and undo knows it, whether it can be written or not.
        """
        try:
            work(*arguments)
        except Exception as error:
            self._lose(steps)
            if not self._has_failed:
                log.warning("livepatch: cannot write the journal to disk: %s", _said(error))
            self._has_failed = True
        else:
            self._has_failed = False

    def _lose(self, steps: int) -> None:
        with self._counting:
            self.lost += steps
            self._unsaid += steps

    def _write(self, make: Make) -> None:
        line = make()
        if self._file is not None and self._file.is_removed():
            self._begin_anew()
        if self._file is None:
            self._open()
        self._say_lost()
        self._put(self._file, line)
        self._steps += 1
        if self._file is not None and self._file.size > self._longest:
            self._go_on()

    def _say_lost(self) -> None:
        if unsaid := self._unsaid:
            self._put(self._file, {"lost": unsaid})
            with self._counting:
                self._unsaid -= unsaid

    def _begin_anew(self) -> None:
        """Somebody has removed the file: what was in it is lost."""
        log.warning("livepatch: the journal %s was removed; starting another one", self.path)
        self._close()
        self._lose(self._steps)
        self._steps, self._parts, self._part = 0, [], 0

    def _open(self) -> None:
        """Make the session's first file, with the next number that is free."""
        asked = f"keep the journal {self.place.folder}"
        private_folder(self.place.folder.parent, asked)
        private_folder(self.place.folder, asked)
        number = max(self.place.sessions(), default=0) + 1
        while True:
            try:
                self._make_part(number)
            except FileExistsError:  # another process was quicker
                number += 1
            else:
                break
        self.session = number
        remove_old_sessions(self.place, number)

    def _make_part(self, session: int, lines: Iterable[Line] = ()) -> None:
        """Make a file, and write to it from now on; one that cannot be begun does not stay."""
        file = AppendedFile(self.place.part(session, self._part + 1))
        try:
            self._put(file, self._header(session, file))
            for line in lines:
                self._put(file, line)
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                file.path.unlink()
            raise
        self._close()
        self._file = file
        self._part += 1
        self._parts.append(file.path)
        self._longest = max(LONGEST, file.size + LONGEST // 2)

    def _header(self, session: int, file: AppendedFile) -> Line:
        livepatch: Any = sys.modules.get("livepatch")
        return {
            "livepatch_journal": FORMAT,
            "session": str(session),
            **ProcessIdentity.of_this_process().as_data(),
            "held": file.is_held,
            "since": self._since,
            "python": platform.python_version(),
            "livepatch": getattr(livepatch, "__version__", None),
        }

    def _put(self, file: AppendedFile | None, line: Line) -> None:
        assert file is not None
        data = json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n"
        if len(data) > LONGEST_LINE:
            raise ValueError(f"a step of {len(data):,} bytes is longer than {LONGEST_LINE:,}")
        file.put(data)

    def _go_on(self) -> None:
        """Begin the session's next file; only then the oldest goes, where there are too many.

        What was live before the steps that are kept is carried over.
        """
        assert self.session is not None
        assert self._file is not None
        dropped, carried = self._parts[: 1 - PARTS], None
        try:
            if dropped:
                asked = f"go on with the journal {self.path}"
                first = min(read_session("", self._parts[1 - PARTS :], asked).steps, default=0)
                layers = read_session("", self._parts, asked).live(before=first)
                carried = Carried(first, len(layers), layers)
            self._make_part(self.session, carried.lines() if carried else ())
        except (OSError, LivepatchError):  # it goes on in the file that there is
            self._longest = self._file.size + LONGEST // 2
            return
        self._parts = self._parts[len(dropped) :]
        with contextlib.suppress(OSError):
            for path in dropped:
                path.unlink()

    def _leave(self) -> None:
        """Say that the session is over; one in which nothing was done leaves no file."""
        try:
            if self._steps or self._unsaid:
                self._say_lost()
                self._put(self._file, {"end": _now()})
        finally:
            self._close()
        if not (self._steps or self._unsaid):
            for path in self._parts:
                path.unlink(missing_ok=True)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _said(error: Exception) -> str:
    """An error on one line."""
    if isinstance(error, LivepatchError):
        return f"{error.found} · {error.advice}"
    return f"{type(error).__name__}: {error}"
