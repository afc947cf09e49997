"""Watching files: what a file changes of the webui follows the file, as it is saved.

The system tells of saves (watchfiles); a look at the folder then says which files are new, changed
or gone, so that it does not matter how an editor saves.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from livepatch.engine.answers import AnswerLine, Caution, answer, counted
from livepatch.engine.changing.events import subscribe
from livepatch.engine.changing.locks import Lock
from livepatch.engine.shown import shown
from livepatch.errors import HostUnsupported, TargetNotFound
from livepatch.reports import Report

from .loaded import refuse_loaded
from .older_scripts import answer_no_more, answer_older_scripts
from .paths import (
    Listening,
    Stamp,
    candidates,
    checked_path,
    folders_of,
    identities,
    listen,
    rust_notify,
    stamp_of,
)
from .watched_file import THREAD, WatchedFile, WatchError, known_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from livepatch.engine.changing.change import Change
    from livepatch.reports.table import Columns

STEP = 50  # milliseconds without a further event that make a save
LONGEST = 150  # milliseconds that events of others may hold a save up
SETTLED = 0.03  # seconds: who is still writing writes again within that time

log = logging.getLogger("livepatch")


class Watch:
    """Files, or folders of files, that are run on every save.

    Its files own their changes: what a file no longer says is taken back, and a file that is gone
    takes all of its back. Of a folder these are the files ``*.py`` directly in it.

    Args:
        paths: files and folders, absolute.
        asked: the user's request in words.
    """

    def __init__(self, paths: Iterable[Path], asked: str) -> None:
        self.paths = tuple(paths)
        self._asked = asked
        self._files: dict[Path, WatchedFile] = {}
        self._stamps: dict[Path, Stamp] = {}
        self._unclear: set[Path] = set()
        self._lock = Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure = ""

    @property
    def errors(self) -> list[WatchError]:
        """The errors of the files whose present version is not live, until they are fixed."""
        files = list(self._files.values())
        return [file.error for file in files if file.error is not None]

    @property
    def files(self) -> list[WatchedFile]:
        """The files, by their paths."""
        return [self._files[path] for path in sorted(self._files)]

    @property
    def is_on(self) -> bool:
        """Whether it watches."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Run every file once, and from then on whenever one is saved."""
        answer_older_scripts(self)
        listening = listen(self._asked, self.paths)
        try:
            self._look(settled=0.0)
        except BaseException:  # passes on: a watch that did not begin leaves nothing behind
            listening[1].close()
            answer_no_more(self)
            raise
        self._begin(listening)

    def stop(self, timeout: float = 5.0) -> AnswerLine:
        """Watch no more; what is live stays so.

        Args:
            timeout: how long to wait for a file that is running, in seconds.
        """
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        answer_no_more(self)
        if _watches.get(self.paths) is self:
            del _watches[self.paths]
        count = sum(len(file.own_layers()) for file in self.files)
        stay = counted(
            count,
            "layer of its files stays: lp.restore(…) takes it off",
            "layers of its files stay: lp.restore(…) takes them off",
        )
        return answer(f"stopped watching {_shown(self.paths)}", *([stay] if count else []))

    def revive(self) -> AnswerLine | None:
        """Begin again where the thread has ended, which nothing that a file is brings about.

        Returns:
            What to tell the user; None where it goes on.
        """
        if self._thread is None or self.is_on or self._stopping.is_set():
            return None
        self._begin(None)
        why = f": {self._failure}" if self._failure else ""
        return answer(f"watching {_shown(self.paths)} had ended{why}", "it goes on")

    def _begin(self, listening: Listening | None) -> None:
        self._thread = threading.Thread(
            target=self._follow, args=(listening,), name=THREAD, daemon=True
        )
        self._thread.start()

    def _follow(self, listening: Listening | None) -> None:
        """Look at the files as the system tells, until somebody ends it."""
        while not self._stopping.is_set():
            try:
                self._follow_as_told(listening)
                self._failure = ""
            # A file can raise anything, and a disk can go away: the webui must not feel it.
            except BaseException as error:
                self._take_note(error)
                self._stopping.wait(1.0)
            listening = None

    def _follow_as_told(self, listening: Listening | None) -> None:
        """Look at the files as the system tells, until their folders are others.

        A folder that was moved away or made anew is another one: the system tells of the former.
        """
        try:
            folders, notify = listening or listen(self._asked, self.paths)
        except HostUnsupported as error:  # no more folders can be followed, or they are going away
            self._take_note(error)
            self._look()
            self._stopping.wait(1.0)
            return
        with notify:
            self._look_again_and_again((folders, notify))

    def _look_again_and_again(self, listening: Listening) -> None:
        folders, notify = listening
        while folders == identities(folders_of(self.paths)):
            waits = 0 if self._look() else STEP  # milliseconds; 0: until something happens
            notify.watch(LONGEST, STEP, waits, self._stopping)
            if self._stopping.is_set():
                return

    def _take_note(self, error: BaseException) -> None:
        """Say once that something is wrong with the watching itself."""
        failure = shown(f"{type(error).__name__}: {error}")
        if failure != self._failure:
            self._failure = failure
            log.warning(
                "livepatch: an error while watching %s; watching continues",
                _shown(self.paths),
                exc_info=not isinstance(error, HostUnsupported),
            )

    def _look(self, settled: float = SETTLED) -> bool:
        """Run what is new or changed, take back what is gone.

        Args:
            settled: for how many seconds a file must not have changed.

        Returns:
            Whether all is done; False while somebody is still writing.
        """
        with self._lock:
            return self._run_changed(settled)

    def _run_changed(self, settled: float) -> bool:
        found = {path: stamp for path in candidates(self.paths) if (stamp := stamp_of(path))}
        done = True
        for path, stamp in found.items():
            if self._stamps.get(path) == stamp and not self._files[path].is_unread:
                continue
            if not self._is_written(path, stamp, settled):
                done = False
                continue
            self._stamps[path] = stamp
            file = self._files.get(path) or self._files.setdefault(path, known_file(path))
            file.save()
        for path in self._files.keys() - found.keys():
            if not self._is_seen_again(path, settled):
                done = False
                continue
            self._stamps.pop(path, None)
            self._files.pop(path).gone()
        self._unclear.intersection_update(self._files)
        return done

    def _is_written(self, path: Path, stamp: Stamp, settled: float) -> bool:
        """Whether nobody is in the middle of writing a file."""
        if 0 <= time.time() - stamp[0] / 1e9 < settled:
            return False
        if stamp[1] == 0 and path in self._files:  # an editor may have cut it off only to write
            return self._is_seen_again(path, settled)
        self._unclear.discard(path)
        return True

    def _is_seen_again(self, path: Path, settled: float) -> bool:
        """Whether a file was empty or not there at the last look too: some editors save so."""
        if not settled or path in self._unclear:
            self._unclear.discard(path)
            return True
        self._unclear.add(path)
        return False

    def __repr__(self) -> str:
        return str(self.report())

    def report(self) -> Report[WatchedFile]:
        """The files, what each does, and what is wrong with it."""
        columns: Columns[WatchedFile] = {
            "file": lambda file: file.path.name,
            "state": _state,
            "layers": lambda file: len(file.own_layers()),
            "since": lambda file: f"{file.since.astimezone():%H:%M:%S}" if file.since else "",
            "error": lambda file: (
                f"line {file.error.line}: {file.error.message}"
                if file.error and file.error.line
                else (file.error.message if file.error else "")
            ),
        }
        title = f"{'Watching' if self.is_on else 'No longer watching'} {_shown(self.paths)}"
        return Report(title, self.files, columns, "it has no file *.py yet")

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


