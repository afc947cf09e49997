"""How long Stop takes, from the front end's request to the cell's answer.

Run it with ``python tests/benchmarks/kernel_interrupts.py``. The cells began to wait some time ago.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from kernel_support import Client, Webui

TIMES = 15
GOAL = 0.25

CELLS = {
    "a Python loop": "while True: pass",
    "time.sleep": "import time; time.sleep(600)",
    "queue.get": "import queue; queue.Queue().get()",
    "await": "import asyncio; await asyncio.sleep(600)",
    "Event.wait": "import threading; threading.Event().wait()",
    "socket.recv": "import socket; ours, theirs = socket.socketpair(); ours.recv(1)",
    "select": "import select, socket; o, t = socket.socketpair(); select.select([o], [], [])",
    "a subprocess": "import subprocess; subprocess.run(['sleep', '600'])",
}


def main() -> int:
    """Print the figures; 0 if the medians of the first four are within the goal."""
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    slow = 0
    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        webui = Webui(Path(folder), "--attach")
        client = Client(webui.connection_file)
        try:
            for number, (name, code) in enumerate(CELLS.items()):
                lasted = [stop(client, code) for _ in range(TIMES)]
                median = statistics.median(lasted)
                print(f"{name}: median {median * 1000:.0f} ms, at most {max(lasted) * 1000:.0f} ms")
                slow += number < 4 and median > GOAL
        finally:
            client.close()
            webui.close()
    return int(slow > 0)


def stop(client: Client, code: str) -> float:
    """Seconds from the interrupt to the end of the cell that runs this code."""
    sent = []

    def interrupt_later(printed: str) -> None:
        if "waiting" in printed:
            time.sleep(0.2)  # by now the cell waits
            sent.append(time.perf_counter())
            threading.Thread(target=client.interrupt).start()

    answer = client.run(f"print('waiting', flush=True)\n{code}", when_printed=interrupt_later)
    assert answer.error == "KeyboardInterrupt", answer
    return time.perf_counter() - sent[0]


if __name__ == "__main__":
    sys.exit(main())
