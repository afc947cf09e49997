"""A real Jupyter server on a webui: start, interrupt, restart, DELETE, and its refusals."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_support import JupyterServer
from reach_support import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[JupyterServer]:
    with place() as folder:
        (folder.data / "kernels").mkdir(parents=True)
        server = JupyterServer(folder)
        try:
            yield server
        finally:
            server.end()


@pytest.fixture
def here(server: JupyterServer) -> Iterator[Place]:
    yield server.here
    server.here.end_webuis()
    for kernel in server.request("GET", "kernels")[1]:
        server.request("DELETE", f"kernels/{kernel['id']}")


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


def test_two_notebooks_of_the_server_share_a_webui(here: Place, server: JupyterServer) -> None:
    webui = here.start()
    kernels = [
        server.request("POST", "kernels", {"name": "livepatch-greeter"})[1]["id"] for _ in range(2)
    ]
    one, other = map(server.open, kernels)
    assert one.run("released = False; shared = 41") == ""
    assert other.run("shared + 1") == "42"

    busy = one.send(
        "import time\nprint(1, flush=True)\nwhile not released: time.sleep(0.01)\n'whole'"
    )
    one.wait_for_print(busy)
    beside = other.ask("create_subshell_request")["subshell_id"]
    assert other.run("shared", beside) == "41"
    assert server.request("DELETE", f"kernels/{kernels[1]}")[0] == 204
    other.socket.close()
    third = server.open(kernels[0])  # the first one's page, in a second window
    assert third.run("released = True", beside) == ""
    assert one.answer(busy) == "'whole'"
    for page in (one, third):
        page.socket.close()
    assert webui.get() == "hello"


def test_the_servers_debugger_stops_in_the_webuis_code(here: Place, server: JupyterServer) -> None:
    pytest.importorskip("debugpy")
    webui = here.start()
    kernel = server.request("POST", "kernels", {"name": "livepatch-greeter"})[1]["id"]
    notebook = server.open(kernel)
    notebook.run("%load_ext livepatch")
    notebook.run("%webui debugger on")
    assert server.request("POST", f"kernels/{kernel}/restart")[0] == 200
    notebook.run("1")

    sequence = iter(range(1, 100))

    def debug(command: str, **arguments: object) -> dict[str, Any]:
        request = {"type": "request", "seq": next(sequence), "command": command}
        reply = notebook.ask("debug_request", **request, arguments=arguments)
        assert reply["success"], reply
        body: dict[str, Any] = reply.get("body", {})
        return body

    debug("initialize", clientID="tests", adapterID="", pathFormat="path")
    debug("attach")
    line = here.script.read_text().splitlines().index('    return "hello"') + 1
    debug("setBreakpoints", source={"path": str(here.script)}, breakpoints=[{"line": line}])
    debug("configurationDone")
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(webui.get()))
    asking.start()
    thread = notebook.wait_for_debug_event("stopped")["threadId"]
    (frame, *_) = debug("stackTrace", threadId=thread)["stackFrames"]
    assert (frame["name"], frame["line"], answers) == ("greeting", line, [])
    debug("continue", threadId=thread)
    asking.join(60)
    assert answers == ["hello"]
    debug("disconnect", restart=False, terminateDebuggee=False)
    notebook.socket.close()
    assert here.livepatch("detach", "greeter").returncode == 0
    assert webui.get() == "hello"


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


def test_a_cell_that_runs_or_is_run_when_the_webui_has_gone_ends_with_a_word(
    here: Place, server: JupyterServer
) -> None:
    webui = here.start()
    _, kernel = server.request("POST", "kernels", {"name": "livepatch-greeter"})
    notebook = server.open(kernel["id"])
    for _ in range(3):  # from when the server has looked after it once
        notebook.run("import time; time.sleep(0.4)")
    endless = notebook.send("import time\nprint(1, flush=True)\nwhile True: time.sleep(0.01)")
    notebook.wait_for_print(endless)
    webui.end()
    error = notebook.error(endless)
    assert error["ename"] == "WebuiEnded"
    assert f"the webui greeter (pid {webui.pid}) has ended" in error["traceback"][0]
    reply = next(m for m in notebook.messages(endless) if m["msg_type"] == "execute_reply")
    assert reply["content"]["status"] == "error"
    later = notebook.send("1 + 1")
    assert notebook.error(later)["ename"] == "WebuiEnded"
    assert next(notebook.messages(later))["msg_type"] in ("status", "execute_reply")

    successor = here.start()
    notebook.wait_for_status("restarting")
    notebook.socket.close()
    notebook = server.open(kernel["id"])
    assert notebook.run("import os; os.getpid()") == str(successor.pid)
    assert server.request("DELETE", f"kernels/{kernel['id']}")[0] == 204
    notebook.socket.close()
    assert not [path.name for path in here.runtime.glob("c-*s-*")]


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
