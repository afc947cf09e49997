"""Watching files: what a file changes of the webui follows the file, as it is saved.

The system tells of saves (watchfiles); a look at the folder then says which files are new, changed
or gone, so that it does not matter how an editor saves.
"""

from __future__ import annotations

import atexit
import logging
import os
import stat
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.changing.locks import Lock
from livepatch.errors import HostUnsupported, TargetNotFound
from livepatch.reports import Report

from .older_scripts import answer_no_more, answer_older_scripts
from .watched_file import THREAD, WatchedFile, WatchError, known_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STEP = 50  # milliseconds without a further event that make a save
LONGEST = 150  # milliseconds that events of others may hold a save up
SETTLED = 0.03  # seconds: who is still writing writes again within that time

log = logging.getLogger("livepatch")

Stamp = tuple[int, int, int]
Identities = list[tuple[Path, int]]


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
        self._waits = 0  # for so many milliseconds at most, 0: until something happens

    @property
    def errors(self) -> list[WatchError]:
        """The errors of the files whose present version is not live, until they are mended."""
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
        folders, notify = self._listen()
        try:
            self._look(settled=0.0)
        except BaseException:  # passes on: a watch that did not begin leaves nothing behind
            notify.close()
            answer_no_more(self)
            raise
        self._thread = threading.Thread(
            target=self._follow, args=(folders, notify), name=THREAD, daemon=True
        )
        self._thread.start()

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
        stay = f"{count} layer{'s' * (count != 1)} of its files stay: lp.restore(…) takes them off"
        return answer(f"stopped watching {_shown(self.paths)}", *([stay] if count else []))

    def _listen(self) -> tuple[Identities, Any]:
        """What the system tells from now on, and of which folders."""
        folders = self._folders()
        return _identities(folders), _notify(self._asked, folders)

    def _follow(self, folders: Identities, notify: Any) -> None:
        while True:
            try:
                listens = self._listens_anew(folders, notify)
            # A file can raise anything, and a disk can go away: the webui must not feel it.
            except BaseException:
                log.exception("livepatch: watching %s failed, and goes on", _shown(self.paths))
                if self._stopping.wait(1.0):
                    return
                try:
                    folders, notify = self._listen()
                except Exception:  # the folders are gone: said, and the webui goes on
                    log.exception("livepatch: %s is not watched any more", _shown(self.paths))
                    return
            else:
                if listens is None:
                    return
                folders, notify = listens

    def _listens_anew(self, folders: Identities, notify: Any) -> tuple[Identities, Any] | None:
        """Look at the files as the system tells, and at all of them when the folders are others.

        Returns:
            What the system tells from then on; None: somebody has ended it.
        """
        with notify:
            goes_on = self._look_when_told(folders, notify)
        if not goes_on:
            return None
        # A folder was moved away or made anew: the system tells of the former one only.
        listens = self._listen()
        self._look(settled=0.0)
        return listens

    def _look_when_told(self, folders: Identities, notify: Any) -> bool:
        """Look at the files as the system tells, until the folders are others.

        Returns:
            Whether there is more to do: nobody has ended it.
        """
        while folders == _identities(self._folders()):
            told = notify.watch(LONGEST, STEP, self._waits, self._stopping)
            if self._stopping.is_set() or told in ("stop", "signal"):
                return False
            self._waits = 0 if self._look() else STEP
        return True

    def _folders(self) -> list[Path]:
        """The folders whose events matter: a file that is replaced is an event of its folder."""
        wanted: dict[Path, None] = {}
        for path in self.paths:
            for folder in (path, path.parent):
                if folder.is_dir():
                    wanted.setdefault(folder)
            if not path.parent.is_dir():  # until it is there again
                wanted.setdefault(next(p for p in path.parents if p.is_dir()))
        for file in self._candidates():
            if file.is_symlink():
                wanted.setdefault(file.resolve().parent)
        return list(wanted)

    def _candidates(self) -> Iterator[Path]:
        for path in self.paths:
            if path.suffix == ".py":
                yield path
                continue
            try:
                names = sorted(os.listdir(path))
            except OSError:  # the folder is gone: so are its files
                continue
            yield from (path / name for name in names if _is_source(name))

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
        found = {path: stamp for path in self._candidates() if (stamp := _stamp(path))}
        done = True
        for path, stamp in found.items():
            if self._stamps.get(path) == stamp:
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
        columns = {
            "file": lambda file: file.path.name,
            "state": _state,
            "layers": lambda file: len(file.own_layers()),
            "since": lambda file: f"{file.since:%H:%M:%S}" if file.since else "",
            "error": lambda file: (
                f"line {file.error.line}: {file.error.message}"
                if file.error and file.error.line
                else (file.error.message if file.error else "")
            ),
        }
        title = f"{'Watching' if self.is_on else 'No longer watching'} {_shown(self.paths)}"
        return Report(title, self.files, columns, "no file *.py is there yet")

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


