"""Lets clients in only while there are descriptors for them.

libzmq ends the process when a client connects and none is left (ipc_listener.cpp asserts). While
few are left, the sockets have other names, where nobody looks; who is connected stays so.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from .limits import SHORT, descriptors_left

CLOSED = 40  # what is added to a socket's number while the door is closed
OPEN_AGAIN = SHORT + 8  # descriptors
LOOK_EVERY = 0.25  # seconds


def closed_name(path: str) -> str:
    """The name of a socket while the door is closed.

    Args:
        path: its name otherwise, which ends with its number.

    Example:
        >>> closed_name("/run/webui-1")
        '/run/webui-41'
    """
    stem, _, number = path.rpartition("-")
    return f"{stem}-{int(number) + CLOSED}"


class Door:
    """Watches what is left, in a thread of its own.

    Args:
        sockets: the files of the channels' sockets.
    """

    def __init__(self, sockets: list[str]) -> None:
        self._names = [(path, closed_name(path)) for path in sockets]
        self._open = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="livepatch-door", daemon=True)
        self._pid = os.getpid()
        if sockets:
            self._thread.start()

    def end(self) -> None:
        """Watch no more, and remove what is closed; a second time does nothing."""
        if self._pid != os.getpid():
            return  # a forked child: the sockets are its parent's
        self._ended.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()
        for _, closed in self._names:
            Path(closed).unlink(missing_ok=True)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            left = descriptors_left(OPEN_AGAIN)
            if self._open and left < SHORT:
                self._open = False
            elif not self._open and left >= OPEN_AGAIN:
                self._open = True
            else:
                continue
            for path, closed in self._names:
                with contextlib.suppress(OSError):
                    os.rename(*((closed, path) if self._open else (path, closed)))
