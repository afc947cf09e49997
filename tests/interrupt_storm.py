"""Random interrupts over many cells, and what must not come of them."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel_support import Client, Webui

# What the cells do: for ever, or for some milliseconds, in Python or waiting.
ENDLESS = (
    "while True: pass",
    "import time; time.sleep(600)",
    "import queue; queue.Queue().get()",
    "import asyncio; await asyncio.sleep(600)",
    "import threading; threading.Event().wait()",
    "import socket; ours, theirs = socket.socketpair(); ours.recv(1)",
    "from concurrent.futures import Future; Future().result()",
    "import subprocess; subprocess.run(['sleep', '600'])",
    "for i in range(10 ** 9): print(i, end=' ')",
    "async def busy():\n    while True: pass\nawait busy()",
)
SHORT = (
    "sum(range(20_000))",
    "print('printed')",
    "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "import time; time.sleep(0.02)",
    "1 / 0",
)


@dataclass
class Storm:
    """What a storm did.

    Attributes:
        interrupts: how many were sent.
        endings: how many cells ended with each error; "ok" is none.
        served: requests that the webui answered meanwhile.
        failed: requests that failed.
    """

    interrupts: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    served: int = 0
    failed: list[str] = field(default_factory=list)


def storm(
    webui: Webui, runs: Client, stops: Client, *, cells: int, interrupts: int, seed: int
) -> Storm:
    """Run cells and interrupt them at random moments, while the webui is asked all the time.

    Args:
        webui: the process that has the kernel.
        runs: the front end that runs the cells.
        stops: the front end that interrupts.
        cells: how many cells.
        interrupts: how many at least; every endless cell gets as many as it takes.
        seed: of the random choices.
    """
    chance, found, done = random.Random(seed), Storm(), threading.Event()
    asking = threading.Thread(target=_ask_all_the_time, args=(webui, found, done))
    asking.start()
    try:
        for number in range(cells):
            left = max(1, -(-(interrupts - found.interrupts) // (cells - number)))
            code = chance.choice(ENDLESS if chance.random() < 0.7 else SHORT)
            ended = threading.Event()
            pauses = random.Random(chance.random())
            stopper = threading.Thread(target=_stop_again, args=(stops, found, left, pauses, ended))
            stopper.start()
            try:
                answer = runs.run(code, stop_on_error=False)
            finally:
                ended.set()
                stopper.join()
            # An interrupt that comes while IPython shows the one before leaves no error message.
            ending = answer.error or answer.status
            found.endings[ending] = found.endings.get(ending, 0) + 1
    finally:
        done.set()
        asking.join()
    return found


def _stop_again(
    stops: Client, found: Storm, at_least: int, pauses: random.Random, ended: threading.Event
) -> None:
    """Interrupt until the cell has ended, and so often at least."""
    sent = 0
    while not ended.is_set() or sent < at_least:
        stops.interrupt()
        sent += 1
        ended.wait(pauses.random() * 0.05)
    found.interrupts += sent


def _ask_all_the_time(webui: Webui, found: Storm, done: threading.Event) -> None:
    while not done.is_set():
        try:
            assert webui.get("/hello") == {"hello": "world"}
            found.served += 1
        except Exception as error:  # counted: the storm goes on
            found.failed.append(repr(error))
