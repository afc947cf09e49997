"""Programs of webuis in processes of their own, in which livepatch looks what it is in."""

from __future__ import annotations

import json
import signal
import textwrap
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from webui_process import Webui

if TYPE_CHECKING:
    from collections.abc import Iterator

# Runs first in every process. `look()` answers what detection sees and what it imported;
# `look_once_listening` does so in a thread of its own, as a kernel would, when the port answers.
PRELUDE = """
import json, socket, sys, threading, warnings
warnings.simplefilter("error")
from livepatch.adapters.known import adapters
from livepatch.this_webui.detect import host
from livepatch.web.kinds import app_kinds
from livepatch.web.servers import running_loops, serving_loop

adapters(), app_kinds()  # reads the metadata of the installed packages, once for each process


DEPENDING = ("middleware", "routes", "events", "callbacks", "hooks", "extensions", "timing")


def works(verb):
    import livepatch as lp
    try:
        getattr(lp, verb)()
    except lp.LivepatchError:
        return False
    return True


def look():
    before = set(sys.modules)
    found = host()
    app, serving = found.app(), serving_loop()
    seen = dict(
        flavor=found.flavor,
        version=found.version,
        address=found.address,
        loop=found.loop,
        supports=sorted(found.supports),
        app=None if app is None else f"{type(app).__module__}.{type(app).__name__}",
        is_app=app is not None and app is globals().get("app"),
        folder=found.extension_folder and str(found.extension_folder),
        thread=serving and serving.thread.name,
        loops=len(running_loops()),
        blocks=hasattr(found, "blocks") and found.blocks() is not None,
        repr=repr(found),
    )
    seen["imported"] = sorted(set(sys.modules) - before)
    seen["untrue"] = [v for v in DEPENDING if works(v) is not (v in seen["supports"])]
    return seen


def say():
    print("seen", json.dumps(look()), flush=True)


def look_when(is_ready):
    ready = threading.Event()

    def watch():
        while not is_ready():
            ready.wait(0.01)
        say()

    threading.Thread(target=watch, name="looker", daemon=True).start()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def answers(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


port = free_port()
"""

FASTAPI = """
from fastapi import FastAPI
import uvicorn
app = FastAPI()

@app.get("/where")
async def where():
    return look()

@app.get("/who")
def who():
    return look()
"""


@contextmanager
def programs() -> Iterator[Any]:
    """A function that runs a program after the prelude; answers what it saw and the process."""
    processes: list[Webui] = []

    def start(program: str, *more: str) -> tuple[dict[str, Any], Webui]:
        source = "\n".join([PRELUDE, *map(textwrap.dedent, (program, *more))])
        process = Webui("-c", source)
        processes.append(process)
        seen = json.loads(process.wait_for_line("seen ").removeprefix("seen "))
        assert seen["imported"] == []
        assert seen.get("untrue", []) == []  # each verb is listed where it works, and only there
        return seen, process

    yield start
    for process in processes:
        process.end(signal.SIGKILL)


def get(address: str, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(address + path, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
