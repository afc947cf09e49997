"""How the two ends of ``livepatch attach PID`` prove who they are, and exchange messages.

Its text runs on both ends: here, and in the webui before livepatch is there. So it needs the
standard library only, and nothing in it may depend on being imported.

A key was made for this attach. It is in the injected text and in the asker's memory, and never
travels. The process says first that it knows the key, the asker answers that it does, each with a
number that the other has not seen before; from then on every message is signed for this
conversation, its direction and its place in the order. What is not signed so ends the conversation.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import struct
import sys
import time
from typing import Any

PATIENCE = 20.0  # seconds that one line may take to come
LONGEST_HELLO, LONGEST_MESSAGE = 200, 1_000_000  # bytes
# A crowd at the asker's port may push us out; the system itself tries again after a second only.
TRIES, BETWEEN_TRIES, PATIENCE_WITH_A_CROWD = 100, 0.05, 0.1

ASKER, PROCESS = b"asker", b"process"


class Distrusted(ConnectionError):
    """The other end is not who it must be, or has ended, or what came is not what it said."""


def sign(key: bytes, *parts: bytes) -> bytes:
    """What only who knows the key can write below these parts.

    Args:
        key: the key.
        parts: what is signed; each counts with its length, so that no two ways to cut one text
            have the same signature.

    Returns:
        64 hexadecimal digits.
    """
    text = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return hmac.new(key, text, "sha256").hexdigest().encode()


def is_signed(signature: bytes, key: bytes, *parts: bytes) -> bool:
    """Whether that is the signature below these parts."""
    return hmac.compare_digest(signature, sign(key, *parts))


def new_number() -> bytes:
    """A number that nobody has seen before, as hexadecimal digits."""
    return os.urandom(16).hex().encode()


def hello(key: bytes, number: bytes) -> bytes:
    """The first line, the process's: it knows the key."""
    return number + b" " + sign(key, b"hello", number)


def number_of_hello(key: bytes, line: bytes) -> bytes | None:
    """The process's number, None for the line of a stranger."""
    number, _, signature = line.partition(b" ")
    return number if is_signed(signature, key, b"hello", number) else None


class Channel:
    """A conversation by lines over a connected socket.

    Args:
        connection: the socket; closed with the channel.
        me: ``ASKER`` or ``PROCESS``.
    """

    def __init__(self, connection: socket.socket, me: bytes) -> None:
        self._connection, self._me = connection, me
        self._other = PROCESS if me == ASKER else ASKER
        self._rest = b""
        self._keys: dict[bytes, bytes] = {}
        self._said = self._heard = 0
        self.patience = PATIENCE

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation."""
        self._connection.close()

    def prove_first(self, key: bytes) -> None:
        """The process's side of the proof: nothing is told before the asker has proved itself."""
        mine = new_number()
        self._send(hello(key, mine))
        theirs, _, signature = self._line(LONGEST_HELLO).partition(b" ")
        if not is_signed(signature, key, ASKER, mine, theirs):
            raise Distrusted("the listener does not know the key")
        self._agree(key, mine, theirs)

    def prove_second(self, key: bytes, theirs: bytes) -> None:
        """The asker's side of the proof, to who has said hello with that number."""
        mine = new_number()
        self._send(mine + b" " + sign(key, ASKER, theirs, mine))
        self._agree(key, theirs, mine)

    def say(self, content: dict[str, Any]) -> None:
        """Send a message."""
        body = json.dumps(content).encode()
        signature = sign(self._keys[self._me], b"%d" % self._said, body)
        self._said += 1
        self._send(signature + b" " + body)

    def hear(self) -> dict[str, Any]:
        """The next message.

        Raises:
            Distrusted: it is not the other end's next one, or there will be none.
            OSError: the connection broke, or nothing came in time.
        """
        signature, _, body = self._line(LONGEST_MESSAGE).partition(b" ")
        if not is_signed(signature, self._keys[self._other], b"%d" % self._heard, body):
            raise Distrusted("a message has the wrong signature for this conversation")
        self._heard += 1
        content = json.loads(body)
        assert isinstance(content, dict)
        return content

    def _agree(self, key: bytes, *numbers: bytes) -> None:
        for who in (ASKER, PROCESS):
            self._keys[who] = sign(key, b"messages of", who, *numbers)

    def _send(self, line: bytes) -> None:
        self._connection.settimeout(self.patience)
        self._connection.sendall(line + b"\n")

    def _line(self, longest: int) -> bytes:
        deadline = time.monotonic() + self.patience
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            received = self._connection.recv(65536)
            self._rest += received
            if not received or len(self._rest) > longest:
                raise Distrusted("a line is incomplete or too long")
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def peer(connection: socket.socket) -> tuple[int | None, int | None]:
    """Who is at the other end: user and process id, None where the system does not tell."""
    if connection.family != getattr(socket, "AF_UNIX", None):
        return None, None
    if sys.platform == "darwin":
        # LOCAL_PEERCRED of SOL_LOCAL: struct xucred, which begins with its version and the user.
        return int(struct.unpack_from("=II", connection.getsockopt(0, 1, 76))[1]), None
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None, None
    pid, user, _ = struct.unpack("=iII", connection.getsockopt(socket.SOL_SOCKET, option, 12))
    return user, pid


def check_peer(connection: socket.socket, users: set[int], pid: int) -> None:
    """Refuse who is another process than it must be.

    Args:
        connection: a connected socket.
        users: whose process it may be.
        pid: its id.

    Raises:
        Distrusted: the system tells that it is another's.
    """
    user, number = peer(connection)
    if user is not None and user not in users:
        raise Distrusted(f"the other end is a process of user {user}")
    if number is not None and number != pid:
        raise Distrusted(f"the other end is process {number}")


def call(where: list[Any], key: bytes, asker: list[Any]) -> Channel:
    """Connect to the asker; what the injected thread does first.

    Args:
        where: ``["unix", path]``, or ``["tcp", port]`` of loopback.
        key: the key of this attach.
        asker: its pid, and its start time as ``/proc`` tells it (None where there is none).

    Returns:
        The channel, both ends of which have proved that they know the key.

    Raises:
        Distrusted: the asker has ended, or somebody else is in its place.
        OSError: nobody listens there.
    """
    deadline = time.monotonic() + PATIENCE
    for _ in range(TRIES - 1):
        if not runs(*asker):
            raise Distrusted("the asking process has ended")
        try:
            return _call_once(where, key, asker)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(BETWEEN_TRIES)
    return _call_once(where, key, asker)


def _call_once(where: list[Any], key: bytes, asker: list[Any]) -> Channel:
    kind, address = where
    if kind == "unix":
        connection = socket.socket(socket.AF_UNIX)
    else:
        connection, address = socket.socket(socket.AF_INET), ("127.0.0.1", address)
    channel = Channel(connection, PROCESS)
    try:
        connection.settimeout(PATIENCE_WITH_A_CROWD)
        connection.connect(address)
        if kind == "unix":
            check_peer(connection, {os.geteuid(), 0}, asker[0])
        channel.prove_first(key)
    except BaseException:
        connection.close()
        raise
    return channel


def runs(pid: int, started: str | None) -> bool:
    """Whether that process still runs, as far as ``/proc`` tells: True where there is none."""
    if started is None:
        return True
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        # Where /proc is mounted with hidepid, who cannot be inspected does not show.
        return not os.path.exists("/proc/1")
    return fields[19] == started and fields[0] not in ("Z", "X")
