"""Subshells: cells beside the one that runs, each stopped for itself."""

from __future__ import annotations

from pathlib import Path

import pytest


class Cells:
    """Cells sent to the main shell and to subshells, and what comes of each."""

    def __init__(self, client):
        self.client = client
        self.printed = {}
        self.errors = {}
        self.idle = set()

    def send(self, code, subshell=None):
        message = self.client.connection.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "allow_stdin": False},
        )
        message["header"]["subshell_id"] = subshell
        self.client.connection.shell_channel.send(message)
        cell = message["header"]["msg_id"]
        self.printed[cell] = ""
        return cell

    def until(self, done):
        while not done():
            message = self.client.connection.get_iopub_msg(timeout=30)
            cell = message["parent_header"].get("msg_id")
            content = message["content"]
            if message["msg_type"] == "stream":
                self.printed[cell] = self.printed.get(cell, "") + content["text"]
            elif message["msg_type"] == "error":
                self.errors[cell] = content["ename"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                self.idle.add(cell)

    def until_printed(self, cell, text):
        self.until(lambda: text in self.printed[cell])

    def until_ended(self, *cells):
        self.until(lambda: self.idle.issuperset(cells))

    def interrupt(self, subshell=None):
        message = self.client.connection.session.msg("interrupt_request")
        message["header"]["subshell_id"] = subshell
        self.client.connection.control_channel.send(message)
        reply = self.client.connection.control_channel.get_msg(timeout=30)
        assert reply["content"] == {"status": "ok"}


BUSY = "import time\nprint('runs', flush=True)\ntime.sleep(60)"


@pytest.fixture
def cells(kernel_client):
    kernel_client.run("1")
    yield Cells(kernel_client)
    for subshell in kernel_client.control("list_subshell_request")["subshell_id"]:
        kernel_client.control("delete_subshell_request", {"subshell_id": subshell})
    while kernel_client.connection.shell_channel.msg_ready():
        kernel_client.connection.get_shell_msg(timeout=30)
    assert kernel_client.run("'goes on'").result == "'goes on'"


def create(client):
    reply = client.control("create_subshell_request")
    assert reply["status"] == "ok"
    return reply["subshell_id"]


def test_subshells_are_offered_made_listed_and_deleted(kernel_client):
    info = kernel_client.connection.kernel_info(reply=True, timeout=10)
    assert "kernel subshells" in info["content"]["supported_features"]
    first, second = create(kernel_client), create(kernel_client)
    listed = kernel_client.control("list_subshell_request")["subshell_id"]
    assert set(listed) == {first, second}
    assert kernel_client.control("delete_subshell_request", {"subshell_id": first})["status"] == (
        "ok"
    )
    assert kernel_client.control("list_subshell_request")["subshell_id"] == [second]
    kernel_client.control("delete_subshell_request", {"subshell_id": second})
    unknown = kernel_client.control("delete_subshell_request", {"subshell_id": second})
    assert unknown["status"] == "error"


def test_a_cell_of_a_subshell_runs_while_the_main_shell_is_busy(cells, kernel_client):
    subshell = create(kernel_client)
    busy = cells.send(BUSY)
    cells.until_printed(busy, "runs")
    beside = cells.send(
        "print(in_subshell := get_ipython() is not None)\nprint('beside')", subshell
    )
    cells.until_ended(beside)
    assert cells.printed[beside] == "True\nbeside\n"
    assert busy not in cells.idle
    cells.interrupt()
    cells.until_ended(busy)
    assert cells.errors == {busy: "KeyboardInterrupt"}
    assert "beside" not in cells.printed[busy]
    assert kernel_client.run("in_subshell").result == "True"


def test_stop_ends_the_main_shells_cell_and_then_those_of_subshells(cells, kernel_client):
    subshell = create(kernel_client)
    main, beside = cells.send(BUSY), cells.send(BUSY, subshell)
    cells.until_printed(main, "runs")
    cells.until_printed(beside, "runs")
    cells.interrupt()
    cells.until_ended(main)
    still_there = cells.send("print('main again')")
    cells.until_ended(still_there)
    assert beside not in cells.idle
    cells.interrupt()
    cells.until_ended(beside)
    assert cells.errors == {main: "KeyboardInterrupt", beside: "KeyboardInterrupt"}


def test_a_stop_that_names_a_subshell_ends_its_cell_alone(cells, kernel_client):
    subshell, other = create(kernel_client), create(kernel_client)
    busy = [cells.send(BUSY), cells.send(BUSY, subshell), cells.send(BUSY, other)]
    for cell in busy:
        cells.until_printed(cell, "runs")
    cells.interrupt(subshell)
    cells.until_ended(busy[1])
    assert cells.errors == {busy[1]: "KeyboardInterrupt"}
    cells.interrupt()
    cells.until_ended(busy[0])
    cells.interrupt(other)
    cells.until_ended(busy[2])


def test_a_cell_of_a_subshell_may_await_and_be_stopped(cells, kernel_client):
    subshell = create(kernel_client)
    waiting = cells.send(
        "import asyncio\nprint('runs', flush=True)\nawait asyncio.sleep(60)", subshell
    )
    cells.until_printed(waiting, "runs")
    cells.interrupt()
    cells.until_ended(waiting)
    assert cells.errors == {waiting: "KeyboardInterrupt"}


def test_the_webui_serves_while_both_are_busy(cells, kernel_client, kernel_webui):
    subshell = create(kernel_client)
    loops = "print('runs', flush=True)\nwhile True: pass"
    busy = [cells.send(loops), cells.send(loops, subshell)]
    for cell in busy:
        cells.until_printed(cell, "runs")
    assert [kernel_webui.get("/hello") for _ in range(5)] == [{"hello": "world"}] * 5
    cells.interrupt()
    cells.until_ended(busy[0])
    cells.interrupt()
    cells.until_ended(busy[1])


def test_the_kernel_goes_with_its_subshells(fresh_webui, fresh_client):
    webui = fresh_webui()
    webui.get("/state")
    before = webui.get("/state")
    webui.get("/attach")
    client = fresh_client(webui)
    cells = Cells(client)
    busy = cells.send(BUSY, create(client))
    cells.until_printed(busy, "runs")
    webui.get("/detach")
    now = webui.get("/state")
    assert {name: now[name] for name in before if before[name] != now[name]} == {}


def test_a_subshells_cell_that_cannot_be_stopped_lets_the_kernel_go_when_it_ends(
    fresh_webui, fresh_client
):
    """It fails then, which asks for the lock that ipykernel holds while it waits for the cell."""
    webui = fresh_webui(script=Path(__file__).parents[1] / "apps" / "kernel_life_webui.py")
    webui.get("/state")
    before = webui.get("/state")
    webui.get("/attach")
    client = fresh_client(webui)
    client.run(
        "import threading, kernel_webui\n"
        "lock = threading.Lock(); lock.acquire()\n"
        "def release():\n"
        "    lock.release()\n"
        "kernel_webui.greet = release"
    )
    cells = Cells(client)
    stuck = cells.send("print('runs', flush=True)\nlock.acquire()", create(client))
    cells.until_printed(stuck, "runs")
    client.run(
        "import sys\n"
        "mine = sys._getframe()\n"
        "def is_stuck(frame):\n"
        "    return frame.f_code.co_name == '<module>' and frame.f_lineno == 2\n"
        "while not any(is_stuck(f) for f in sys._current_frames().values() if f is not mine): pass"
    )
    webui.get("/detach")
    now = webui.get("/state")
    assert set(now["threads"]) - set(before["threads"]) >= {"livepatch-kernel"}
    webui.get("/greet")
    webui.get("/ended")
    assert webui.get("/state")["threads"] == before["threads"]
