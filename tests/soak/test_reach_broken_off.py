"""``livepatch attach PID`` is broken off at any moment, and nothing is left in the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from attach_support import BY_HYPNO, STATE_SERVER, attach, threads, with_remote_exec
from attack_support import _injector_of as injector_of

if TYPE_CHECKING:
    from reach_support import Place, RunningWebui

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the cases are Linux's"
)

if BY_HYPNO:
    pytest.importorskip("hypno")

KILLED = """
import os, signal, sys
from livepatch.reach import conversation
talk = conversation.{owner}
real = talk.{name}
count = 0

def instead(*arguments):
    global count
    count += 1
    if count < {nth}:
        return real(*arguments)
    if {first}:
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

talk.{name} = instead
from livepatch.cli import main
sys.exit(main(sys.argv[1:]))
"""
MOMENTS = {
    "when the process has called": ("Door", "next_guest", 2, False),
    "when the process has proved itself": ("Channel", "prove_second", 1, False),
    "when it has proved itself as well": ("Channel", "prove_second", 1, True),
    "when the process has said what it is": ("Channel", "hear", 1, True),
    "when a question has been asked": ("Channel", "say", 1, True),
    "when the order has been given": ("Channel", "say", 2, True),
    "when the kernel runs": ("Conversation", "end", 1, False),
}


def wait_until_alone(webui: RunningWebui) -> None:
    deadline = time.monotonic() + 60
    while threads(webui) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_asker_is_killed(here: Place, moment: str, transport: str) -> None:
    owner, name, nth, first = MOMENTS[moment]
    here.script.write_text(STATE_SERVER)
    python = os.path.realpath(sys.executable)  # -S: without packages, so that ours are lent
    webui = here.serve([python, "-S", str(here.script)], env=here.environment)
    before = webui.get()
    code = KILLED.format(owner=owner, name=name, nth=nth, first=first)
    asker = (sys.executable, "-c", code)
    variables = {"LIVEPATCH_TRANSPORT": transport}
    found = here.livepatch("attach", str(webui.pid), python=asker, **variables)
    assert found.returncode == -signal.SIGKILL, found.stderr
    wait_until_alone(webui)
    assert webui.get() == before
    assert json.loads(here.livepatch("list", "--json").stdout) == []
    assert [path.suffix for path in here.runtime.iterdir() if path.suffix != ".key"] == []
    assert (here.folder / "stderr.txt").read_text() == ""
    attach(here, webui)  # it can be attached to as if nothing had been


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_the_asker_ends_before_the_line_has_come_to_run(here: Place, by: signal.Signals) -> None:
    webui = here.start_unprepared()
    os.kill(webui.pid, signal.SIGSTOP)
    command = [sys.executable, "-m", "livepatch", "attach", str(webui.pid)]
    with subprocess.Popen(
        command, env=here.environment, stderr=subprocess.PIPE, text=True, cwd=here.folder
    ) as asker:
        if BY_HYPNO:
            injector_of(webui.pid)
        while not (here.runtime.is_dir() and [*here.runtime.glob(".ask-*")]):
            time.sleep(0.01)
        asker.send_signal(by)
        assert asker.stderr is not None
        assert asker.stderr.read() == ""
        assert asker.wait() == (130 if by == signal.SIGINT else -by)
    os.kill(webui.pid, signal.SIGCONT)
    assert webui.get() == "hello"
    wait_until_alone(webui)
    assert json.loads(here.livepatch("list", "--json").stdout) == []
    left = {path.suffix: path.read_text() for path in here.runtime.iterdir()}
    assert left in ({}, {".py": ""})  # a main thread that was told of a script has to find one
    assert (here.folder / "stderr.txt").read_text() == ""


@pytest.mark.skipif(not BY_HYPNO, reason="not needed")
def test_a_line_of_which_only_a_part_has_come_is_not_injected() -> None:
    command = [sys.executable, "-m", "livepatch.reach.injector", str(os.getpid())]
    found = subprocess.run(command, input='{"line": "1', capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (5, "", "")


def test_a_script_whose_asker_was_killed_is_disarmed_and_goes_with_its_process(here: Place) -> None:
    webui = here.start_unprepared()
    python = with_remote_exec("import os, signal", "os.kill(os.getpid(), signal.SIGKILL)")
    found = here.livepatch("attach", str(webui.pid), python=python)
    assert found.returncode == -signal.SIGKILL
    (script,) = here.runtime.glob("inject-*.py")
    assert "livepatch_injected" in script.read_text()
    assert script.stat().st_mode & 0o777 == 0o600
    here.livepatch("list")
    assert script.read_text().count("\n") == 1
    assert "livepatch_injected" not in script.read_text()
    assert [path for path in here.runtime.iterdir() if path != script] == []
    webui.end()
    here.livepatch("list")
    assert sorted(here.runtime.iterdir()) == []


def test_what_a_living_asker_has_laid_out_stays(here: Place) -> None:
    here.runtime.mkdir(mode=0o700)
    names = [f".ask-{os.getpid()}-{'0' * 16}", f"inject-{os.getpid()}-{'0' * 16}-{os.getpid()}.py"]
    for name in names:
        (here.runtime / name).write_text("text")
    here.livepatch("list")
    assert {path.name: path.read_text() for path in here.runtime.iterdir()} == dict.fromkeys(
        names, "text"
    )


WITHDRAWN = """
import sys
import livepatch as lp
from livepatch.reach.attach import attach_as_told, current, withdraw

def greeting():
    return "hello"

lp.replace("__main__.greeting", lambda: "hi")
attachment, is_new = attach_as_told("one", sys.argv[1], "ipc")
assert is_new and current() is attachment
assert attach_as_told("two", sys.argv[1], "ipc") == (attachment, False)
withdraw(attachment)
assert current() is None
assert greeting() == "hi"  # the webui's own, which it had before
withdraw(attachment)
"""


def test_a_kernel_that_is_withdrawn_takes_nothing_else_along(here: Place) -> None:
    command = [sys.executable, "-c", WITHDRAWN, str(here.runtime)]
    found = subprocess.run(command, env=here.environment, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert [path.name for path in here.runtime.iterdir()] == ["one.key"]
