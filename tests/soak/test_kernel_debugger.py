"""JupyterLab's debugger in a webui: off until asked for, and gone afterwards."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

pytest.importorskip("debugpy")
APP = Path(__file__).parents[1] / "apps" / "kernel_webui.py"


class Debugging:
    """The debugger's requests and events, as JupyterLab has them."""

    def __init__(self, client):
        self.client = client
        self.number = 0

    def ask(self, command, **arguments):
        self.number += 1
        message = {
            "type": "request",
            "seq": self.number,
            "command": command,
            "arguments": arguments,
        }
        reply = self.client.control("debug_request", message)
        assert reply.get("success"), reply
        return reply

    def event(self, name):
        while True:
            message = self.client.connection.get_iopub_msg(timeout=30)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                return message["content"].get("body", {})


def line_of(text):
    return APP.read_text().splitlines().index(text) + 1


def test_the_debugger_is_off_and_says_how_to_turn_it_on(kernel_client):
    reply = kernel_client.connection.kernel_info(reply=True, timeout=10)
    assert "debugger" not in reply["content"]["supported_features"]
    refused = kernel_client.control("debug_request", {"command": "initialize", "seq": 1})
    assert refused["success"] is False
    assert "%webui debugger on" in refused["message"]
    assert kernel_client.run("import sys\n'debugpy' in sys.modules").result == "False"


def test_a_breakpoint_stops_the_webuis_own_code(fresh_webui, fresh_client):
    webui = fresh_webui()
    webui.get("/state")
    before = webui.get("/state")
    webui.get("/attach")
    client = fresh_client(webui)
    client.run("%load_ext livepatch")
    attached = webui.get("/state")

    said = client.run("%webui debugger on").result
    assert "stops every thread of the webui" in said
    assert "listens on 127.0.0.1:" in said
    reply = client.connection.kernel_info(reply=True, timeout=10)
    assert "debugger" in reply["content"]["supported_features"]

    for _ in range(2):  # JupyterLab's button, on and off
        debugging = Debugging(client)
        debugging.ask("initialize", clientID="tests", adapterID="", pathFormat="path")
        debugging.ask("attach")
        breakpoints = [{"line": line_of('    print("the webui says hello", flush=True)')}]
        debugging.ask("setBreakpoints", source={"path": str(APP)}, breakpoints=breakpoints)
        debugging.ask("configurationDone")

        answers = []
        asking = threading.Thread(target=lambda a=answers: a.append(webui.get("/hello")))
        asking.start()
        stopped = debugging.event("stopped")
        assert stopped["reason"] == "breakpoint"
        frames = debugging.ask("stackTrace", threadId=stopped["threadId"])["body"]["stackFrames"]
        assert (frames[0]["name"], Path(frames[0]["source"]["path"])) == ("hello", APP)
        assert answers == []
        value = debugging.ask("evaluate", expression="attach_at_start", frameId=frames[0]["id"])
        assert value["body"]["result"] == "False"
        debugging.ask("continue", threadId=stopped["threadId"])
        asking.join(30)
        assert answers == [{"hello": "world"}]
        debugging.ask("disconnect", restart=False, terminateDebuggee=False)
        assert webui.get("/hello") == {"hello": "world"}

    assert "the debugger is off" in client.run("%webui debugger off").result
    assert client.run("import sys, threading\nsys.gettrace(), threading.gettrace()").result == (
        "(None, None)"
    )
    assert client.run("%webui debugger on").status == "ok"  # and once more
    client.run("%webui debugger off")
    now = webui.get("/state")
    assert {name: now[name] for name in attached if attached[name] != now[name]} == {}

    client.run("%webui debugger on")
    client.run("%unload_ext livepatch")  # this webui ends its kernel without livepatch.detach()
    webui.get("/detach")
    now = webui.get("/state")
    assert {name: now[name] for name in before if before[name] != now[name]} == {}
    assert webui.get("/traced") == {"threads": []}


def test_the_debugger_does_not_hide_the_webuis_files(kernel_client):
    kernel_client.run(
        "import IPython, threading, uvicorn\n"
        "from livepatch.kernel.debugger import _machinery\n"
        "files = _machinery()"
    )
    assert kernel_client.run("IPython.__file__ in files").result == "True"
    asked = "[m.__file__ in files for m in (uvicorn, threading, sys.modules['__main__'])]"
    assert kernel_client.run(f"import sys\n{asked}").result == "[False, False, False]"
