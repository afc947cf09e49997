"""Marks a file as open in its process; the mark goes when the process ends, however it ends.

For where no pid can be asked: a process in another container writes into a folder of both.
Windows locks a part of a file against reading, so there it is left alone.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from livepatch.errors import FileNotTrusted

from .trusted import open_trusted

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment,unused-ignore]


def hold(handle: int) -> bool:
    """Mark an open file; the mark goes when every copy of the descriptor is closed.

    Args:
        handle: its descriptor.

    Returns:
        Whether it could be marked: not every network drive can.
    """
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def is_held(path: Path, asked: str) -> bool | None:
    """Whether some process holds a file that was marked with ``hold``.

    Args:
        path: the file.
        asked: what the user asked for, the first line of a refusal.

    Returns:
        None where it cannot be told.
    """
    if fcntl is None:
        return None
    try:
        with open_trusted(path, asked) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, FileNotTrusted):
        return None
    return False
