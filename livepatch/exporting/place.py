"""Where an export goes: a draft that nobody else can enter, then in place of an export of ours.

The webui executes what is exported. So others never get to write it, whatever the umask: it is made
in a folder of the user's alone whose name nobody can foresee, and its own folders and files have no
way in for writers but their owner. What is there already is replaced as a whole, and only where it
is an export of the same name in which nobody has changed anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.engine.shown import shown
from livepatch.errors import ExportRefused
from livepatch.files.kinds import kind_of
from livepatch.files.shown import typed
from livepatch.files.untrusted import Unreadable, read_untrusted, walk_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MANIFEST = "livepatch.json"
MARK = "exported by livepatch"
FOLDER, FILE = 0o755, 0o644
"""Modes; the umask takes away from them what it does."""
LONGEST = 16_000_000
"""In bytes, of a file that is compared."""


class Place:
    """The place of one export.

    Args:
        asked: what the user asked for, the first line of a refusal.
        folder: the folder in which the extension's own folder, or its file, is made.
        name: the extension's name.
        inner: its folder, or its one file, as a path in that folder.
        is_file: whether it is one file.

    Attributes:
        final: the extension's folder, or its file.

    Raises:
        ExportRefused: the folder will not do, or something else is there.
    """

    def __init__(
        self, asked: str, folder: str | Path, name: str, inner: str, *, is_file: bool
    ) -> None:
        self._asked, self._name, self._is_file = asked, name, is_file
        self._is_former_away = False  # what was there lies in the draft's folder
        self._folder = _usable(asked, folder)
        self.final = self._folder / inner
        self._held = self._folder / Path(inner).parts[0]
        self._check()

    @contextlib.contextmanager
    def draft(self, texts: Mapping[str, str]) -> Iterator[Path]:
        """Write the files beside their place; they are gone afterwards unless they were put there.

        Args:
            texts: the files, by their paths in the extension's folder; of one file, by its name in
                the folder that is exported to.

        Yields:
            What will be the extension's folder, or its file.
        """
        made = _make_missing(self._folder)
        room: Path | None = None
        try:
            room = Path(tempfile.mkdtemp(prefix=f".{self._name}-", dir=self._folder))
            base = room if self._is_file else room / self._held.name
            for path, text in texts.items():
                _write(room, base / path, text.encode())
            yield room / self.final.relative_to(self._folder)
        finally:
            if room is not None and not self._is_former_away:
                shutil.rmtree(room, ignore_errors=True)
            for folder in reversed(made):
                with contextlib.suppress(OSError):  # it holds what was exported
                    folder.rmdir()

    def put(self, draft: Path) -> None:
        """Move a draft to its place.

        Args:
            draft: what :meth:`draft` has given.

        Raises:
            ExportRefused: something else has come there meanwhile.
        """
        self._check()
        room = self._folder / draft.relative_to(self._folder).parts[0]
        drafted = room / self._held.name
        if not os.path.isdir(self._held):
            drafted.replace(self._held)
            return
        former = room / "former"
        self._is_former_away = True
        self._held.replace(former)
        try:
            drafted.replace(self._held)
        except BaseException:
            former.replace(self._held)
            self._is_former_away = False
            raise
        self._is_former_away = False

    def _check(self) -> None:
        """Refuse to write over anything but an unchanged export of the same name."""
        if not os.path.lexists(self._held):
            return
        if os.path.islink(self._held):
            raise self._refused(f"{shown(self._held)} is a link to {shown(_target(self._held))}")
        if self._is_file:
            self._check_file()
        else:
            self._check_folder()

    def _check_file(self) -> None:
        final, held = self.final, self._held
        if final != held and (others := self._others(final)):
            more = f"{shown(held)} already holds more than {final.name}"
            raise self._refused(f"{more}: {', '.join(others)}")
        try:
            text = _as_written(read_untrusted(final, longest=LONGEST, inside=held.parent))
        except Unreadable as unreadable:
            raise self._refused(f"{shown(final)} {unreadable}") from unreadable
        begins = text[:300].decode(errors="replace")
        if f'"""{self._name}: ' not in begins or MARK not in begins:
            raise self._refused(f"{shown(final)} is already there, and is not an export")
        digest = re.search(rb"\n# livepatch: ([0-9a-f]{64})\n\Z", text)
        if digest is None or _hash(text[: digest.start() + 1]).encode() != digest.group(1):
            raise self._refused(f"somebody changed {shown(final)} since it was exported")

    def _others(self, final: Path) -> list[str]:
        """What lies beside the one file; what Python compiled from it is nothing."""
        found = walk_untrusted(self._held, lambda _: True, lambda _: False)
        others = [e.path for e in found if e.path != str(final) and not _is_compiled(e.path)]
        return [shown(path) for path in others[:3]]

    def _check_folder(self) -> None:
        digests = self._told()
        if digests is None:
            raise self._refused(f"{shown(self._held)} already holds another extension")
        changed = [shown(path) for path in _changed(self._held, digests)]
        if changed:
            found = f"somebody changed {', '.join(changed[:3])} in {shown(self._held)}"
            raise self._refused(f"{found} since it was exported")

    def _told(self) -> dict[str, str] | None:
        """The files of an export of the same name, by its own list; None: it is none."""
        try:
            told = json.loads(read_untrusted(self._held / MANIFEST, inside=self._held))
        except (Unreadable, ValueError, RecursionError):
            return None
        if not isinstance(told, dict) or not isinstance(told.get("files"), dict):
            return None
        ours = told.get("made_by") == "livepatch export" and told.get("name") == self._name
        return told["files"] if ours else None

    def _refused(self, found: str) -> ExportRefused:
        advice = f"choose another name, or move it away: {typed(self._held)}"
        return ExportRefused(self._asked, found, advice)


