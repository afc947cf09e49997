"""Looks through files of strangers: bounded, never waiting, at regular files only.

Somebody else's extension is read before anybody trusts it, in the webui's process too. It may hold
named pipes that nobody writes to, links to devices or out of the folder, links in circles, files
and numbers of files without end. What cannot be looked at is told, and the rest is looked at.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from .kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 2_000_000
"""In bytes; what people have written is shorter, what is longer is data."""
DEEPEST = 40
"""Folders within folders."""
MOST = 100_000
"""Files and folders that one walk looks at."""
BEGINNING = 65_536
"""In bytes, what is read of a file that is too long."""


class Unreadable(Exception):
    """A file that is not looked at, or a folder.

    Args:
        why: what follows its name: ``is a named pipe, not a regular file``.
        beginning: the first bytes of a file that is too long.
    """

    def __init__(self, why: str, beginning: bytes = b"") -> None:
        super().__init__(why)
        self.beginning = beginning


class Entry(NamedTuple):
    """What a walk comes to.

    Attributes:
        path: a file that is wanted, or a folder that is not looked at.
        trouble: why it is not; empty for a file.
    """

    path: str
    trouble: str = ""


def read_untrusted(
    path: str | os.PathLike[str],
    *,
    longest: int = LONGEST,
    inside: str | os.PathLike[str] | None = None,
) -> bytes:
    """Read a regular file, whoever has made it, without ever waiting.

    Args:
        path: the file. A link is followed where it leads to a regular file.
        longest: how many bytes it may have.
        inside: a folder that a link must not lead out of; None: it may lead anywhere.

    Returns:
        All of it.

    Raises:
        Unreadable: it is no regular file, too long, a link that leads out, or cannot be read.
    """
    try:
        real = _without_link(os.fspath(path), inside)
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_CLOEXEC"):
            flags |= getattr(os, name, 0)
        handle = os.open(real, flags)
        try:
            _check_regular(os.fstat(handle))  # it may be another one by now
            content = _read(handle, longest + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {_reason(error)}") from error
    if len(content) > longest:
        raise Unreadable(f"is longer than {longest:,} bytes", content[:BEGINNING])
    return content


def walk_untrusted(
    folder: str | os.PathLike[str],
    is_wanted: Callable[[str], bool],
    is_left_out: Callable[[str], bool],
    *,
    most: int = MOST,
    deepest: int = DEEPEST,
) -> Iterator[Entry]:
    """The files in a folder and the folders below it, by their names; links to folders are none.

    Args:
        folder: where to begin.
        is_wanted: whether a file of that name is.
        is_left_out: whether a folder of that name is passed over.
        most: how many files and folders are looked at.
        deepest: how many folders lie within each other.

    Yields:
        The files, of whatever kind; and the folders that are not looked at, with the reason.
    """
    waiting = [(os.fspath(folder), 0)]
    left = most
    while waiting:
        here, depth = waiting.pop()
        if depth > deepest:
            yield Entry(here, f"is nested in more than {deepest} folders")
            continue
        try:
            listed, is_all = entries_of(here, left)
        except Unreadable as unreadable:
            yield Entry(here, str(unreadable))
            continue
        left -= len(listed)
        inner = []
        for entry in listed:
            if _is_folder(entry):
                inner += [] if is_left_out(entry.name) else [(entry.path, depth + 1)]
            elif is_wanted(entry.name):
                yield Entry(entry.path)
        if not is_all:
            yield Entry(here, f"is not read further: more than {most:,} files and folders")
            return
        waiting += reversed(inner)


def entries_of(
    folder: str | os.PathLike[str], most: int = MOST
) -> tuple[list[os.DirEntry[str]], bool]:
    """What is in a folder, by name, and whether that is all.

    Args:
        folder: the folder.
        most: how many entries are answered.

    Raises:
        Unreadable: it is no folder, or cannot be read.
    """
    listed: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(listed) == most:
                    return sorted(listed, key=_name), False
                listed.append(entry)
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {_reason(error)}") from error
    return sorted(listed, key=_name), True


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _without_link(path: str, inside: str | os.PathLike[str] | None) -> str:
    """The regular file that a path leads to; opening anything else may have an effect."""
    status = os.lstat(path)
    real = path
    if stat.S_ISLNK(status.st_mode):
        status = os.stat(path)  # the system follows 40 links at most, realpath all of them
        real = os.path.realpath(path)
        if inside is not None and not _is_below(real, os.path.realpath(inside)):
            raise Unreadable("is a link that leads out of the folder")
    _check_regular(status)
    return real


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable(f"is {kind_of(status.st_mode)}, not a regular file")


def _read(handle: int, most: int) -> bytes:
    """So many bytes at most; an error where a file of the system would wait."""
    parts = []
    while most:
        part = os.read(handle, min(most, 1_000_000))
        if not part:
            break
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
