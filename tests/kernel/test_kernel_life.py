"""A kernel starts, fails to start, forks and goes; the webui's process stays as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WEBUI = Path(__file__).parents[1] / "apps" / "kernel_life_webui.py"


def differences(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.fixture
def life_webui(fresh_webui):
    return lambda *arguments: fresh_webui(*arguments, script=WEBUI)


def test_a_kernel_that_is_stopped_from_its_own_cell_answers_the_cell_first(
    life_webui, fresh_client
):
    webui = life_webui()
    webui.get("/state")
    before = webui.get("/state")
    webui.get("/attach")
    client = fresh_client(webui)
    answer = client.run(
        "import threading\n"
        "from livepatch.kernel import running_kernel\n"
        "running_kernel().stop()\n"
        "print('stopped by its own cell')\n"
        "'answered'"
    )
    assert (answer.status, answer.results) == ("ok", ["'answered'"])
    assert answer.stdout == "stopped by its own cell\n"
    webui.get("/ended")
    assert differences(before, webui.get("/state")) == set()
    assert not webui.connection_file.exists()


def test_a_stop_ends_the_cell_that_runs(life_webui, fresh_client):
    webui = life_webui("--attach")
    client = fresh_client(webui)

    def stop(printed):
        if "waiting" in printed:
            webui.get("/detach")

    answer = client.run("print('waiting', flush=True)\nwhile True: pass", when_printed=stop)
    assert answer.error == "KeyboardInterrupt"
    assert webui.get("/alive") == {"alive": False}
    assert sorted(path.name for path in webui.folder.iterdir()) == []


def test_a_second_kernel_is_refused_and_the_first_goes_on(life_webui, fresh_client):
    webui = life_webui("--attach")
    refusal = webui.get("/attach_again")
    assert refusal["error"] == "AttachFailed"
    assert str(webui.connection_file) in refusal["lines"][1]
    assert fresh_client(webui).run("1").result == "1"


def test_a_kernel_that_cannot_start_leaves_the_process_as_it_was(life_webui):
    webui = life_webui()
    webui.get("/attach_without_folder")
    before = webui.get("/state")
    refusal = webui.get("/attach_without_folder")
    assert refusal["error"] == "AttachFailed"
    assert len(refusal["lines"]) == 3
    assert differences(before, webui.get("/state")) == set()
    webui.get("/attach")
    assert webui.get("/alive") == {"alive": True}


def test_a_forked_child_has_its_process_to_itself(life_webui, fresh_client):
    webui = life_webui()
    webui.get("/state")
    before = webui.get("/state")
    webui.get("/attach")
    told = webui.folder / "child.json"
    code = (
        "import json, os, sys\n"
        "from process_state import process_state\n"
        "from livepatch.kernel import in_cell, running_kernel\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    print('the child prints', flush=True)\n"
        "    child = {'in_cell': in_cell(), 'kernel': repr(running_kernel())}\n"
        "    child['state'] = process_state()\n"
        f"    open({str(told)!r}, 'w').write(json.dumps(child))\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)[1]"
    )
    client = fresh_client(webui)
    answer = client.run(code)
    assert (answer.result, answer.stdout) == ("0", "")
    assert webui.wait_for("the child prints")
    child = json.loads(told.read_text())
    assert (child["in_cell"], child["kernel"]) == (False, "None")
    # A child has the one thread that forked, which is then the main thread and has a wakeup fd.
    assert differences(before, child["state"]) <= {"threads", "wakeup fd"}
    assert client.run("'the parent goes on'").result == "'the parent goes on'"
    assert webui.connection_file.exists()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="policies are deprecated")
def test_a_webui_with_a_loop_of_its_own_policy_keeps_it(life_webui, fresh_client):
    webui = life_webui("--attach", "--own-policy")
    assert fresh_client(webui).run("import asyncio\nawait asyncio.sleep(0, 1)").result == "1"
    loop = fresh_client(webui).run("type(asyncio.get_running_loop()).__name__").result
    assert "OwnLoop" not in loop
    assert webui.get("/policy") == {"policy": "OwnPolicy"}


def test_a_cell_that_stops_the_kernels_loop_does_not_end_the_kernel(fresh_webui, fresh_client):
    webui = fresh_webui("--attach")
    client = fresh_client(webui)
    stop = "import asyncio; loop = asyncio.get_running_loop(); loop.stop(); 'stopped'"
    for _ in range(2):
        assert client.run(stop).result == "'stopped'"
    client.run("async def later(): loop.stop()\ntask = asyncio.create_task(later())")
    assert client.run("await task; 'goes on'").result == "'goes on'"
    assert webui.get("/alive") == {"alive": True}
    webui.get("/detach")
    assert webui.get("/alive") == {"alive": False}


def test_a_kernel_whose_loop_is_broken_ends_in_order_and_says_so(life_webui, fresh_client):
    webui = life_webui()
    webui.get("/state")
    before = webui.get("/state")
    webui.get("/attach")
    # Nothing waits for an answer: the loop has none to give.
    breaking = "import asyncio; asyncio.get_running_loop()._selector.close()"
    fresh_client(webui).connection.execute(breaking)
    webui.get("/ended")
    assert webui.wait_for(
        "livepatch: the kernel has ended, because its event loop failed", "stderr"
    )
    assert not webui.connection_file.exists()
    assert differences(before, webui.get("/state")) == set()
    webui.get("/attach")
    assert fresh_client(webui).run("1").result == "1"


BEFORE_7_3 = """
import sys
from ipykernel.kernelapp import IPKernelApp
from livepatch.reach.attach import attach

class OnlyItsOwn:
    def __get__(self, instance, owner):
        if sys._getframe(1).f_globals["__name__"].startswith("livepatch"):
            raise AttributeError("before 7.3 an ipykernel has no keys")

IPKernelApp.curve_publickey = IPKernelApp.curve_secretkey = OnlyItsOwn()
print(attach(name="older"))
"""


def test_a_kernel_starts_on_an_ipykernel_that_cannot_encrypt(tmp_path):
    """What a webui pins may hold it back: SD.Next's typing_extensions leads to ipykernel 7.2."""
    environment = {**os.environ, "LIVEPATCH_RUNTIME_DIR": str(tmp_path / "rt")}
    environment["IPYTHONDIR"] = str(tmp_path / "ipython")
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_7_3],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "attached to 'older'" in done.stdout, done.stderr
