"""A front end's requests: completion, inspection, restart, shutdown, information."""

from __future__ import annotations

import json
import stat

import pytest


def test_the_connection_file_is_the_users_alone_and_says_whose_it_is(kernel_webui):
    path = kernel_webui.connection_file
    content = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert content["livepatch"] == {"name": "tests"}
    assert (content["transport"], content["key"]) == ("ipc", "a key of the tests")
    assert not [other for other in path.parent.iterdir() if other.name.startswith(".kernel.json")]


def test_cells_find_what_the_webui_gave_them(kernel_client):
    assert kernel_client.run("given").result == "'from the webui'"
    assert "FastAPI" in kernel_client.run("type(app)").result


def test_names_are_completed(kernel_client):
    kernel_client.run("a_long_name = 1")
    reply = kernel_client.ask("complete_request", {"code": "a_long", "cursor_pos": 6})
    assert (reply["matches"], reply["cursor_start"]) == (["a_long_name"], 0)


def test_objects_are_inspected(kernel_client):
    kernel_client.run("def documented():\n    'What it is for.'")
    reply = kernel_client.connection.inspect("documented", reply=True, timeout=10)
    assert "What it is for." in reply["content"]["data"]["text/plain"]


def test_unfinished_code_is_recognised(kernel_client):
    assert kernel_client.ask("is_complete_request", {"code": "for i in range(2):"}) == {
        "status": "incomplete",
        "indent": "    ",
    }


def test_earlier_cells_can_be_recalled(kernel_client):
    kernel_client.run("'recall this'", store_history=True)
    assert "recall this" in kernel_client.run("%history").stdout


def test_history_is_kept_in_memory_without_a_thread(kernel_client, kernel_webui):
    kernel_client.run("'recall this'", store_history=True)
    kept = kernel_client.run(
        "import threading\n"
        "manager = get_ipython().history_manager\n"
        "manager.enabled, manager.hist_file, [t for t in threading.enumerate() if 'History' in"
        " t.name]"
    )
    assert kept.result == "(False, ':memory:', [])"
    assert list(kernel_webui.folder.rglob("*.sqlite")) == []


def test_a_cell_runs_in_a_module_of_its_own(kernel_client):
    assert kernel_client.run("__name__").result == "'livepatch_notebook'"
    assert kernel_client.run("import __main__\n__main__.folder is not None").result == "True"


def test_classes_of_a_cell_can_be_pickled(kernel_client):
    code = "import pickle\nclass Point: pass\ntype(pickle.loads(pickle.dumps(Point()))) is Point"
    assert kernel_client.run(code).result == "True"


def test_get_ipython_answers_in_cells_only(kernel_client, kernel_webui):
    assert (
        "NotebookShell"
        in kernel_client.run("from IPython import get_ipython\nget_ipython()").result
    )
    asked_by_a_cell = kernel_client.run(
        "import json, urllib.request\n"
        f"json.load(urllib.request.urlopen('http://127.0.0.1:{kernel_webui.port}/get_ipython'))"
    )
    expected = {"get_ipython": "None", "initialized": False, "in_cell": False}
    assert (
        json.loads(asked_by_a_cell.result.replace("'", '"').replace("False", "false")) == expected
    )
    assert kernel_webui.get("/get_ipython") == expected


def test_the_webui_tells_about_itself_while_a_cell_runs(kernel_client):
    told = []

    def ask(printed):
        if "waiting" in printed:
            told.append(kernel_client.control("livepatch_info_request"))
            kernel_client.interrupt()

    kernel_client.run("import time\nprint('waiting', flush=True)\ntime.sleep(30)", when_printed=ask)
    assert told == [{"status": "ok", "flavor": "tests", "thread": "Control"}]


def test_information_that_fails_is_an_answer_too(kernel_client):
    kernel_client.run("import __main__\n__main__.info_fails = True")
    reply = kernel_client.control("livepatch_info_request")
    kernel_client.run("__main__.info_fails = False")
    assert reply == {"status": "error", "ename": "RuntimeError", "evalue": "no information today"}


@pytest.mark.parametrize(
    "code", ["exit()", "quit()", "import sys; sys.exit(3)", "raise SystemExit"]
)
def test_exit_in_a_cell_leaves_kernel_and_webui_running(kernel_client, kernel_webui, code):
    answer = kernel_client.run(code)
    assert all(payload.get("keepkernel", True) for payload in answer.payload)
    assert kernel_client.run("'lives on'").result == "'lives on'"
    assert kernel_webui.get("/hello") == {"hello": "world"}


def test_exit_in_a_task_that_a_cell_left_leaves_the_kernel_running(kernel_client):
    kernel_client.run(
        "import asyncio, sys\n"
        "async def leave():\n"
        "    sys.exit(3)\n"
        "task = asyncio.get_running_loop().create_task(leave())\n"
        "await asyncio.sleep(0)"
    )
    kernel_client.run("task.exception()  # asked for, so that nothing complains")
    assert kernel_client.run("'lives on'").result == "'lives on'"


