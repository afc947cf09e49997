"""An ordinary notebook kernel in which the webui is started: every verb works there too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "apps" / "notebook_webui.py"


def test_the_demo_starts_inside_the_notebook(demo):
    assert "webui livepatch.demo runs in this kernel" in demo.started.result
    assert "Running on local URL" in demo.started.stdout
    process = demo.run("import os\nos.getpid()").result
    shown = demo.run("%webui").result
    assert re.search(rf"process +pid {process},", shown)
    assert re.search(r"flavor +demo", shown)


def test_every_verb_works_on_it(demo):
    target = "livepatch.demo.api.api_health"
    plain = demo.run("ask('/api/health')").result
    replaced = demo.run(f"%%replace {target}\ndef api_health():\n    return {{'status': 'ours'}}")
    assert "replaced livepatch.demo.api.api_health" in replaced.result
    assert demo.run("ask('/api/health')").result == """'{"status":"ours"}'"""
    assert target in demo.run("%patches").result
    demo.run(f"%patches --off {target}")
    assert "ours" not in demo.run("ask('/api/health')").result
    demo.run(f"%patches --on {target}")
    assert "restored" in demo.run(f"%restore {target}").result
    assert (
        demo.run("ask('/api/health')").result.partition("doing")[0] == plain.partition("doing")[0]
    )


def test_a_cell_runs_on_its_loop(demo):
    code = "%%webui\nimport threading\nthreading.current_thread().name"
    assert demo.run(code).result == "'webui-livepatch.demo'"


def test_a_second_start_is_refused(demo):
    answer = demo.run("%webui start -m livepatch.demo --port 0")
    assert len(answer.message.splitlines()) == 3
    assert "already" in answer.message


def test_a_script_has_its_own_arguments_and_the_notebook_its_main(notebook):
    notebook.run("own = 1\nimport sys\nbefore = list(sys.path)")
    answer = notebook.start(f"{SCRIPT} uvicorn --option 'two words'")
    assert answer.status == "ok", answer.message
    asked = notebook.run("json.loads(ask('/greet'))['arguments']")
    assert asked.result == "['uvicorn', '--option', 'two words']"
    assert notebook.run("__name__, own, sys.modules['__main__'].own").result == "('__main__', 1, 1)"
    assert notebook.run("sys.modules['notebook_webui'].Greeting('hi').shown").result == "'hi'"


def test_the_scripts_own_functions_are_replaced_under_its_name(notebook):
    notebook.start(f"{SCRIPT} uvicorn")
    replaced = notebook.run(
        "%%replace notebook_webui.Derived.greet\n"
        "def greet(self):\n"
        "    return 'patched, ' + super().greet()"
    )
    assert replaced.status == "ok", replaced.message
    assert notebook.run("json.loads(ask('/greet'))['greet']").result == (
        "'patched, the base greets'"
    )
    notebook.run("%restore --all")
    assert notebook.run("json.loads(ask('/greet'))['greet']").result == "'the base greets'"


def test_its_output_goes_below_the_cell_that_started_it(notebook, fresh_client):
    watching = fresh_client(notebook)
    answer = notebook.start(f"{SCRIPT} uvicorn")
    assert answer.status == "ok", answer.message
    asked = notebook.run("_ = ask('/greet')\nprint('mine')")
    assert asked.stdout == "mine\n"

    cells, said = {}, {}
    while "a thread of the webui greets" not in "".join(said.values()):
        message = watching.connection.get_iopub_msg(timeout=30)
        parent = message["parent_header"].get("msg_id")
        if message["msg_type"] == "execute_input":
            cells[parent] = message["content"]["code"]
        elif message["msg_type"] == "stream":
            code = cells[parent]
            said[code] = said.get(code, "") + message["content"]["text"]
    (start,) = [code for code in said if code.startswith("%webui start")]
    assert "the webui greets\na thread of the webui greets\n" in said[start]


@pytest.mark.parametrize("kind", ["aiohttp", "http"])
def test_a_webui_that_asks_for_signals_starts_all_the_same(notebook, kind):
    """Only the main thread may ask, which is the notebook's; the notebook's handlers stay."""
    if kind == "aiohttp":
        pytest.importorskip("aiohttp")
    notebook.run("import signal\nbefore = [signal.getsignal(n) for n in signal.valid_signals()]")
    answer = notebook.start(f"{SCRIPT} {kind}")
    assert answer.status == "ok", answer.message
    assert "the base greets" in notebook.run("ask('/greet')").result
    same = "[signal.getsignal(n) for n in signal.valid_signals()] == before"
    assert notebook.run(same).result == "True"
    stopped = notebook.run_and_interrupt("import time; time.sleep(60)")
    assert stopped.error == "KeyboardInterrupt"
    assert "the base greets" in notebook.run("ask('/greet')").result


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"{SCRIPT} fail", "RuntimeError: no model found"),
        (f"{SCRIPT} leave", "SystemExit: wrong option"),
        ("nowhere.py", "there is no file"),
        ("-m no_such_module_anywhere", "No module named"),
    ],
)
def test_a_start_that_fails_says_why_and_can_be_tried_again(notebook, line, found):
    notebook.run("import sys\nbefore = list(sys.argv)")
    answer = notebook.run(f"%webui start {line}")
    assert answer.status == "error"
    assert found in answer.message.splitlines()[1]
    assert len(answer.message.splitlines()) == 3
    assert notebook.run("sys.argv == before").result == "True"
    assert notebook.start(f"{SCRIPT} uvicorn").status == "ok"


def test_a_script_that_ends_by_itself_leaves_the_notebook_as_it_was(notebook):
    notebook.run(
        "import signal, socket, sys, threading\n"
        "def state():\n"
        "    return [sys.argv, sys.stdout, sys.stderr, signal.signal, signal.set_wakeup_fd,\n"
        "        'listen' in vars(socket.socket), vars(threading.Thread)['start']]\n"
        "before = state()"
    )
    answer = notebook.run(f"%webui start {SCRIPT} end")
    assert "ended without starting a server" in answer.result
    assert notebook.run("state() == before").result == "True"


def test_a_webui_that_the_notebooks_own_code_started(notebook):
    notebook.run(
        "import threading, uvicorn\n"
        "from fastapi import FastAPI\n"
        "app = FastAPI()\n"
        "@app.get('/greet')\n"
        "def greet():\n"
        "    return {'greet': 'hello'}\n"
        "server = uvicorn.Server(uvicorn.Config(app, port=0, log_level='warning'))\n"
        "threading.Thread(target=server.run, name='own server', daemon=True).start()\n"
        "import time, livepatch as lp\n"
        "while lp.host().address is None: time.sleep(0.01)\n"
        "address = lp.host().address"
    )
    assert re.search(r"loop .*own server", notebook.run("%webui").result)
    code = "%%webui\nthreading.current_thread().name"
    assert notebook.run(code).result == "'own server'"


def test_a_webui_on_the_notebooks_own_loop_is_told_to_be_there_already(notebook):
    notebook.run(
        "import asyncio, uvicorn\n"
        "from fastapi import FastAPI\n"
        "app = FastAPI()\n"
        "config = uvicorn.Config(app, port=0, log_level='warning', loop='none')\n"
        "server = uvicorn.Server(config)\n"
        "task = asyncio.get_running_loop().create_task(server.serve())\n"
        "while not server.started: await asyncio.sleep(0.01)"
    )
    answer = notebook.run("%%webui\n1")
    assert answer.error == "HostUnsupported"
    assert "leave %%webui out" in answer.message
    notebook.run("server.should_exit = True\nawait task")


def test_stop_ends_a_cell_on_the_webuis_loop(demo):
    answer = demo.run_and_interrupt(
        "%%webui\nimport asyncio\nprint('waiting', flush=True)\nawait asyncio.sleep(60)", waits=True
    )
    assert answer.error == "KeyboardInterrupt"
    assert demo.run("ask('/api/health')").status == "ok"


def test_with_nest_asyncio_a_function_that_calls_asyncio_run_runs_from_a_cell(notebook):
    notebook.start(f"{SCRIPT} uvicorn")
    call = "sys.modules['notebook_webui'].run_a_coroutine()"
    refused = notebook.run(f"import sys\n{call}")
    assert (refused.error, "running event loop" in refused.message) == ("RuntimeError", True)
    assert notebook.run("%config LivePatch.nest_asyncio = True").status == "ok"
    assert notebook.run(call).result == "'ran'"
    assert "the base greets" in notebook.run("ask('/greet')").result
    back = notebook.run("%config LivePatch.nest_asyncio = False")
    assert "restart the kernel" in back.stderr.splitlines()[2]
    assert notebook.run("%config LivePatch").stdout.count("Current: True") == 1


def test_nest_asyncio_is_refused_in_a_webuis_process(kernel_client):
    kernel_client.run("%load_ext livepatch\nimport asyncio\ntask = asyncio.Task")
    answer = kernel_client.run("%config LivePatch.nest_asyncio = True")
    assert len(answer.stderr.splitlines()) == 3
    assert "asyncio's Task for the whole process" in answer.stderr
    assert "Current: False" in kernel_client.run("%config LivePatch").stdout
    assert kernel_client.run("asyncio.Task is task").result == "True"


def test_start_is_refused_in_a_webuis_process(kernel_client):
    kernel_client.run("%load_ext livepatch")
    answer = kernel_client.run(f"%webui start {SCRIPT} uvicorn")
    assert answer.error == "HostUnsupported"
    assert "already runs inside a webui" in answer.message
