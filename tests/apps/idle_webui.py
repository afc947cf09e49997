"""The webui of the benchmarks: `python idle_webui.py`; `/attach` brings the kernel."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/hello")
async def hello():
    return {"hello": "world"}


@app.get("/usage")
async def usage():
    """CPU seconds of this process so far, and its memory in MB."""
    return {"cpu": time.process_time(), "memory": memory()}


@app.get("/attach")
def attach():
    """Attach a kernel; seconds that it took, imports included, and MB that it needs."""
    before, began, cpu = memory(), time.perf_counter(), time.process_time()
    import livepatch

    livepatch.attach("idle")
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "memory": memory() - before,
    }


def memory():
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # no /proc: the highest so far, in KB or on macOS in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    # asyncio sets it for sockets that it made itself; without it every answer waits for 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"serving {listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="warning", loop="asyncio", timeout_keep_alive=3600)
    uvicorn.Server(config).run(sockets=[listening])
