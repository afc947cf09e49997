"""The asker's side of the conversation with the thread that ``livepatch attach PID`` injects.

It is held over a UNIX socket in the user's runtime folder, which nobody else can enter, or over
loopback where there are none; who connects has to be that process, and has to know the key of this
attach. Others are never waited for: there may be a crowd of them at a port of loopback.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import socket
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.errors import AttachFailed
from livepatch.processes.process import is_alive, start_time, user

from . import handshake
from .folder import SHORT_FOLDER_PREFIX, fits_a_socket
from .handshake import Channel, check_peer, number_of_hello
from .leftovers import ASK_PREFIX, remove_entry
from .ways_in import BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG = 128  # the longer the queue, the longer a crowd stands before who is awaited
MOST_STRANGERS = 128  # connections that have said nothing yet
STRANGERS_PATIENCE = 2.0  # seconds


class Door:
    """Where the injected thread connects, and nobody else gets in.

    Args:
        folder: the runtime folder; None for a port of loopback.
        key: of this attach.
        users: whose process it may be.
        pid: its id.
    """

    def __init__(self, folder: Path | None, key: bytes, users: set[int], pid: int) -> None:
        self._key, self._users, self._pid = key, users, pid
        self._selector = selectors.DefaultSelector()
        self._strangers: dict[socket.socket, tuple[float, bytes]] = {}  # until when, what was said
        self._awaited: set[socket.socket] = set()  # of them
        self._entry: Path | None = None
        self.where: list[Any]
        if folder is None:
            self._listener = _on_loopback()
            self.where = ["tcp", self._listener.getsockname()[1]]
        else:
            self._listener, self._entry, path = _in_folder(folder)
            self.where = ["unix", str(path)]
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def close(self) -> None:
        """Close it; nothing of it stays."""
        self._selector.close()
        for connection in (self._listener, *self._strangers):
            connection.close()
        if self._entry is not None:
            remove_entry(self._entry)

    def next_guest(self, timeout: float) -> Channel | None:
        """Who has proved to know the key, None when nobody has within that time (in seconds)."""
        deadline = time.monotonic() + timeout
        left = timeout
        while True:
            for key, _ in self._selector.select(max(left, 0.0)):
                guest = self._next_at(key.fileobj)
                if guest is not None:
                    return guest
            now = time.monotonic()
            while (
                self._strangers and self._strangers[oldest := next(iter(self._strangers))][0] < now
            ):
                self._send_away(oldest)
            left = deadline - now
            if left <= 0:
                return None

    def _next_at(self, ready: object) -> Channel | None:
        if ready is self._listener:
            return self._let_strangers_in()
        if isinstance(ready, socket.socket) and ready in self._strangers:
            return self._hear_out(ready)
        return None  # sent away meanwhile

    def _let_strangers_in(self) -> Channel | None:
        for _ in range(MOST_STRANGERS):
            try:
                connection, _address = self._listener.accept()
            except OSError:  # nobody is left there, or too many files are open: try again
                return None
            try:
                connection.setblocking(False)
                check_peer(connection, self._users, self._pid)
            except OSError:
                connection.close()
                continue
            if len(self._strangers) >= MOST_STRANGERS:
                self._send_away(next(iter(self._strangers)))
            self._strangers[connection] = (time.monotonic() + STRANGERS_PATIENCE, b"")
            guest = self._hear_out(connection)
            if guest is not None:
                return guest
        return None

    def _hear_out(self, connection: socket.socket) -> Channel | None:
        """Hear what a stranger has said by now; whose line is not the hello is sent away."""
        until, said = self._strangers[connection]
        try:
            received = connection.recv(handshake.LONGEST_HELLO)
        except BlockingIOError:
            self._wait_for(connection)
            return None
        except OSError:
            received = b""
        said += received
        line, end, more = said.partition(b"\n")
        if received and not end and len(said) <= handshake.LONGEST_HELLO:
            self._strangers[connection] = (until, said)
            self._wait_for(connection)
            return None
        is_whole = bool(end) and not more
        number = number_of_hello(self._key, line) if is_whole else None
        if number is None:
            self._send_away(connection)
            return None
        self._let_go(connection)
        channel = Channel(connection, handshake.ASKER)
        try:
            channel.prove_second(self._key, number)
        except OSError:
            connection.close()
            return None
        return channel

    def _wait_for(self, connection: socket.socket) -> None:
        if connection not in self._awaited:
            self._awaited.add(connection)
            self._selector.register(connection, selectors.EVENT_READ)

    def _let_go(self, connection: socket.socket) -> None:
        del self._strangers[connection]
        if connection in self._awaited:
            self._awaited.remove(connection)
            self._selector.unregister(connection)

    def _send_away(self, connection: socket.socket) -> None:
        self._let_go(connection)
        connection.close()


class Conversation:
    """What the thread in the process and we say to each other.

    Args:
        pid: the process.
        asked: what the user asked for, the first line of a refusal.
        folder: the runtime folder; None for a conversation over loopback.
        patience: how long to wait for a message, in seconds.
    """

    def __init__(self, pid: int, asked: str, folder: Path | None, patience: float) -> None:
        self._pid, self._asked, self._patience = pid, asked, patience
        self._key = secrets.token_bytes(32)
        self._channel: Channel | None = None
        theirs = user(pid)  # None where the system does not tell: then it is ours, or out of reach
        users = {theirs if theirs is not None else os.geteuid()} if os.name == "posix" else set()
        try:
            self._door = Door(folder, self._key, users, pid)
        except OSError as error:
            raise AttachFailed(
                asked,
                f"no socket can be made in {folder or 'loopback'}: {error}",
                "name another folder, with a short path: LIVEPATCH_RUNTIME_DIR=~/.livepatch",
            ) from error

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()
        if self._channel is not None:
            with contextlib.suppress(OSError):  # the process may have ended
                self._channel.close()

    def line(self, distributions: list[str], script: Path | None = None) -> str:
        """The one line that is injected; it runs in ``__main__`` and leaves no name there.

        Args:
            distributions: those whose versions we want to know.
            script: the file in which it comes, which it removes.
        """
        on_linux = sys.platform.startswith("linux")
        order = {
            "where": self._door.where,
            "key": self._key.hex(),
            "asker": [os.getpid(), start_time(os.getpid()) if on_linux else None],
            "distributions": distributions,
            "script": None if script is None else str(script),
        }
        text = "".join(
            f"exec({(files(__package__) / name).read_text(encoding='utf-8')!r})\n"
            for name in ("handshake.py", "injected.py")
        )
        text += f"start({order!r}, call)\n"
        names = {"__name__": "livepatch_injected"}
        return f'__import__("_thread").start_new_thread(exec, ({text!a}, {names!r}))'

    def wait_for_the_process(self, still_under_way: Callable[[], bool]) -> dict[str, Any]:
        """Wait until the thread there has said what it found.

        Args:
            still_under_way: whether the line may still come to run; raises what went wrong.

        Returns:
            What it says.
        """
        deadline = time.monotonic() + self._patience
        while True:
            channel = self._door.next_guest(0.05)
            if channel is not None:
                channel.patience = self._patience
                try:
                    facts = channel.hear()
                except OSError:
                    channel.close()
                else:
                    self._channel = channel
                    return facts
            if not is_alive(self._pid):
                raise AttachFailed(self._asked, "it ended meanwhile", "start it again")
            if not still_under_way() or time.monotonic() > deadline:
                raise AttachFailed(
                    self._asked,
                    f"it gave no answer within {self._patience:.0f} s: its main thread is stopped, "
                    "or waits in a call that does not return to Python",
                    f"use it briefly (click in its page) and try again, or {BEFORE}",
                )

    def ask(self, question: dict[str, Any], patience: float | None = None) -> dict[str, Any]:
        """Tell it something, and hear what it says to that.

        Args:
            question: a message.
            patience: how long the answer may take, in seconds.

        Raises:
            AttachFailed: it gives no answer, or one that is not its own.
        """
        assert self._channel is not None
        self._channel.patience = patience = self._patience if patience is None else patience
        try:
            self._channel.say(question)
            return self._channel.hear()
        except OSError as error:
            ended = not is_alive(self._pid)
            raise AttachFailed(
                self._asked,
                "it ended meanwhile"
                if ended
                else f"no kernel started within {patience:.0f} s, and livepatch gave up",
                "start it again" if ended else "try again: modules loaded so far stay loaded",
            ) from error

    def end(self) -> None:
        """Say that we have heard it: what it did stays."""
        assert self._channel is not None
        with contextlib.suppress(OSError):
            self._channel.say({"stays": True})


def _on_loopback() -> socket.socket:
    listener = socket.socket(socket.AF_INET)
    try:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:  # else, on Windows, another user may bind the same port
            listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _in_folder(folder: Path) -> tuple[socket.socket, Path, Path]:
    """A socket in a folder: it, its entry there, and its path.

    Where the path is too long for a socket, the entry is a link to one in a new short folder.
    """
    entry = path = folder / f"{ASK_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    listener = socket.socket(socket.AF_UNIX)
    try:
        if not fits_a_socket(path):
            path = Path(tempfile.mkdtemp(prefix=SHORT_FOLDER_PREFIX)) / "s"
            entry.symlink_to(path)
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        remove_entry(entry)
        raise
    return listener, entry, path
