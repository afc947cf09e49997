"""Forks, gunicorn's preload and a restart by exec: nobody answers with its parent's kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest
from reach_support import Place, place

from livepatch.reach.webuis import client_of, running_webuis

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")

# Serves at PORT; /fork starts a child that serves at a port of its own, /exec starts the script
# anew in the same process.
SERVER = """
import http.server, json, os, sys
import livepatch

if "attach" in sys.argv:
    livepatch.attach("server")

def own_kernel():
    from livepatch.reach.attach import current
    found = current()
    return found and found.pid

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = {"pid": os.getpid(), "kernel": own_kernel()}
        if self.path == "/attach":
            answer["kernel"] = livepatch.attach("child").pid
        elif self.path == "/fork":
            port = listen()
            answer["port"] = port.server_port
            if os.fork() == 0:
                self.server.socket.close()
                port.serve_forever()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())
        if self.path == "/exec":
            os.execv(sys.executable, [sys.executable, sys.argv[0], *sys.argv[2:]])

    def log_message(self, *_):
        pass

def listen():
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

server = listen()
print(server.server_port, flush=True)
server.serve_forever()
"""

GUNICORN = """
import json, os
import livepatch
from livepatch.reach.attach import current

livepatch.attach("preloaded")
master = os.getpid()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/attach":
        livepatch.attach("worker")
    found = current()
    start_response("200 OK", [("Content-Type", "application/json")])
    facts = {"pid": os.getpid(), "master": master, "kernel": found and found.pid}
    return [json.dumps(facts).encode()]
"""

# Forks while a thread of it is taking the kernel out, and so holds what guards attaching.
FORK_WHILE_DETACHING = """
import os, signal, threading
import livepatch

detaching, forked = threading.Event(), threading.Event()
livepatch.attach("parent").at_end.extend([detaching.set, forked.wait])
thread = threading.Thread(target=livepatch.detach)
thread.start()
detaching.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)  # ends a child that waits for a thread which it does not have
    assert livepatch.attach("child").pid == os.getpid()
    livepatch.detach()
    os._exit(7)
forked.set()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place() as folder:
        monkeypatch.setenv("LIVEPATCH_RUNTIME_DIR", str(folder.runtime))
        yield folder


def ask(port: int, path: str = "/") -> dict:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.load(answer)


def pid_behind(name: str) -> int:
    """The process in which a cell runs that is sent to the webui of this name."""
    (webui,) = [found for found in running_webuis() if found.name == name]
    client = client_of(webui)
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)
        reply = client.execute(
            "import os", user_expressions={"pid": "os.getpid()"}, reply=True, timeout=30
        )
        return int(reply["content"]["user_expressions"]["pid"]["data"]["text/plain"])
    finally:
        client.stop_channels()


AFTER_EACH_CELL = """
def count():
    with open("cells.txt", "a") as cells:
        cells.write("x")
get_ipython().events.register("post_execute", count)
"""

CHILD = """
import asyncio, os, sys
child = os.fork()
if child == 0:
    {leaves}
else:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(
    ("leaves", "code", "said"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('in its own words')", 1, "in its own words"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("print('to its very end')", 0, "to its very end"),
        ("await asyncio.sleep(0)", 0, ""),
        ("%run -i leaves.py", 7, ""),
    ],
    ids=["exit code", "exit", "words", "error", "to its end", "await", "script"],
)
def test_a_child_that_a_cell_forks_ends_with_its_cell(
    fresh_webui, fresh_client, leaves: str, code: int, said: str
) -> None:
    webui = fresh_webui("--attach")
    (webui.folder / "leaves.py").write_text("import sys; sys.exit(7)")
    client = fresh_client(webui)
    client.run(f"%cd -q {webui.folder}")
    client.run(AFTER_EACH_CELL)
    counted = webui.folder / "cells.txt"
    before = len(counted.read_text())
    assert client.run(CHILD.format(leaves=leaves)).stdout == f"{code}\n"
    if said:
        assert webui.wait_for(said, "stdout" if "print" in leaves else "stderr")
    assert len(counted.read_text()) - before == 1  # no kernel's code ran on in the child
    assert client.run("'the parent goes on'").result == "'the parent goes on'"
    assert webui.get("/hello") == {"hello": "world"}


FORKS_LATER = """
import asyncio, os, sys
async def fork():
    global child
    child = os.fork()
    if child == 0:
        {leaves}
