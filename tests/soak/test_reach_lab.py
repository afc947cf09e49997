"""``livepatch lab`` and ``livepatch demo``: JupyterLab with a notebook attached, and the tour."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from livepatch.processes.process import is_alive
from livepatch.reach.companions import ending_with_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reach_support import Place

pytest.importorskip("jupyterlab")


@contextlib.contextmanager
def started(here: Place, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (here.folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "livepatch", *arguments],
            env={**here.environment, "XDG_DATA_HOME": str(here.folder / "xdg")},
            cwd=here.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def server_facts(here: Place, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What JupyterLab says of itself once it answers."""
    while True:
        assert process.poll() is None, (here.folder / "log.txt").read_text()
        for path in (here.folder / "jrt").glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):
                facts: dict[str, Any] = json.loads(path.read_text())
                if get(facts, "api/status")["kernels"] is not None:
                    return facts
        time.sleep(0.05)


def get(facts: dict[str, Any], path: str) -> Any:
    headers = {"Authorization": f"token {facts['token']}"}
    request = urllib.request.Request(facts["url"] + path, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_lab_opens_a_notebook_on_the_webui_and_keeps_to_loopback(here: Place) -> None:
    webui = here.start()
    with started(here, "lab", "greeter", "--no-browser", "--port", "0") as process:
        facts = server_facts(here, process)
        assert facts["hostname"] == "127.0.0.1"
        assert len(facts["token"]) >= 32
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get({**facts, "token": "wrong"}, "api/contents")
        notebook = get(facts, "api/contents/livepatch-greeter.ipynb")["content"]
        name = notebook["metadata"]["kernelspec"]["name"]
        assert name in get(facts, "api/kernelspecs")["kernelspecs"]
        assert "livepatch-greeter.ipynb" in (here.folder / "log.txt").read_text()
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert webui.get() == "hello"


TAKEN_MEANWHILE = """
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from livepatch.reach import demo

class Other(BaseHTTPRequestHandler):
    "Another webui, which answers whatever it is asked."
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

own, first = demo._is_free, [True]
demo._is_free = lambda port: first.pop() if first else own(port)
with HTTPServer(("127.0.0.1", 0), Other) as taken:
    threading.Thread(target=taken.serve_forever).start()
    demo.PORT = taken.server_port
    try:
        with demo.demo_webui() as (webui, address):
            print(address == f"http://127.0.0.1:{demo.PORT}", demo._question(address)["size"])
    finally:
        taken.shutdown()
"""


def test_a_port_that_is_taken_while_the_demo_starts_does_not_end_it(here: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKEN_MEANWHILE],
        env=here.environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.stdout == "False [256, 256]\n", done.stderr


@pytest.mark.skipif(os.name != "posix", reason="process groups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_demo_starts_the_webui_and_lab_and_ends_both(here: Place, number: signal.Signals) -> None:
    with started(here, "demo", "--no-browser", "--lab-port", "0") as process:
        facts = server_facts(here, process)
        assert facts["hostname"] == "127.0.0.1"
        assert len(facts["token"]) >= 32
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get({**facts, "token": "wrong"}, "api/contents")
        tour = get(facts, "api/contents/tour.ipynb")["content"]
        assert tour["metadata"]["kernelspec"]["name"] == "livepatch-demo"
        (record,) = json.loads(here.livepatch("list", "--json").stdout)
        assert record["name"] == "demo"
        code = "from livepatch.demo import shared; print(shared.cmd_opts.extensions_dir)"
        folder = Path(here.livepatch("exec", "demo", "-c", code).stdout.strip())
        assert folder == here.folder / "xdg" / "livepatch" / "demo-extensions"
        assert folder.is_dir()  # what is exported to the demo goes there
        process.send_signal(number)
        assert process.wait(30) == (0 if number is signal.SIGINT else 143)
    assert json.loads(here.livepatch("list", "--json").stdout) == []
    with pytest.raises(urllib.error.URLError):
        get(facts, "api/status")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_nothing_outlives_a_demo_that_is_killed(here: Place) -> None:
    with started(here, "demo", "--no-browser", "--lab-port", "0") as process:
        facts = server_facts(here, process)
        children = children_of(process.pid)
        assert {
            facts["pid"],
            json.loads(here.livepatch("list", "--json").stdout)[0]["pid"],
        } < children
        process.kill()
        process.wait()
        while any(is_alive(pid) for pid in children):
            time.sleep(0.05)
    with pytest.raises(urllib.error.URLError):
        get(facts, "api/status")


def children_of(pid: int) -> set[int]:
    """The processes that this one started."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == pid:
                found.add(int(status.parent.name))
    return found


def test_what_ends_with_us_lives_on_when_we_let_go_of_it() -> None:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        with ending_with_us() as take:
            take(process)
        assert process.poll() is None
        process.communicate(b"\n")
    assert process.returncode == 0


def test_demo_once_shows_the_change_and_its_way_back(here: Place) -> None:
    found = here.livepatch("demo", "--once")
    assert found.returncode == 0, found.stderr
    answers = [line.split(": ", 1) for line in found.stdout.splitlines()]
    assert [moment for moment, _ in answers] == ["before", "during", "after"]
    before, during, after = (json.loads(answer) for _, answer in answers)
    assert before == after
    assert before != during


def notebook_of(path: Path, *cells: str, tags: tuple[str, ...] = ("during",)) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells[0].metadata["tags"] = list(tags)
    nbformat.write(notebook, path)
    return path


CHANGE = (
    "import livepatch\n"
    "livepatch.replace('livepatch.demo.text.complete', lambda *_, **__: 'changed')"
)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([CHANGE], "the answer after the tour is not the one before it"),
        (["1"], "the answer during the tour is the same as before it"),
        ([CHANGE, "livepatch.restore_all()", "1 / 0"], "ZeroDivisionError"),
    ],
    ids=["not restored", "no change", "failing cell"],
)
def test_demo_once_fails_with_the_reason(here: Place, cells: list[str], reason: str) -> None:
    notebook = notebook_of(here.folder / "n.ipynb", *cells)
    code = (
        "import pathlib, sys; from livepatch.reach.demo import run_once;"
        f"sys.exit(run_once(notebook=pathlib.Path({str(notebook)!r})))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=here.environment,
        cwd=here.folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert found.returncode == 1
    assert reason in found.stderr


def test_what_is_not_installed_is_said_with_its_pip_line(here: Place) -> None:
    here.start()
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "missing = ('jupyterlab', 'jupyter_console')\n"
        "u.find_spec = lambda name: None if name in missing else find(name)\n"
        "from livepatch.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    for command in ("lab", "console"):
        found = subprocess.run(
            [sys.executable, "-c", code, command],
            env=here.environment,
            cwd=here.folder,
            capture_output=True,
            text=True,
        )
        assert found.returncode == 2, found.stderr
        assert '-m pip install "livepatch[lab]"' in found.stderr.splitlines()[2]
