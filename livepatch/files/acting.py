"""Acts as another user for a while, where root works in that user's folder."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def acting_as_owner_of(folder: str | os.PathLike[str]) -> Iterator[None]:
    """As root, be the user whom a folder belongs to; as anybody else, change nothing.

    What is made is that user's then, and a link that the user has laid leads root no further than
    it would lead the user. The whole process acts so: for commands of ours, not for webuis.

    Args:
        folder: that user's folder.

    Raises:
        OSError: there is no such folder, or this user namespace does not know its owner.
    """
    if os.name != "posix" or os.geteuid() != 0:
        yield
        return
    status = os.stat(folder)
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(status.st_gid)
        os.seteuid(status.st_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
