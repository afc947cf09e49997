"""Messages that nobody should send: malformed, of a wrong key, sent again, and too large."""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.session import Session

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS = ("shell", "control", "stdin")
LARGE = 4_000_000  # bytes of one message


@dataclass
class Storm:
    """What was sent, by kind, and what came back to those who sent it."""

    sent: dict[str, int] = field(default_factory=dict)
    answered: int = 0


def address(connection: dict[str, Any], channel: str) -> str:
    """Where a channel of a kernel listens."""
    between = "-" if connection["transport"] == "ipc" else ":"
    return "{transport}://{ip}".format(**connection) + f"{between}{connection[channel + '_port']}"


def storm(connection: dict[str, Any], marker: Path, messages: int, seed: int) -> Storm:
    """Send messages to a kernel over sockets of strangers.

    Args:
        connection: the content of the kernel's connection file.
        marker: a file that any order would make, if it were obeyed.
        messages: how many.
        seed: of the random choices.
    """
    chance, found = random.Random(seed), Storm()
    order = {"code": f"open({str(marker)!r}, 'w')", "silent": True, "allow_stdin": False}
    right = Session(key=connection["key"].encode())
    kinds = {
        "malformed": lambda: _malformed(chance, right, order),
        "wrong key": lambda: _signed(Session(key=chance.choice([b"wrong", b""])), order),
        "signed for another": lambda: _moved_signature(chance, right, order),
        "not a message": lambda: [chance.randbytes(chance.randrange(200))],
        "sent again": lambda: replayed,
        "large": lambda: [b"<IDS|MSG>", b"x" * 64, *[bytes(LARGE)] * 4],
    }
    weights = [30, 30, 20, 15, 4.5, 0.5]
    # The one order that the kernel obeys: every repetition of it has to be refused.
    counted = {**order, "code": "replayed = globals().get('replayed', 0) + 1"}
    replayed = _signed(right, counted)
    with zmq.Context() as context:
        sockets = []
        for channel in CHANNELS:
            socket = context.socket(zmq.DEALER)
            socket.linger = 0
            socket.sndhwm = 100
            _encrypt(socket, connection)
            socket.connect(address(connection, channel))
            sockets.append(socket)
        sockets[0].send_multipart(replayed)
        answer = sockets[0].recv_multipart()  # what was obeyed once was answered
        assert any(b'"ok"' in part for part in answer), answer
        for _ in range(messages):
            (kind,) = chance.choices(list(kinds), weights)
            # A replay is caught where it was first seen: each channel keeps its own account.
            socket = sockets[0] if kind == "sent again" else chance.choice(sockets)
            # Waits when the kernel is behind; nobody reads stdin's before a cell asks for input.
            waits = 0 if socket is not sockets[2] else zmq.NOBLOCK
            with contextlib.suppress(zmq.Again):
                socket.send_multipart(kinds[kind](), waits)
            found.sent[kind] = found.sent.get(kind, 0) + 1
        for socket in sockets:
            while socket.poll(500):
                socket.recv_multipart()
                found.answered += 1
            socket.close()
    return found


def _encrypt(socket: zmq.Socket[bytes], connection: dict[str, Any]) -> None:
    if "curve_publickey" in connection:
        socket.curve_serverkey = connection["curve_publickey"].encode()
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()


def _signed(session: Session, content: dict[str, Any]) -> list[bytes]:
    parts: list[bytes] = session.serialize(session.msg("execute_request", content))
    return parts


def _moved_signature(chance: random.Random, right: Session, order: dict[str, Any]) -> list[bytes]:
    """A good signature over other content."""
    parts = _signed(right, {**order, "code": "pass"})
    parts[-1] = json.dumps({**order, "n": chance.random()}).encode()
    return parts


def _malformed(chance: random.Random, right: Session, order: dict[str, Any]) -> list[bytes]:
    """A message of the right key with something wrong in it, or of which something is missing."""
    parts = _signed(right, order)
    how = chance.randrange(6)
    if how == 0:
        return parts[: chance.randrange(1, len(parts))]
    if how == 1:
        parts[1] = parts[1][: chance.randrange(len(parts[1]))]
        return parts
    if how == 2:
        parts.remove(b"<IDS|MSG>")
        return parts
    # Of the right key, but no message: what a broken client could send.
    frames = [
        chance.choice([b"", b"null", b"[]", b"{}", b"[" * 5000, b'"\xff"', b'{"msg_type": 5}'])
        for _ in range(4)
    ]
    if how == 3:
        frames[0] = json.dumps({"msg_type": chance.choice(["no such request", 7, None])}).encode()
    return [b"<IDS|MSG>", right.sign(frames), *frames]