def digest(text: str) -> str:
    """What tells whether somebody has changed a text since it was exported."""
    return _hash(_as_written(text.encode()))


def _as_written(content: bytes) -> bytes:
    """A file as it was exported: checked out on Windows, its lines end in another way."""
    return content.replace(b"\r\n", b"\n")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _usable(asked: str, folder: str | Path) -> Path:
    """The folder to export to, which may be missing: then it is made with the draft."""
    try:
        wanted = Path(os.path.abspath(Path(folder).expanduser()))
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(wanted)  # whether it can be the path of a folder at all
        present = next(p for p in (wanted, *wanted.parents) if os.path.lexists(p))
        mode = os.stat(present).st_mode
    except (OSError, ValueError, RuntimeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        advice = "give a folder that you can write to"
        raise ExportRefused(asked, f"{shown(folder)}: {said}", advice) from error
    if not stat.S_ISDIR(mode):
        what = "it is a file" if stat.S_ISREG(mode) else f"it is {kind_of(mode)}"
        raise ExportRefused(asked, f"{shown(present)}: {what}", "name a folder")
    if not os.access(present, os.W_OK | os.X_OK):
        advice = "give another folder, or change its mode"
        raise ExportRefused(asked, f"{shown(present)} cannot be written to", advice)
    return wanted


def _make_missing(folder: Path) -> list[Path]:
    """Make a folder and what is missing above it.

    Returns:
        The folders that were made, the outermost first.
    """
    missing = [p for p in (folder, *folder.parents) if not os.path.lexists(p)][::-1]
    for count, level in enumerate(missing):
        try:
            os.mkdir(level, FOLDER)
        except FileExistsError:  # somebody else has made it: then it is not ours to remove
            return [*missing[:count], *_make_missing(folder)]
    return missing


def _write(room: Path, path: Path, content: bytes) -> None:
    """Write a new file below a folder of the user's alone."""
    for folder in reversed(path.relative_to(room).parents):
        if folder.parts and not os.path.isdir(room / folder):
            os.mkdir(room / folder, FOLDER)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), FILE), "wb") as file:
        file.write(content)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return "nowhere"


def _changed(folder: Path, digests: Mapping[str, str]) -> Iterator[str]:
    """What in a folder is not as it was exported: files, and whatever stands in their places."""
    yield from (path for path in digests if os.path.isdir(folder / path))
    for entry in walk_untrusted(folder, lambda _: True, lambda _: False):
        path = os.path.relpath(entry.path, folder).replace(os.sep, "/")
        if path != MANIFEST and (entry.trouble or not _is_as_exported(entry.path, path, digests)):
            yield path


def _is_as_exported(file: str, path: str, digests: Mapping[str, str]) -> bool:
    try:
        if _is_compiled(file):
            return True
        if os.path.islink(file):
            return False
        return digests.get(path) == _hash(_as_written(read_untrusted(file, longest=LONGEST)))
    except Unreadable:
        return False


def _is_compiled(file: str) -> bool:
    """Whether it is what Python has written beside a file that was imported."""
    folder, name = os.path.split(file)
    is_named_so = os.path.basename(folder) == "__pycache__" and name.endswith(".pyc")
    return is_named_so and os.path.isfile(file) and not os.path.islink(file)
