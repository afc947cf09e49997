"""Attaching to processes that were not prepared, under load: the time it takes, and what it breaks.

Run it with ``python tests/benchmarks/attach.py``. Ten plain uvicorn processes, one after the other,
answer 100 requests a second; each is attached to by its pid, runs a cell and is detached from. The
limits: no failed request, and less than a second for attaching. ``--processes N`` and
``--requests-per-second N`` change the measure; the exit code is 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

from livepatch.reach.execute import execute
from livepatch.reach.inject import attach_to
from livepatch.reach.leave import detach_webui

PLAIN_UVICORN = """
import socket
import uvicorn

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, log_level="warning", lifespan="off")
uvicorn.Server(config).run(sockets=[listener])
"""
SETTLE = 0.5  # seconds of load before attaching and after detaching


@dataclass
class Measured:
    """What happened to the processes."""

    attach: list[float] = field(default_factory=list)
    detach: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    """Measure, print, and compare with the limits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--requests-per-second", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        os.environ["LIVEPATCH_RUNTIME_DIR"] = f"{folder}/rt"
        os.environ["JUPYTER_DATA_DIR"] = f"{folder}/data"
        # An installed package is compiled.
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        first = measure(1, options.requests_per_second)
        measured = measure(options.processes, options.requests_per_second)
    measured.failures.extend(first.failures)
    print(
        f"{len(measured.failures)} of {len(measured.answers) + len(measured.failures)} requests "
        f"failed while {options.processes} processes were attached to and detached from"
    )
    for failure in measured.failures[:5]:
        print(f"  {failure}")
    for what, seconds in (("attach", measured.attach), ("detach", measured.detach)):
        print(
            f"{what}: median {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s "
            f"of {len(seconds)}"
        )
    milliseconds = sorted(1000 * seconds for seconds in measured.answers)
    print(
        f"requests: median {statistics.median(milliseconds):.1f} ms, "
        f"p99 {milliseconds[int(len(milliseconds) * 0.99)]:.1f} ms, "
        f"at most {milliseconds[-1]:.1f} ms"
    )
    return 1 if measured.failures or statistics.median(measured.attach) > 1 else 0


def measure(processes: int, requests_per_second: int) -> Measured:
    """Attach to that many processes in turn, each under load."""
    measured = Measured()
    for _ in range(processes):
        with subprocess.Popen(
            [sys.executable, "-c", PLAIN_UVICORN], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                with load(port, requests_per_second, measured):
                    time.sleep(SETTLE)
                    _attach_and_detach(process.pid, measured)
                    time.sleep(SETTLE)
            finally:
                process.terminate()
    return measured


def _attach_and_detach(pid: int, measured: Measured) -> None:
    began = time.perf_counter()
    webui = attach_to(pid)
    measured.attach.append(time.perf_counter() - began)
    printed = io.StringIO()
    assert execute(webui, "import os; print(os.getpid())", out=printed)
    assert printed.getvalue() == f"{pid}\n"
    began = time.perf_counter()
    detach_webui(webui)
    measured.detach.append(time.perf_counter() - began)


@contextlib.contextmanager
def load(port: int, requests_per_second: int, measured: Measured):
    """Ask at that rate, every tenth time over a new connection."""
    stop = threading.Event()

    def ask() -> None:
        connection, due, count = http.client.HTTPConnection("127.0.0.1", port, timeout=10), 0.0, 0
        due = time.perf_counter()
        while not stop.wait(max(0.0, due - time.perf_counter())):
            due += 1 / requests_per_second
            count += 1
            if count % 10 == 0:
                connection.close()
            began = time.perf_counter()
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                if (answer.status, answer.read()) != (200, b"hello"):
                    raise ValueError(f"status {answer.status}")
                measured.answers.append(time.perf_counter() - began)
            except (OSError, http.client.HTTPException, ValueError) as error:
                measured.failures.append(f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()

    while True:  # the process prints its port before it answers there
        with (
            contextlib.suppress(OSError),
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as first,
        ):
            first.request("GET", "/")
            first.getresponse().read()
            break
        time.sleep(0.01)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
