"""A real Jupyter server on a webui: start, interrupt, restart, DELETE, and its refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jupyter_support import JupyterServer
from reach_support import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as folder:
        yield folder


@pytest.fixture
def server(here: Place) -> Iterator[JupyterServer]:
    (here.data / "kernels").mkdir(parents=True)
    server = JupyterServer(here)
    try:
        yield server
    finally:
        server.end()


def test_a_notebook_of_the_server_works_on_the_webui(here: Place, server: JupyterServer) -> None:
    webui = here.start()
    status, specs = server.request("GET", "kernelspecs")
    assert specs["kernelspecs"]["livepatch-greeter"]["spec"]["display_name"] == "livepatch: greeter"

    status, kernel = server.request("POST", "kernels", {"name": "livepatch-greeter"})
    assert status == 201
    notebook = server.open(kernel["id"])
    assert notebook.run("import os; os.getpid()") == str(webui.pid)

    endless = notebook.send("import time\nprint(1, flush=True)\nwhile True: time.sleep(0.01)")
    notebook.wait_for_print(endless)
    assert server.request("POST", f"kernels/{kernel['id']}/interrupt")[0] == 204
    assert notebook.answer(endless) == "KeyboardInterrupt"

    assert notebook.run("kept = 1; kept") == "1"
    assert server.request("POST", f"kernels/{kernel['id']}/restart")[0] == 200
    assert notebook.run("kept") == "NameError"
    assert notebook.run("os") == "NameError"

    assert server.request("DELETE", f"kernels/{kernel['id']}")[0] == 204
    notebook.socket.close()
    assert webui.get() == "hello"
    assert here.livepatch("exec", "-c", "7").stdout == "7\n"


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_an_open_notebook_survives_the_webuis_restart(
    here: Place, server: JupyterServer, transport: str
) -> None:
    webui = here.start(LIVEPATCH_TRANSPORT=transport)
    _, kernel = server.request("POST", "kernels", {"name": "livepatch-greeter"})
    notebook = server.open(kernel["id"])
    assert notebook.run("import os; os.getpid()") == str(webui.pid)
    webui.end()
    successor = here.start(LIVEPATCH_TRANSPORT=transport)
    notebook.wait_for_status("restarting")
    # JupyterLab opens another WebSocket as soon as it hears of a restart.
    notebook.socket.close()
    notebook = server.open(kernel["id"])
    assert notebook.run("import os; os.getpid()") == str(successor.pid)

    successor.end()
    assert server.request("DELETE", f"kernels/{kernel['id']}")[0] == 204
    notebook.socket.close()


def test_two_webuis_without_a_choice_are_named_in_the_answer(
    here: Place, server: JupyterServer
) -> None:
    generic = here.data / "kernels" / "livepatch"
    generic.mkdir()
    here.start("--name", "one")
    here.start("--name", "two")
    written = here.data / "kernels" / "livepatch-one" / "kernel.json"
    spec = json.loads(written.read_text())
    spec["metadata"]["kernel_provisioner"]["config"] = {}
    (generic / "kernel.json").write_text(json.dumps(spec))

    status, answer = server.request("POST", "kernels", {"name": "livepatch"})
    assert status == 409
    assert "one (pid" in answer["message"]
    assert "two (pid" in answer["message"]
    # The way that JupyterLab's notebooks take.
    session = {"path": "a.ipynb", "name": "", "type": "notebook", "kernel": {"name": "livepatch"}}
    status, answer = server.request("POST", "sessions", session)
    assert answer["message"].startswith("livepatch could not find the running webui: 2 fit: ")