def test_shutdown_lets_the_client_go_and_nothing_else(kernel_client, kernel_webui):
    kernel_client.run("kept = 'still here'")
    reply = kernel_client.control("shutdown_request", {"restart": False})
    assert reply == {"status": "ok", "restart": False}
    assert kernel_client.run("kept").result == "'still here'"
    assert kernel_webui.get("/hello") == {"hello": "world"}


def test_a_restart_gives_a_fresh_namespace_and_extensions_load_again(kernel_client):
    kernel_client.run("%load_ext an_extension")
    assert kernel_client.run("mine = 1\n%ours").result == "'magic 1'"

    assert kernel_client.control("shutdown_request", {"restart": True})["restart"] is True

    assert kernel_client.run("'mine' in globals(), given").result == "(False, 'from the webui')"
    assert "not found" in kernel_client.run("%ours").stderr
    kernel_client.run("import an_extension")
    kernel_client.run("%load_ext an_extension")
    assert kernel_client.run("%ours").result == "'magic 2'"
    assert kernel_client.run("an_extension.unloads").result == "0"
    kernel_client.run("before = an_extension.reports")
    assert kernel_client.run("an_extension.reports - before").result == "1"
    assert kernel_client.run("%time 1").status == "ok"


@pytest.mark.parametrize("caught", ["KeyboardInterrupt", "ZeroDivisionError"])
def test_a_restart_ends_the_cell_that_runs_and_those_that_wait(kernel_client, caught):
    connection = kernel_client.connection
    waiting = []

    def restart(printed):
        if "runs" not in printed:
            return
        subshell = kernel_client.control("create_subshell_request")["subshell_id"]
        waiting.append(connection.execute("waited = True"))
        # The kernel takes messages up in turn: with this one answered, the cell has arrived.
        message = connection.session.msg("kernel_info_request")
        message["header"]["subshell_id"] = subshell
        connection.shell_channel.send(message)
        assert connection.get_shell_msg(timeout=30)["msg_type"] == "kernel_info_reply"
        kernel_client.control("delete_subshell_request", {"subshell_id": subshell})
        assert kernel_client.control("shutdown_request", {"restart": True})["status"] == "ok"

    code = (
        "import time\n"
        "running = True\n"
        "try:\n"
        "    print('runs', flush=True); time.sleep(60)\n"
        f"except {caught}:\n"
        "    pass"
    )
    answer = kernel_client.run(code, when_printed=restart)
    assert answer.status == ("ok" if caught == "KeyboardInterrupt" else "error")
    reply = connection.get_shell_msg(timeout=30)
    assert [reply["parent_header"]["msg_id"]] == waiting
    assert reply["content"]["status"] == "aborted"
    answer = kernel_client.run("'running' in globals(), 'waited' in globals()")
    assert answer.result == "(False, False)"


def test_counting_starts_afresh_after_a_restart(kernel_client):
    kernel_client.run("1")
    kernel_client.control("shutdown_request", {"restart": True})
    answer = kernel_client.run("In[1:], Out")
    assert (answer.number, answer.result) == (1, "(['In[1:], Out'], {})")


def test_names_are_completed_after_a_restart(kernel_client):
    kernel_client.run("name_before = 1")
    kernel_client.control("shutdown_request", {"restart": True})
    kernel_client.run("name_after = 1")
    completed = kernel_client.ask("complete_request", {"code": "name_", "cursor_pos": 5})
    assert completed["matches"] == ["name_after"]


def test_classes_of_a_cell_can_be_pickled_after_a_restart(kernel_client):
    kernel_client.control("shutdown_request", {"restart": True})
    test_classes_of_a_cell_can_be_pickled(kernel_client)


@pytest.mark.parametrize("ending", ["restart", "stop"])
def test_a_patch_finds_its_notebooks_names_when_that_has_gone(fresh_webui, fresh_client, ending):
    webui = fresh_webui("--attach")
    client = fresh_client(webui)
    client.run(
        "import __main__, livepatch\n"
        "greeting = 'hello from the notebook'\n"
        "def hello():\n"
        "    return {'hello': greeting}\n"
        "def greet():\n"
        "    return 'greeted by ' + greeting\n"
        "livepatch.replace(__main__.hello, hello)\n"
        "__main__.greet = greet"
    )
    patched = {"hello": "hello from the notebook"}
    greeted = {"greet": "greeted by hello from the notebook"}
    assert (webui.get("/hello"), webui.get("/greet")) == (patched, greeted)

    if ending == "restart":
        client.control("shutdown_request", {"restart": True})
        assert client.run("greeting").error == "NameError"
    else:
        webui.get("/detach")

    assert (webui.get("/hello"), webui.get("/greet")) == (patched, greeted)
