"""40,000 messages that nobody should send: ``python tests/soak/messages.py [N]``."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from message_storm import storm
from reach_support import RunningWebui, place

PER_SECOND = 50


def main() -> int:
    """Print what was sent and what became of it, over ipc and over tcp; 0 if nothing was harmed."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    harmed = 0
    for transport in ("ipc", "tcp"):
        with place() as here:
            webui = here.start(LIVEPATCH_TRANSPORT=transport)
            (record,) = here.runtime.glob("*.json")
            marker, before, began = here.folder / "obeyed", _resident(webui.pid), time.monotonic()
            with _Load(webui) as load:
                found = storm(json.loads(record.read_text()), marker, messages, seed=1)
            grown = _resident(webui.pid) - before
            replayed = here.livepatch("exec", "-c", "replayed").stdout.strip()
            harmed += marker.exists() or replayed != "1" or bool(load.failed)
            print(
                f"{transport}: {found.sent} in {time.monotonic() - began:.0f} s; obeyed: "
                f"{int(marker.exists())}, replays obeyed: {int(replayed or 0) - 1}, memory grown "
                f"by {grown / 1e6:.0f} MB, requests beside it: {load.served} served, "
                f"{len(load.failed)} failed; the kernel answers: {replayed == '1'}",
                flush=True,
            )
    return int(harmed > 0)


class _Load:
    """Requests to a webui at a steady rate."""

    def __init__(self, webui: RunningWebui) -> None:
        self.served, self.failed = 0, []
        self._webui, self._done = webui, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._done.wait(1 / PER_SECOND):
            try:
                assert self._webui.get() == "hello"
                self.served += 1
            except Exception as error:  # counted: the load goes on
                self.failed.append(repr(error))


def _resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/statm").read_text()
    return int(text.split()[1]) * 4096


if __name__ == "__main__":
    sys.exit(main())
