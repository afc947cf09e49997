"""Makes files and folders that are the user's alone, whatever the umask.

Containers often run with umask 000: what is made with default modes there can be written by
everybody. A file is made under a name that nobody can foresee and moved to its place: it is whole
or not there, and a link that somebody has put there beforehand leads nowhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from .trusted import check_trusted

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def private_folder(path: str | os.PathLike[str], asked: str) -> Path:
    """A folder of the user's alone: made when missing, with all that is missing above it.

    Args:
        path: the folder.
        asked: what the user asked for, the first line of a refusal.

    Returns:
        The folder, with mode 0700.

    Raises:
        FileNotTrusted: it belongs to somebody else, or others can write it or a folder above it.
        OSError: it cannot be made, or something else is there.
    """
    folder = trusted_folder(path, asked)
    if os.name == "posix":
        status = folder.stat()
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077:
            folder.chmod(PRIVATE_FOLDER)
    return folder


def trusted_folder(path: str | os.PathLike[str], asked: str) -> Path:
    """A folder that nobody else can write: one that is there keeps its mode.

    Args:
        path: the folder. What is missing of it and above it is made, the user's alone.
        asked: what the user asked for, the first line of a refusal.

    Returns:
        The folder.

    Raises:
        FileNotTrusted: it belongs to somebody else, or others can write it or a folder above it.
        OSError: it cannot be made, or something else is there.
    """
    folder = Path(os.path.abspath(path))
    make_folder(folder)
    if not stat.S_ISDIR(check_trusted(folder, asked).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    return folder


def make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, each level with its mode: umask 000 is usual.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    for above in (folder, *folder.parents):
        if os.path.lexists(above):
            break
        missing.append(above)
    for level in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process makes the same
            os.mkdir(level, PRIVATE_FOLDER)
            if os.name == "posix":
                os.chmod(level, PRIVATE_FOLDER)  # umask may have taken bits of the user's own


def write_private(path: str | os.PathLike[str], content: bytes, mode: int = PRIVATE_FILE) -> None:
    """Write a whole file at once, in place of what is there.

    Args:
        path: the file; its folder has to be there.
        content: what will be in it.
        mode: its mode, exactly.

    Raises:
        OSError: it cannot be written; what was there stays as it was.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name[:100]}.{os.urandom(8).hex()}.{os.getpid()}")
    handle = _new(draft, 0)
    try:
        try:
            _fit_mode(handle, mode)
            write_whole(handle, content)
        finally:
            os.close(handle)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def append_private(path: str | os.PathLike[str]) -> int:
    """Make a new file for appending.

    Args:
        path: the file, which must not be there; its folder has to be.

    Returns:
        Its descriptor, which is the caller's to close.

    Raises:
        OSError: it cannot be made, or is there already.
    """
    handle = _new(Path(path), os.O_APPEND)
    _fit_mode(handle, PRIVATE_FILE)
    return handle


def write_whole(handle: int, content: bytes) -> None:
    """Write all of it: one call may take a part only, of a pipe or on a full disk.

    Raises:
        OSError: not all of it could be written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _new(path: Path, flags: int) -> int:
    flags |= os.O_CREAT | os.O_EXCL | os.O_WRONLY
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags | getattr(os, "O_BINARY", 0), PRIVATE_FILE)


def _fit_mode(handle: int, mode: int) -> None:
    if os.name == "posix":
        os.fchmod(handle, mode)
