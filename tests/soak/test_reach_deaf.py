"""Kernels that hear nothing any more, and processes that are only busy: told apart, and helped."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import KernelManager

from livepatch.reach.hearing import hear
from livepatch.reach.webuis import running_webuis

if TYPE_CHECKING:
    from reach_support import Place, RunningWebui

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and /proc")
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")

PATCH = """
import livepatch as lp
lp.replace("__main__.greeting", "def greeting(): return 'new'")
"""

# The thread of the control channel waits for what never comes, as after an error that ended it.
DEAF = """
import threading
from livepatch.reach.attach import current
current().kernel.kernel.control_thread.io_loop.add_callback(threading.Event().wait)
"""

# The interpreter's lock is not given up, as by an extension in C that was written without care.
HELD_UP = """
import ctypes, os, pathlib, threading, time
def hold_it(sleep=ctypes.PyDLL(None).sleep):
    while not pathlib.Path("hold it").exists():
        time.sleep(0.01)
    os.write(1, b"holds it\\n")
    sleep(120)
threading.Thread(target=hold_it, daemon=True).start()
"""


@pytest.fixture
def deaf(here: Place) -> RunningWebui:
    webui = here.start()
    assert here.livepatch("exec", "-c", PATCH).returncode == 0
    assert here.livepatch("exec", "-c", DEAF).returncode == 0
    return webui


@pytest.fixture(autouse=True)
def _look_there(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in here.environment.items():
        monkeypatch.setenv(name, value)


def states() -> dict[int, str]:
    """What becomes of a question to each kernel, with more time than `list` has."""
    webuis = running_webuis()
    return {w.pid: heard.state for w, heard in zip(webuis, hear(webuis), strict=True)}


def test_a_deaf_kernel_is_listed_as_such_beside_one_that_answers(
    here: Place, deaf: RunningWebui
) -> None:
    hearing = here.start("--name", "hears")
    # The cell that runs is no reason not to answer.
    with here.running_cell("hears", "import time; time.sleep(60)"):
        assert states() == {deaf.pid: "no answer", hearing.pid: "answers"}
        listed = json.loads(here.livepatch("list", "--json").stdout)
        assert {entry["pid"]: entry["state"] for entry in listed}[deaf.pid] == "no answer"
        assert "no answer" in here.livepatch("list").stdout


@pytest.mark.parametrize(
    "command",
    [["exec", "-c", "1"], ["attach", "PID"], ["detach", "PID"], ["console"], ["lab"]],
    ids=lambda command: command[0],
)
def test_who_wants_a_deaf_kernel_is_told_and_offered_a_new_one(
    here: Place, deaf: RunningWebui, command: list[str]
) -> None:
    done = here.livepatch(*[word.replace("PID", str(deaf.pid)) for word in command])
    assert done.returncode == 2
    _asked, found, advice = done.stderr.splitlines()
    assert "gave no answer within 5 s" in found
    assert advice.endswith(f"livepatch attach {deaf.pid} --new-kernel")
    assert deaf.get() == "new"


def test_a_jupyter_client_is_told_why_it_gets_no_kernel(deaf: RunningWebui) -> None:
    manager = KernelManager(kernel_name="livepatch-greeter")
    with pytest.raises(Exception, match=f"livepatch attach {deaf.pid} --new-kernel") as refused:
        manager.start_kernel()
    assert getattr(refused.value, "status_code", None) == 409
    manager.context.destroy()


def test_a_new_kernel_takes_the_place_of_a_deaf_one_and_the_patches_stay(
    here: Place, deaf: RunningWebui
) -> None:
    done = here.livepatch("attach", str(deaf.pid), "--new-kernel")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"attached to greeter (pid {deaf.pid})")
    assert states() == {deaf.pid: "answers"}
    code = "import livepatch as lp; print(len(lp.patches()), len(lp.journal))"
    assert here.livepatch("exec", "-c", code).stdout == "1 1\n"
    assert deaf.get() == "new"
    assert here.livepatch("detach", "greeter").returncode == 0
    assert deaf.get() == "hello"
    assert running_webuis() == []


def test_no_new_kernel_takes_the_place_of_one_that_answers(here: Place) -> None:
    webui = here.start()
    assert here.livepatch("exec", "-c", "kept = 1").returncode == 0
    done = here.livepatch("attach", str(webui.pid), "--new-kernel")
    assert done.returncode == 0
    assert here.livepatch("exec", "-c", "kept").stdout == "1\n"


@on_linux
def test_a_process_that_is_stopped_is_busy_and_gets_no_other_kernel(here: Place) -> None:
    webui = here.start()
    os.kill(webui.pid, signal.SIGSTOP)
    assert states() == {webui.pid: "busy"}
    for command in (["exec", "-c", "1"], ["attach", str(webui.pid), "--new-kernel"]):
        done = here.livepatch(*command)
        assert done.returncode == 2
        _asked, found, advice = done.stderr.splitlines()
        assert "is stopped, by a signal or a debugger" in found
        assert f"kill -CONT {webui.pid}" in advice
    os.kill(webui.pid, signal.SIGCONT)
    assert here.livepatch("exec", "-c", "6 * 7").stdout == "42\n"


@on_linux
def test_a_process_whose_interpreter_is_held_up_is_busy(here: Place) -> None:
    webui = here.start()
    assert here.livepatch("exec", "-c", HELD_UP).returncode == 0
    (here.folder / "hold it").touch()  # not before `exec` has ended: it waits for the interpreter
    assert webui.process.stdout is not None
    assert webui.process.stdout.readline() == "holds it\n"
    here.wait_until_it_is_silent(webui)
    assert states() == {webui.pid: "busy"}
    done = here.livepatch("attach", str(webui.pid), "--new-kernel")
    assert done.returncode == 2
    assert "is busy: something in its process let no other thread run" in done.stderr
