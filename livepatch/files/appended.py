"""A file of ours that is only appended to, a whole line at a time."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from .locks import hold
from .private import append_private, write_whole

if TYPE_CHECKING:
    from pathlib import Path


class AppendedFile:
    """A new file of the user's alone, with one writer.

    Args:
        path: the file, which must not be there; its folder has to be.

    Attributes:
        size: how many bytes of it are whole lines.
        is_held: whether others can tell by it that this process lives: see ``locks``.

    Raises:
        OSError: it cannot be made, or is there already.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._handle = append_private(path)
        self._is_torn = False
        self.is_held = hold(self._handle)

    def put(self, line: bytes) -> None:
        """Append a line, or nothing.

        Args:
            line: the line, with its end.

        Raises:
            OSError: it could not be written, most likely because the disk is full.
        """
        data = b"\n" + line if self._is_torn else line
        try:
            write_whole(self._handle, data)
        except OSError:
            # What was written of the line goes again, or the next would begin in its middle.
            try:
                os.ftruncate(self._handle, self.size)
            except OSError:
                self._is_torn = True
            raise
        self.size += len(data)
        self._is_torn = False

    def touch(self) -> None:
        """Set the file's time to now.

        Raises:
            OSError: the system does not let it.
        """
        os.utime(self._handle if os.utime in os.supports_fd else self.path)

    def is_removed(self) -> bool:
        """Whether its name is gone: what is written is for nobody."""
        # Some network drives count no links at all.
        return os.fstat(self._handle).st_nlink == 0 and not os.path.lexists(self.path)

    def close(self) -> None:
        """Close it; what was put is with the system already."""
        with contextlib.suppress(OSError):
            os.close(self._handle)
