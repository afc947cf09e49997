"""From cell to effect: how long a ``%%replace`` takes to be seen over HTTP, beside a restart.

Run it with ``python tests/benchmarks/cell_to_effect.py``; it starts the demo webui itself, several
times: a restart is the time from the start of the process to its first answer.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from urllib.parse import urlsplit

from livepatch.reach.demo import demo_webui
from livepatch.reach.webuis import client_of

REPLACEMENTS = 30
RESTARTS = 3

CELL = """\
%%replace livepatch.demo.api.api_health
def api_health():
    return {{"status": "{mark}"}}
"""


def main() -> None:
    """Measure both sides and print the ratio first."""
    restarts = []
    for _ in range(RESTARTS):
        began = time.perf_counter()
        with demo_webui():
            restarts.append(time.perf_counter() - began)
    with demo_webui() as (webui, address):
        effects = measure_effects(webui, address)
    restart, effect = statistics.median(restarts), statistics.median(effects)
    print(f"a restart takes {restart / effect:.0f} times as long as from a cell to its effect")
    print(f"  restart: median {restart * 1000:.0f} ms of {len(restarts)}")
    print(
        f"  cell to effect: median {effect * 1000:.1f} ms of {len(effects)}, "
        f"from {min(effects) * 1000:.1f} to {max(effects) * 1000:.1f} ms"
    )


def measure_effects(webui, address: str) -> list[float]:
    """Seconds from each execute_request to the first changed answer, the kernel being warm."""
    client = client_of(webui)
    client.start_channels()
    client.wait_for_ready(timeout=30)
    client.execute_interactive("%load_ext livepatch", timeout=30)
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    try:
        client.execute_interactive(CELL.format(mark="warm"), timeout=30, output_hook=print_errors)
        return [_effect(client, connection, f"mark {n}") for n in range(REPLACEMENTS)]
    finally:
        connection.close()
        client.stop_channels()


def print_errors(message: dict) -> None:
    """Show what a cell complains of."""
    if message["msg_type"] == "error":
        print("\n".join(message["content"]["traceback"]))


def _effect(client, connection: http.client.HTTPConnection, mark: str) -> float:
    began = time.perf_counter()
    request = client.execute(CELL.format(mark=mark))
    deadline = began + 10
    while time.perf_counter() < deadline:
        connection.request("GET", "/api/health")
        if json.load(connection.getresponse())["status"] == mark:
            seconds = time.perf_counter() - began
            while client.get_shell_msg(timeout=10)["parent_header"]["msg_id"] != request:
                pass
            return seconds
    raise TimeoutError(f"no answer showed {mark!r}")


if __name__ == "__main__":
    main()
