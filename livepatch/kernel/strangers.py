# mypy: disable-error-code="attr-defined,misc,no-untyped-call,override,union-attr,unused-ignore"
# jupyter_client is typed in part, and in each version differently.
"""Messages that are not signed with the kernel's key: they get nothing, and one line in the log.

ipykernel logs a traceback for each, so whoever reaches a socket could fill the webui's log.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from jupyter_client.jsonutil import json_clean, json_default
from jupyter_client.session import Session, json_packer

from .context import inside

QUIET = 60.0  # seconds between two lines
_REFUSED = ("Invalid Message", "Invalid message", "Invalid Control Message")

log = logging.getLogger("livepatch.kernel")


def pack(content: Any) -> bytes:
    """The JSON of a message's part; surrogates without a partner, which no UTF-8 has, are escaped.

    By the standard library: orjson, which jupyter_client prefers, ends the process by a
    segmentation fault where there is no memory for its answer (3.13).
    """
    try:
        packed: bytes = json_packer(content)
    except UnicodeEncodeError:
        return json.dumps(json_clean(content), default=json_default, allow_nan=False).encode()
    return packed


class SignedSession(Session):
    """Reads messages; one that is no message at all is refused as one with a wrong key is."""

    def __init__(self, **options: Any) -> None:
        # What is sent without a copy makes pyzmq start a thread and a context of its own for the
        # rest of the process, and libzmq aborts the process where those find no room.
        options |= {"packer": "json", "unpacker": "json", "copy_threshold": sys.maxsize}
        super().__init__(**options)
        self.pack = pack

    def feed_identities(self, msg_list: Any, copy: bool = True) -> tuple[list[Any], list[Any]]:
        """Split a message from its routing prefix; an empty message where there is no such split.

        An exception here would come out of the event loop, as a traceback of its own.
        """
        try:
            idents, parts = super().feed_identities(msg_list, copy)
        except ValueError:
            return [], []
        return list(idents), list(parts)


class OneLine(logging.Filter):
    """Replaces ipykernel's traceback for each refused message by one line in a minute at most."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: float | None = None
        self._unsaid = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything else through."""
        if record.exc_info is None or record.msg not in _REFUSED:
            return True
        self._unsaid += 1
        now = time.monotonic()
        if self._said_at is None or now - self._said_at >= QUIET:
            count, self._unsaid, self._said_at = self._unsaid, 0, now
            with inside(
                None
            ):  # it is the webui's log that it belongs into, not a notebook's output
                log.warning(
                    "livepatch: refused %s not signed with this kernel's key",
                    "a message" if count == 1 else f"{count} messages",
                )
        return False
