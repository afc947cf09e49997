"""What a kernel costs that nobody uses: attaching, memory, CPU and p99 of each request.

Run it with ``python tests/benchmarks/kernel_idle.py [REQUESTS]``. Three webuis serve in turn, two
of them without a kernel: what these differ by is the measure for the third. CPU time is the
process's own, so that a loaded machine changes it little; p99 is as good as the machine is quiet.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
REQUESTS = 2000
ATTACHES = 5
SCRIPT = Path(__file__).parent.parent / "apps" / "idle_webui.py"


class Webui:
    """A webui's process, and the requests that are measured."""

    def __init__(self, runtime_folder: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent.parent.parent),
            "PYTHONPYCACHEPREFIX": f"{runtime_folder}/compiled",
            "LIVEPATCH_RUNTIME_DIR": runtime_folder,
            "JUPYTER_DATA_DIR": runtime_folder,
        }
        # An installed package is compiled.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdout=subprocess.PIPE, text=True, env=environment
        )
        port = int(self.process.stdout.readline().split()[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str) -> dict:
        """Ask and answer the JSON."""
        self.connection.request("GET", path)
        return json.load(self.connection.getresponse())

    def measure(self, requests: int) -> tuple[float, float]:
        """CPU seconds of the process and the p99 in seconds of so many requests."""
        before, lasted = self.get("/usage")["cpu"], []
        for _ in range(requests):
            began = time.perf_counter()
            self.get("/hello")
            lasted.append(time.perf_counter() - began)
        return self.get("/usage")["cpu"] - before, statistics.quantiles(lasted, n=100)[98]

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


def main() -> int:
    """Print the figures; the exit code says whether those that need no quiet machine hold."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="lp-") as folder, contextlib.ExitStack() as stack:

        def started() -> Webui:
            webui = Webui(folder)
            stack.callback(webui.close)
            return webui

        attached = []
        for _ in range(ATTACHES + 1):
            webui = started()
            webui.measure(50)
            attached.append(webui.get("/attach"))
        del attached[0]  # compiled the modules
        seconds, cpu, memory = (
            statistics.median(found[what] for found in attached)
            for what in ("seconds", "cpu", "memory")
        )
        print(
            f"attach: median {seconds:.2f} s of {ATTACHES}, {cpu:.2f} s of it CPU (goal: under 1)"
        )
        print(f"memory: median {memory:.1f} MB (goal: at most 30)")

        alone, also_alone, with_kernel = started(), started(), webui
        ratios = compare([alone, also_alone, with_kernel], requests)
        rest = at_rest(with_kernel)
    print(f"at rest: {rest * 1000:.2f} ms CPU a second")
    return int(seconds > 1 or memory > 30 or ratios > 1.05)


def compare(webuis: list[Webui], requests: int) -> float:
    """Print CPU and p99 of each; the median ratio of the CPU with a kernel to that without."""
    for webui in webuis:
        webui.measure(requests // 4)
    cpu: list[list[float]] = []
    p99: list[list[float]] = []
    for number in range(ROUNDS):
        found = {}
        for step in range(3):
            which = (number + step) % 3
            found[which] = webuis[which].measure(requests)
        cpu.append([found[which][0] for which in range(3)])
        p99.append([found[which][1] for which in range(3)])
    same = statistics.median(other / alone for alone, other, _ in cpu)
    ratio = statistics.median(
        kernel / statistics.mean((alone, other)) for alone, other, kernel in cpu
    )
    print(
        f"CPU of a request, {ROUNDS} rounds of {requests}: {ratio:.3f} of not attached (goal: 1.05)"
    )
    print(f"  not attached against not attached: {same:.3f}")
    spread = [(other - alone) * 1000 for alone, other, _ in p99]
    further = [(kernel - statistics.mean((alone, other))) * 1000 for alone, other, kernel in p99]
    print(
        f"p99: {statistics.median(further):+.2f} ms of not attached (goal: within the spread); not "
        f"attached against not attached from {min(spread):+.2f} to {max(spread):+.2f} ms"
    )
    for name, column in (("not attached", 0), ("not attached", 1), ("attached", 2)):
        print(f"  {name}: p99 {statistics.median(row[column] for row in p99) * 1000:.2f} ms")
    return ratio


def at_rest(webui: Webui, seconds: float = 5.0) -> float:
    """CPU seconds per second while nobody asks anything."""
    before = webui.get("/usage")["cpu"]
    time.sleep(seconds)
    return (webui.get("/usage")["cpu"] - before) / seconds


if __name__ == "__main__":
    sys.exit(main())