task = asyncio.create_task(fork())
"""


@pytest.mark.parametrize(("leaves", "code"), [("sys.exit(7)", 7), ("pass", 0)])
def test_a_child_that_a_task_of_a_cell_forks_ends_with_its_task(
    fresh_webui, fresh_client, leaves: str, code: int
) -> None:
    client = fresh_client(fresh_webui("--attach"))
    client.run(FORKS_LATER.format(leaves=leaves))
    ended = client.run("await task; os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])")
    assert ended.result == str(code)
    assert client.run("'the parent goes on'").result == "'the parent goes on'"


def test_a_child_that_is_forked_on_the_webuis_loop_ends_with_its_cell(
    fresh_webui, fresh_client
) -> None:
    webui = fresh_webui("--attach")
    client = fresh_client(webui)
    client.run("%load_ext livepatch")
    forked = "%%webui\nimport os, sys\nchild = os.fork()\nif child == 0: sys.exit(7)\n"
    answer = client.run(forked + "os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])")
    assert answer.result == "7"
    assert webui.get("/hello") == {"hello": "world"}


def serve(here: Place, *arguments: str):
    script = here.folder / "server.py"
    script.write_text(SERVER)
    return here.serve([sys.executable, str(script), *arguments], env=here.environment)


def test_a_child_serves_without_a_kernel_and_then_with_its_own(here: Place) -> None:
    webui = serve(here, "attach")
    assert ask(webui.port)["kernel"] == webui.pid
    port = ask(webui.port, "/fork")["port"]
    child = ask(port)
    assert child["pid"] != webui.pid
    assert child["kernel"] is None
    assert [found.name for found in running_webuis()] == ["server"]
    assert pid_behind("server") == webui.pid

    assert ask(port, "/attach")["kernel"] == child["pid"]
    assert pid_behind("child") == child["pid"]
    assert pid_behind("server") == webui.pid
    os.kill(child["pid"], 9)


def test_a_child_attaches_though_its_parent_was_detaching(here: Place) -> None:
    command = [sys.executable, "-c", FORK_WHILE_DETACHING]
    done = subprocess.run(command, env=here.environment, stdout=subprocess.PIPE, timeout=60)
    assert done.stdout == b"7\n"


def test_a_restart_by_exec_leaves_no_kernel_to_be_found(here: Place) -> None:
    """The process id and its start time are those of before."""
    webui = serve(here, "attach")
    assert pid_behind("server") == webui.pid
    assert ask(webui.port, "/exec")["kernel"] == webui.pid
    port = int(webui.process.stdout.readline())
    assert ask(port) == {"pid": webui.pid, "kernel": None}
    assert running_webuis() == []
    assert ask(port, "/attach") == {"pid": webui.pid, "kernel": webui.pid}
    assert pid_behind("child") == webui.pid


def test_gunicorns_workers_never_answer_with_the_masters_kernel(here: Place) -> None:
    pytest.importorskip("gunicorn")
    (here.folder / "preloaded.py").write_text(GUNICORN)
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "1"]
    bound = ["--bind", "127.0.0.1:0", "--config", str(here.folder / "settings.py"), "preloaded:app"]
    (here.folder / "settings.py").write_text(
        "def when_ready(server):\n"
        "    print(server.LISTENERS[0].sock.getsockname()[1], flush=True)\n"
    )
    webui = here.serve([*command, *bound], env=here.environment)
    worker = ask(webui.port)
    assert worker["pid"] != worker["master"] == webui.pid
    assert worker["kernel"] is None
    assert pid_behind("preloaded") == webui.pid

    assert ask(webui.port, "/attach")["kernel"] == worker["pid"]
    assert pid_behind("worker") == worker["pid"]
    webui.process.terminate()
    assert webui.process.wait(30) == 0
