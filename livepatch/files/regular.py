"""Reads a file of anybody's as data: a regular one of bounded size, and nothing that waits."""

from __future__ import annotations

import errno
import os
import stat

LONGEST = 64_000_000  # bytes that are read from one file


def read_regular(path: str | os.PathLike[str], longest: int = LONGEST) -> bytes:
    """Read a regular file; links are followed.

    Args:
        path: the file.
        longest: how many bytes it may have.

    Returns:
        All of it.

    Raises:
        OSError: it is a pipe, a device or the like, is too long, or cannot be read.
    """
    _check(path, os.stat(path))
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        _check(path, os.fstat(handle))
        content = file.read(longest + 1)
    if len(content) > longest:
        raise OSError(errno.EFBIG, f"longer than {longest:,} bytes", os.fspath(path))
    return content


def _check(path: str | os.PathLike[str], status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
