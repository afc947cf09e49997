"""Names the kinds of files in words for people."""

from __future__ import annotations

import stat

_KINDS = {
    stat.S_IFREG: "a regular file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


def kind_of(mode: int) -> str:
    """The kind of a file with an article: ``a named pipe``.

    Args:
        mode: ``st_mode`` of its status.

    Example:
        >>> kind_of(stat.S_IFIFO | 0o600)
        'a named pipe'
    """
    return _KINDS.get(stat.S_IFMT(mode), "no regular file")
