"""A small webui for the tests of the kernel: `python kernel_webui.py FOLDER [--attach]`."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from pathlib import Path

from process_state import keep_account_of_exit_calls, process_state

keep_account_of_exit_calls()

import uvicorn  # noqa: E402 - what it registers at exit is accounted for
from fastapi import FastAPI  # noqa: E402

folder = Path(sys.argv[1])
attach_at_start = "--attach" in sys.argv
app = FastAPI()
kernel = None
info_fails = False


def start_the_kernel():
    from livepatch.kernel import start_kernel

    global kernel
    kernel = start_kernel(
        folder / "kernel.json",
        transport="ipc",
        ip=str(folder / "kernel"),
        key=b"a key of the tests",
        user_ns={"app": app, "given": "from the webui"},
        metadata={"name": "tests"},
        info=tell_about_the_webui,
        banner="the webui of the tests",
    )


def tell_about_the_webui():
    if info_fails:
        raise RuntimeError("no information today")
    return {"flavor": "tests", "thread": threading.current_thread().name}


@app.get("/attach")
def attach():
    start_the_kernel()
    return {"alive": kernel.alive}


@app.get("/detach")
def detach():
    kernel.stop()
    return {"alive": kernel.alive, "running": [t.name for t in threading.enumerate()]}


@app.get("/alive")
def alive():
    return {"alive": kernel.alive}


@app.get("/hello")
def hello():
    print("the webui says hello", flush=True)
    print("the webui warns", file=sys.stderr, flush=True)
    return {"hello": "world"}


def greet():
    return "nobody"


@app.get("/greet")
def greet_whoever_that_is():
    return {"greet": greet()}


@app.get("/state")
def state():
    return process_state()


@app.get("/traced")
async def traced():
    """The threads of the webui that run under a trace function; asked on each of them."""
    found = [threading.current_thread().name] if sys.gettrace() is not None else []
    for _ in range(5):
        found += await asyncio.to_thread(
            lambda: [threading.current_thread().name] if sys.gettrace() is not None else []
        )
    return {"threads": found}


@app.get("/tqdm")
def import_tqdm():
    import tqdm.auto

    return {"bars": [f"{base.__module__}.{base.__name__}" for base in tqdm.auto.tqdm.__mro__]}


@app.get("/get_ipython")
def ask_for_ipython():
    from IPython import get_ipython
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.kernel import in_cell

    return {
        "get_ipython": repr(get_ipython()),
        "initialized": InteractiveShell.initialized(),
        "in_cell": in_cell(),
    }


def main():
    listening = socket.create_server(("127.0.0.1", 0))
    if attach_at_start:
        start_the_kernel()
    print(f"serving {listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])
    print("the webui has ended")


if __name__ == "__main__":
    main()
