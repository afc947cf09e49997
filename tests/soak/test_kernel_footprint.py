"""What a kernel changes in its process: a short list while it is there, nothing afterwards."""

from __future__ import annotations

import signal

import pytest
from apps.process_state import SOCKET_READS

# Every part of the process that differs while a kernel is attached, and why.
WHILE_ATTACHED = {
    "sys.stdout itself": "the router: a cell prints into its notebook",
    "sys.stderr itself": "the router: a cell's errors go to its notebook",
    "Thread.start as defined": "a thread that a cell starts prints into that cell",
    "submit as defined": "and so does a job that a cell gives to a pool",
    "redirect_stdout as defined": "a cell redirects what cells print, not what the webui prints",
    "end of redirect_stdout as defined": "likewise",
    "comm.create_comm": "widgets that a cell makes talk to the notebook",
    "comm.get_comm_manager": "widgets that a cell makes talk to the notebook",
    "threads": "the kernel's own: KERNEL_THREADS",
    "atexit": "the connection file goes with the process",
    "the notebook's module": "classes that a cell defines can be pickled",
}

KERNEL_THREADS = {
    "livepatch-kernel",
    "livepatch-door",
    "Control",
    "Heartbeat",
    "IOPub",
    "Shell channel",
}

# What differs besides while a cell runs, and why.
WHILE_A_CELL_RUNS = {
    "time.sleep": "waits of cells are sliced, so that Stop gets through",
    "Condition.wait as defined": "waits of cells are sliced",
    "Thread.join as defined": "waits of cells are sliced",
    "Popen.wait as defined": "waits of cells are sliced",
    "Popen.communicate as defined": "waits of cells are sliced",
    "select.select": "waits of cells are sliced",
    "SelectSelector.select as defined": "waits of cells are sliced",
    "EpollSelector.select as defined": "waits of cells are sliced",
    "SSLSocket.read as defined": "waits of cells are sliced",
    **{f"socket.{name} as defined": "waits of cells are sliced" for name in SOCKET_READS},
    "getpass": "a cell's password is asked for in the notebook",
    "switch interval": "a busy cell leaves the webui more of the time",
}

# What differs besides once a cell failed, and why.
AFTER_AN_ERROR = {"last error": "%debug goes to the last error"}


def differences(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_the_process_differs_by_a_short_list_and_by_nothing_in_the_end(fresh_webui, fresh_client):
    webui = fresh_webui()
    webui.get("/state")  # the first one starts a thread of the webui's pool
    before = webui.get("/state")
    for _ in range(2):
        webui.get("/attach")
        attached = webui.get("/state")
        assert differences(before, attached) == set(WHILE_ATTACHED)
        assert set(attached["threads"]) - set(before["threads"]) == KERNEL_THREADS

        client = fresh_client(webui)
        running = {}

        def look(printed, client=client, running=running):
            if "waiting" in printed:
                running.update(webui.get("/state"))
                client.interrupt()

        client.run("print('waiting', flush=True)\nwhile True: pass", when_printed=look)
        assert differences(attached, running) == set(WHILE_A_CELL_RUNS)
        assert differences(attached, webui.get("/state")) == set(AFTER_AN_ERROR)

        assert client.run("%%bash\necho from a script").stdout == "from a script\n"
        assert client.run("print('x' * 10**6)").stdout == "x" * 10**6 + "\n"
        # Of what is sent without a copy, as a long reply would be, pyzmq makes a thread that stays.
        asked = {"code": "", "user_expressions": {"long": "'x' * 10**6"}}
        reply = client.ask("execute_request", asked)
        assert len(reply["user_expressions"]["long"]["data"]["text/plain"]) == 10**6 + 2
        webui.get("/detach")
        assert differences(before, webui.get("/state")) == set()


def test_a_switch_interval_that_the_webui_sets_while_a_cell_runs_stays(fresh_webui, fresh_client):
    webui = fresh_webui()
    webui.get("/attach")
    fresh_client(webui).run("import sys; sys.setswitchinterval(0.003)")
    assert webui.get("/state")["switch interval"] == "0.003"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_webui_ends_as_without_a_kernel(fresh_webui, fresh_client, number):
    def ending(webui):
        webui.get("/hello")
        code, stdout, stderr = webui.end(number)
        return code, [line for line in stdout if not line.startswith("serving ")], stderr

    alone, attached, detached = fresh_webui(), fresh_webui("--attach"), fresh_webui("--attach")
    assert fresh_client(attached).run("print('of a cell')\n1 / 0").error == "ZeroDivisionError"
    fresh_client(detached).run("1")
    detached.get("/detach")

    expected = ending(alone)
    assert "the webui says hello" in expected[1]
    assert ending(attached) == expected
    assert ending(detached) == expected
    # uvicorn raises SIGTERM again, and no exit call is made: whoever looks for kernels next sweeps.
    assert attached.connection_file.exists() == (number == signal.SIGTERM)


def test_the_webuis_progress_bars_are_those_of_a_terminal(fresh_webui):
    """tqdm takes a process for a notebook by what is in sys.modules."""
    pytest.importorskip("tqdm")
    alone, attached, detached = fresh_webui(), fresh_webui("--attach"), fresh_webui("--attach")
    detached.get("/detach")
    expected = alone.get("/tqdm")
    assert [webui.get("/tqdm") for webui in (attached, detached)] == [expected, expected]
    said = [webui.end(signal.SIGTERM)[2] for webui in (alone, attached, detached)]
    assert said == [[], [], []]
