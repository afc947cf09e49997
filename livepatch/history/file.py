"""The journal's file: one for each webui name, JSON lines, only ever appended to.

A step is written by a thread of its own, so that neither a slow disk nor a full one is felt by
whoever changes something. Each line goes out in one call: a process that is killed in the middle
loses that line at most, and the next session begins on a new one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import platform
import queue
import re
import secrets
import stat
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused

from .saved import FORMAT, carried_over, sessions_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lines import Line

FOLDER_VARIABLE = "LIVEPATCH_STATE_DIR"
LONGEST = 8_000_000  # bytes of a file before it is put aside as NAME.1.jsonl
WAITING = 10_000  # steps that may wait for the disk; more are counted, not kept
AT_EXIT = 1.0  # seconds that the process's end may wait for the last lines

log = logging.getLogger("livepatch")


def journal_folder() -> Path:
    """The folder ``journal`` of the user's state folder, or in what ``LIVEPATCH_STATE_DIR`` names.

    Example:
        >>> journal_folder().name
        'journal'
    """
    if configured := os.environ.get(FOLDER_VARIABLE):
        return Path(configured).expanduser().absolute() / "journal"
    from platformdirs import user_state_path

    return user_state_path("livepatch", appauthor=False) / "journal"


def path_of(name: str, folder: Path | None = None) -> Path:
    """Where the journal of a webui lies.

    Raises:
        PatchRefused: nothing of the name can be a file's name.

    Example:
        >>> path_of("My WebUI").name
        'my-webui.jsonl'
    """
    normal = re.sub(r"[^a-z0-9._-]+", "-", str(name).lower())[:60].strip("-._")
    if not normal:
        raise PatchRefused(
            f"keep the journal of {name!r}",
            "a name is made of a-z, 0-9, '.', '_' and '-', and has at least one letter or digit",
            "choose another name, for example: my-webui",
        )
    return (folder or journal_folder()) / f"{normal}.jsonl"


class JournalFile:
    """What this process adds to a journal's file, and the thread that does it.

    Args:
        path: the file; its folder is made when the first line is written.

    Attributes:
        session: tells the lines of this process from those of others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = secrets.token_hex(6)
        self.since = datetime.now(timezone.utc)
        self._waiting: queue.SimpleQueue[Callable[[], Line] | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._handle: int | None = None
        self._lost = 0
        self._failed = False
        self._ended = False

    def append(self, make: Callable[[], Line]) -> None:
        """Have a line written; never waits, and never raises.

        Args:
            make: makes the line; called in the thread that writes.
        """
        if self._ended:
            return
        if self._waiting.qsize() >= WAITING:
            self._lost += 1
            return
        self._waiting.put(make)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="livepatch-journal")
            self._thread.daemon = True
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is ending: there is nobody to write any more
                self._ended = True
                return
            atexit.register(self.flush, AT_EXIT)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything is written that was appended so far.

        Args:
            timeout: how long to wait, in seconds.

        Returns:
            Whether it is; not so when the disk does not answer.
        """
        if self._thread is None or not self._thread.is_alive():
            return self._waiting.empty()
        done = threading.Event()
        self._waiting.put(done)
        return done.wait(timeout)

    def end(self, timeout: float = 2.0) -> None:
        """Write what waits, and end the thread; later steps are not written."""
        self.flush(timeout)
        self._ended = True
        thread, self._thread = self._thread, None
        atexit.unregister(self.flush)
        if thread is not None:
            self._waiting.put(threading.Event())  # wakes it
            thread.join(timeout)

    def _write(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                if self._ended:
                    break
                continue
            try:
                self._write_line(item())
                self._failed = False
            except Exception as error:
                # The webui must not feel it: the change is true, and undo knows it all the same.
                self._lost += 1
                if not self._failed:
                    log.warning("livepatch: the journal is not written to disk: %s", error)
                self._failed = True
                self._close()
        self._close()

    def _write_line(self, line: Line) -> None:
        if self._handle is None:
            self._handle = _opened(self.path)
            self._put(self._header())
        if self._lost:
            lost, self._lost = self._lost, 0
            self._put({"lost": lost})
        self._put(line)
        if os.fstat(self._handle).st_size > LONGEST:
            self._begin_anew()

    def _put(self, line: Line) -> None:
        assert self._handle is not None
        text = json.dumps({**line, "session": self.session}, ensure_ascii=False)
        data = text.encode(errors="backslashreplace") + b"\n"
        written = os.write(self._handle, data)
        if written < len(data):
            raise OSError(f"{self.path}: only {written} of {len(data)} bytes, is the disk full?")

    def _header(self) -> Line:
        livepatch: Any = sys.modules.get("livepatch")
        return {
            "livepatch_journal": FORMAT,
            "pid": os.getpid(),
            "since": self.since.isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "livepatch": getattr(livepatch, "__version__", None),
        }

    def _begin_anew(self) -> None:
        """Put a long file aside, and take into the new one what replaying needs."""
        aside = self.path.with_suffix(".1.jsonl")
        saved = next((s for s in sessions_in(self.path) if s.session == self.session), None)
        self.path.replace(aside)
        self._close()
        self._handle = _opened(self.path)
        self._put(self._header())
        for line in carried_over(saved) if saved else ():
            self._put(line)

    def _close(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):  # nothing of ours is in it that is not written
                os.close(self._handle)
            self._handle = None


def _opened(path: Path) -> int:
    """The file, opened for appending, the user's alone; a line that was cut off is ended."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        _check_owner(path.parent, path.parent.stat())
        path.parent.chmod(0o700)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
    try:
        status = os.fstat(handle)
        if os.name == "posix":
            _check_owner(path, status)
            if stat.S_IMODE(status.st_mode) & 0o077:
                os.fchmod(handle, 0o600)
        if status.st_size:
            os.lseek(handle, -1, os.SEEK_END)
            if os.read(handle, 1) != b"\n":
                os.write(handle, b"\n")
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to user {status.st_uid}, not to this one")
