# mypy: disable-error-code="attr-defined,misc,no-untyped-call,no-untyped-def,override,unused-ignore"
# ipykernel and pyzmq are typed in part, and in each version differently.
"""The kernel's channels, such that one message which fails does not make the kernel deaf.

A message that fits into no memory raises in the thread of its channel. ZMQStream would then never
look at its socket again: the descriptor of a ZeroMQ socket tells of news only, not of what lies
there already.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zmq
from ipykernel import kernelapp, socket_pair
from ipykernel.heartbeat import Heartbeat
from ipykernel.iostream import IOPubThread, OutStream
from zmq.eventloop.zmqstream import ZMQStream

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("livepatch.kernel")

PIECE = 2**18  # characters in one message
WAITING = 2**20  # characters that wait to be sent until a cell waits for them
LOOK_AGAIN = 0.05  # seconds


class SturdyStream(ZMQStream):
    """Looks at its socket again after a message that failed."""

    def _handle_events(self, fd: Any, events: int) -> None:
        try:
            super()._handle_events(fd, events)
        except Exception:  # said by ZMQStream, in the log
            self.io_loop.call_later(LOOK_AGAIN, self._rebuild_io_state)


@contextmanager
def sturdy_streams() -> Iterator[None]:
    """Let ipykernel make :class:`SturdyStream` during the block."""
    modules = (kernelapp, socket_pair)
    try:
        for module in modules:
            module.ZMQStream = SturdyStream
        yield
    finally:
        for module in modules:
            module.ZMQStream = ZMQStream


class SturdyIOPubThread(IOPubThread):
    """Sends what is to be sent, and goes on with the next when one fails."""

    def send_multipart(self, msg: Any, *args: Any, **options: Any) -> None:
        """Schedule a message; its memory is taken here, so that its sender gets the error.

        It could fail between two of its parts else, and the next would be taken for the rest of it.
        """
        frames = [p if isinstance(p, zmq.Frame) else zmq.Frame(p, copy=True) for p in msg]
        super().send_multipart(frames, *args, **options)

    def _handle_event(self, msg: Any) -> None:  # noqa: ARG002 - ipykernel's signature
        for _ in range(len(self._events)):
            self._spared(self._events.popleft())

    def _handle_subscription(self, frames: Any) -> None:
        handle = super()._handle_subscription
        self._spared(lambda: handle(frames))

    def _spared(self, event: Any) -> None:
        try:
            event()
        except Exception as error:
            log.warning(
                "livepatch: output for a notebook was lost: %s: %s", type(error).__name__, error
            )


class SurveyedHeartbeat(Heartbeat):
    """Says when it listens, or why it does not."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.listening = threading.Event()
        self.failure: Exception | None = None

    def _bind_socket(self) -> None:
        super()._bind_socket()
        self.listening.set()

    def run(self) -> None:
        """Echo what comes until the context is terminated."""
        try:
            super().run()
        except Exception as error:
            self.failure = error
        finally:
            self.listening.set()


class CellStream(OutStream):
    """What cells print, in pieces, and never far ahead of what is sent.

    The memory that a print needs besides its own text is that of a few pieces, however long it is.
    Where not even that is left the cell gets the error, not the thread of the channel.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting = 0
        self._failure: Exception | None = None

    def write(self, string: str) -> int | None:
        """Hand text over to be sent.

        Raises:
            MemoryError: there was no memory to send it.
        """
        if not isinstance(string, str) or len(string) <= PIECE:
            return self._write_piece(string)
        for start in range(0, len(string), PIECE):
            self._write_piece(string[start : start + PIECE])
        return len(string)

    def _write_piece(self, piece: str) -> int | None:
        written: int | None = super().write(piece)
        self._waiting += len(piece)
        if self._waiting > WAITING:
            super().flush()
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure.with_traceback(None)
        return written

    def flush(self) -> None:
        """Send what was written; what failed before is said in its place."""
        super().flush()
        failure, self._failure = self._failure, None
        if failure is not None:
            said = f"{type(failure).__name__}: {failure}".strip(": ")
            super().write(f"\nlivepatch: output was lost here ({said})\n")
            super().flush()

    def _flush(self) -> None:
        self._waiting = 0
        try:
            super()._flush()
        except Exception as error:
            self._failure = error