_watches: dict[tuple[Path, ...], Watch] = {}


def watch(*paths: str | os.PathLike[str]) -> Watch:
    r"""Run files now and whenever they are saved; their changes are live within 200 ms.

    The files are Python that uses ``livepatch.replace(…)`` and the other verbs. A file owns what it
    changes: what it no longer says is taken back, a deleted or renamed file takes all of its back.
    A version that does not compile, or raises, changes nothing: the former one stays live, and the
    error is listed until it is fixed. So does one that is somebody else's, or that others can
    write: trusted are the user, root, and whom ``LIVEPATCH_TRUST_UIDS`` names.

    Args:
        paths: files, or folders whose files ``*.py`` are meant.

    Returns:
        The watch: ``.errors`` with file, line and message, and ``.stop()``.

    Raises:
        TargetNotFound: there is no such file or folder.
        HostUnsupported: watchfiles is not installed, or the system cannot watch.

    Example:
        >>> import pathlib, tempfile, textwrap, livepatch as lp
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> text = "import livepatch as lp\nlp.replace('textwrap.dedent', lambda text: 'patched')"
        >>> _ = (folder / "mine.py").write_text(text)
        >>> watched = lp.watch(folder)
        >>> textwrap.dedent("  text"), watched.errors
        ('patched', [])
        >>> print(watched.stop().partition(" · ")[2])
        1 layer of its files stays: lp.restore(…) takes it off
        >>> print(lp.restore("textwrap.dedent").partition(" · ")[0])
        restored textwrap.dedent
    """
    asked = f"watch {' '.join(map(str, paths))}".rstrip()
    if not paths:
        raise TargetNotFound(asked, "no file or folder was named", "lp.watch(FOLDER)")
    wanted = tuple(checked_path(asked, path) for path in paths)
    present = _watches.get(wanted)
    if present is not None and present.is_on:
        return present
    refuse_loaded(asked, wanted)
    rust_notify(asked)
    watch = Watch(wanted, asked)
    watch.start()
    if not _watches:
        atexit.register(stop_all)
    _watches[wanted] = watch
    for path in wanted:
        unwatched.pop(path, None)
    return watch