_watches: dict[tuple[Path, ...], Watch] = {}


def watch(*paths: str | os.PathLike[str]) -> Watch:
    r"""Run files now and whenever they are saved; their changes are live within 200 ms.

    The files are Python that uses ``livepatch.replace(…)`` and the other verbs. A file owns what it
    changes: what it no longer says is taken back, a deleted or renamed file takes all of its back.
    A version that does not compile, or raises, changes nothing: the former one stays live, and the
    error is listed until it is mended.

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
        1 layer of its files stay: lp.restore(…) takes them off
        >>> print(lp.restore("textwrap.dedent").partition(" · ")[0])
        restored textwrap.dedent
    """
    asked = f"watch {' '.join(map(str, paths))}".rstrip()
    if not paths:
        raise TargetNotFound(asked, "no file or folder was named", "lp.watch(FOLDER)")
    wanted = tuple(_checked(asked, Path(path).expanduser()) for path in paths)
    present = _watches.get(wanted)
    if present is not None and present.is_on:
        return present
    _rust_notify(asked)
    watch = Watch(wanted, asked)
    watch.start()
    if not _watches:
        atexit.register(stop_all)
    _watches[wanted] = watch
    return watch


def watches() -> list[Watch]:
    """Everything that is watched in this process."""
    return list(_watches.values())


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


def _checked(asked: str, path: Path) -> Path:
    path = Path(os.path.abspath(path))
    if not path.exists():
        raise TargetNotFound(asked, f"there is no {path}", "name a folder, or a file *.py")
    if not path.is_dir() and path.suffix != ".py":
        raise TargetNotFound(
            asked, f"{path} is neither a folder nor a file *.py", "name a folder, or a file *.py"
        )
    return path


def _rust_notify(asked: str) -> Any:
    try:
        from watchfiles._rust_notify import RustNotify
    except ImportError as error:
        raise HostUnsupported(
            asked,
            f"watchfiles is missing in this Python: {error} ({sys.executable})",
            f"{sys.executable} -m pip install 'livepatch[watch]'",
        ) from error
    return RustNotify


def _notify(asked: str, folders: list[Path]) -> Any:
    """What the system tells of these folders from now on."""
    rust_notify = _rust_notify(asked)
    try:
        return rust_notify([str(f) for f in folders], False, False, 300, False, True)
    except OSError as error:
        raise HostUnsupported(
            asked,
            f"the system cannot watch: {type(error).__name__}: {error}",
            "look at the limits of inotify: sysctl fs.inotify",
        ) from error


def _is_source(name: str) -> bool:
    """Whether a name is a script's: not a lock, backup or swap file of an editor."""
    return name.endswith(".py") and not name.startswith((".", "#", "~"))


def _stamp(path: Path) -> Stamp | None:
    """What changes when a file is saved; None where there is no file to be read."""
    try:
        status = path.stat()
    except OSError:  # gone, or a link that leads nowhere
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _identities(folders: list[Path]) -> Identities:
    found = []
    for folder in folders:
        try:
            found.append((folder, folder.stat().st_ino))
        except OSError:  # it went away since it was listed
            continue
    return found


def _state(file: WatchedFile) -> str:
    if file.error is None:
        return "live"
    return "broken, the former version is live" if file.since else "broken"


def _shown(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)