def watches() -> list[Watch]:
    """Everything that is watched in this process."""
    return list(_watches.values())


def revive_all() -> list[AnswerLine]:
    """Begin again what has ended by itself.

    Returns:
        A line to tell for each, and once for each folder that could not be watched at the start.
    """
    untold, _unwatched_untold[:] = [*_unwatched_untold], []
    lines = [answer(f"{path} is not watched: {unwatched[path]}") for path in untold]
    return [*lines, *(line for watch in watches() if (line := watch.revive()))]


unwatched: dict[Path, str] = {}
"""The folders that were to be watched and are not, each with why."""
_unwatched_untold: list[Path] = []


def not_watched(path: Path, why: str) -> None:
    """Have the next cell and ``%watch`` say that a folder is not watched.

    Args:
        path: the folder.
        why: why not, and what to do.
    """
    unwatched[path] = why
    _unwatched_untold.append(path)


def _restored(changes: Iterable[Change]) -> list[str]:
    """What is to be said after everything was restored: of watched files nothing is live."""
    if not watches() or all(change.describe().verb != "restore" for change in changes):
        return []
    files = [file for watch in watches() for file in watch.files]
    idle = [file for file in files if file.laid and not file.changes_something]
    names = ", ".join(file.path.name for file in idle)
    has = (
        "is still watched, and changes something"
        if len(idle) == 1
        else ("are still watched, and change something")
    )
    return [Caution(f"{names} {has} again when saved")] if idle else []


subscribe("remarks", _restored)


def stop_all() -> None:
    """Watch nothing any more.

    Called at the end of the process too: a thread that comes back from watchfiles while the
    interpreter is taken down would end it with an error.
    """
    for watch in watches():
        watch.stop(timeout=1.0)


def _forget() -> None:
    """In a forked child: the threads are the parent's."""
    _watches.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _state(file: WatchedFile) -> str:
    if file.error is None:
        if file.changes_something:
            return "live"
        return "restored: save it again" if file.laid else "it changes nothing"
    return "broken, the previous version is live" if file.since else "broken"


def _shown(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)
