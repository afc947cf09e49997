"""The command line: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from livepatch.cli import split_run

if TYPE_CHECKING:
    from reach_support import Place


def test_exec_prints_what_the_cell_prints_then_its_last_expression(here: Place) -> None:
    here.start()
    code = "import sys\nprint('a', end='')\nprint('b', file=sys.stderr)\n{'c': 1}"
    found = here.livepatch("exec", "greeter", "-c", code)
    assert (found.stdout, found.stderr, found.returncode) == ("a{'c': 1}\n", "b\n", 0)
    silent = here.livepatch("exec", "-c", "d = 4")
    assert (silent.stdout, silent.stderr, silent.returncode) == ("", "", 0)
    many = here.livepatch("exec", "-c", "for n in range(20000): print(n)")
    assert many.stdout == "".join(f"{n}\n" for n in range(20000))


def test_exec_takes_its_code_from_an_argument_a_file_or_stdin(here: Place) -> None:
    webui = here.start()
    (here.folder / "code.py").write_text("import os\nos.getpid()  # ü\n", encoding="utf-8")
    answer = f"{webui.pid}\n"
    assert here.livepatch("exec", "code.py").stdout == answer
    assert here.livepatch("exec", "greeter", "code.py").stdout == answer
    assert here.livepatch("exec", str(webui.pid), "-c", "os.getpid()").stdout == answer
    for arguments in ([], ["-"], ["greeter"], ["greeter", "-"]):
        found = here.livepatch("exec", *arguments, stdin="import os\nos.getpid()")
        assert (found.stdout, found.stderr) == (answer, "")


def test_exec_of_a_failing_cell_is_exit_code_1_and_a_plain_traceback(here: Place) -> None:
    here.start()
    found = here.livepatch("exec", "-c", "print('before')\n1 / 0")
    assert (found.stdout, found.returncode) == ("before\n", 1)
    assert "ZeroDivisionError: division by zero" in found.stderr
    assert "\x1b" not in found.stderr
    assert here.livepatch("exec", "-c", "%no_such_magic").returncode == 1
    assert here.livepatch("exec", "-c", "x = (").returncode == 1
    assert here.livepatch("exec", "-c", "exit()").returncode == 0
    assert here.livepatch("exec", "-c", "1").returncode == 0


def test_exec_that_cannot_run_is_exit_code_2_and_three_lines(here: Place) -> None:
    for arguments in (["-c", "1"], ["absent", "-c", "1"]):
        found = here.livepatch("exec", *arguments)
        assert (found.stdout, found.returncode) == ("", 2)
        assert len(found.stderr.splitlines()) == 3
    here.start()
    for arguments in (["greeter", "absent.py"], ["greeter", "two", "-c", "1"]):
        found = here.livepatch("exec", *arguments)
        assert (found.stdout, found.returncode) == ("", 2)
        assert len(found.stderr.splitlines()) == 3
    here.start()
    ambiguous = here.livepatch("exec", "-c", "1")
    assert ambiguous.returncode == 2
    assert ambiguous.stderr.count("greeter (pid") == 2


def test_exec_says_when_the_webui_ends_under_it(here: Place) -> None:
    here.start()
    found = here.livepatch("exec", "-c", "import os\nos._exit(5)")
    assert found.returncode == 2
    assert "the webui ended" in found.stderr


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_control_c_interrupts_the_cell_and_not_the_webui(here: Place) -> None:
    webui = here.start()
    code = "import time\nprint('started', flush=True)\nwhile True: time.sleep(0.01)"
    command = [sys.executable, "-m", "livepatch", "exec", "-c", code]
    with subprocess.Popen(
        command,
        env=here.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stderr.rstrip().endswith("KeyboardInterrupt:") or "KeyboardInterrupt" in stderr
    assert webui.get() == "hello"
    assert here.livepatch("exec", "-c", "1").stdout == "1\n"


def test_list_is_a_table_or_json(here: Place) -> None:
    empty = here.livepatch("list", "--json")
    assert (json.loads(empty.stdout), empty.returncode) == ([], 0)
    webui = here.start()
    (record,) = json.loads(here.livepatch("list", "--json").stdout)
    assert list(record) == [
        *("name", "pid", "flavor", "address", "since", "python", "connection_file", "state")
    ]
    assert (record["name"], record["pid"]) == ("greeter", webui.pid)
    assert record["connection_file"] == str(here.runtime / f"greeter-{webui.pid}.json")
    head, line = here.livepatch("list").stdout.splitlines()
    assert head.split()[:2] == ["NAME", "PID"]
    assert line.split()[:2] == ["greeter", str(webui.pid)]


def test_list_answers_while_a_cell_runs(here: Place) -> None:
    here.start()
    command = [sys.executable, "-m", "livepatch", "exec", "-c", "print(1, flush=True)\nwhile 1: 0"]
    with subprocess.Popen(command, env=here.environment, stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        (record,) = json.loads(here.livepatch("list", "--json").stdout)
        assert record["flavor"] is not None
        assert here.livepatch("detach", "greeter").returncode == 0  # interrupts the cell
        busy.wait(30)


def test_several_webuis_are_told_apart_by_name_and_by_pid(here: Place) -> None:
    one, two, twin = (here.start("--name", name) for name in ("One", "two", "two"))
    listed = json.loads(here.livepatch("list", "--json").stdout)
    assert {(record["name"], record["pid"]) for record in listed} == {
        *[("one", one.pid), ("two", two.pid), ("two", twin.pid)]
    }
    assert [record["since"] for record in listed] == sorted(
        (record["since"] for record in listed), reverse=True
    )
    pid = "import os; os.getpid()"
    assert here.livepatch("exec", "one", "-c", pid).stdout == f"{one.pid}\n"
    for webui in (two, twin):
        assert here.livepatch("exec", str(webui.pid), "-c", pid).stdout == f"{webui.pid}\n"
    for arguments in (["two"], []):
        refused = here.livepatch("exec", *arguments, "-c", pid)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 3)
        assert f"two (pid {twin.pid})" in refused.stderr
    assert here.livepatch("detach", str(two.pid)).returncode == 0
    assert here.livepatch("exec", "two", "-c", pid).stdout == f"{twin.pid}\n"


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_console_speaks_to_its_webui_and_leaves_it_running(here: Place, transport: str) -> None:
    pytest.importorskip("jupyter_console")
    webui = here.start("--name", "one", LIVEPATCH_TRANSPORT=transport)
    other = here.start("--name", "two", LIVEPATCH_TRANSPORT=transport)
    for choice in ("one", str(webui.pid)):
        typed = "import os\nprint('pid:', os.getpid())\nexit\n"
        console = here.livepatch("console", choice, stdin=typed)
        assert console.returncode == 0, console.stderr
        assert f"pid: {webui.pid}" in console.stdout
    for running in (webui, other):
        assert running.get() == "hello"
        assert here.livepatch("exec", str(running.pid), "-c", "1").stdout == "1\n"
    refused = here.livepatch("console", "three")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 3)


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_control_c_in_a_console_interrupts_its_cell(here: Place) -> None:
    pytest.importorskip("jupyter_console")
    webui = here.start()
    with subprocess.Popen(
        [sys.executable, "-m", "livepatch", "console"],
        env=here.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as console:
        assert console.stdin is not None
        assert console.stdout is not None
        try:
            console.stdin.write("import time; print('be' + 'gan', flush=True); time.sleep(600)\n")
            console.stdin.flush()
            while "began" not in console.stdout.readline():
                assert console.poll() is None
            console.send_signal(signal.SIGINT)
            said, _ = console.communicate("print('af' + 'ter')\nexit\n", timeout=60)
        finally:
            console.kill()
    assert "KeyboardInterrupt" in said
    assert "after" in said
    assert webui.get() == "hello"


def test_detach_takes_the_kernel_out_and_the_webui_runs_on(here: Place) -> None:
    webui = here.start()
    code = (
        "import livepatch, __main__\n"
        "livepatch.replace('__main__.greeting', lambda: 'patched'); None"
    )
    patched = here.livepatch("exec", "-c", code)
    assert patched.returncode == 0, patched.stderr
    assert webui.get() == "patched"
    found = here.livepatch("detach", "greeter")
    assert found.returncode == 0, found.stderr
    assert webui.get() == "hello"
    assert json.loads(here.livepatch("list", "--json").stdout) == []
    assert here.livepatch("detach", "greeter").returncode == 2
    assert sorted(path.suffix for path in here.runtime.iterdir()) == [".key"]


def test_wrong_usage_is_exit_code_2(here: Place) -> None:
    for arguments in ([], ["absent"], ["detach"], ["run"], ["list", "--absent"]):
        found = here.livepatch(*arguments)
        assert (found.stdout, found.returncode) == ("", 2)
        assert found.stderr.startswith("usage: livepatch")
    version = here.livepatch("--version")
    assert (version.stdout.split()[0], version.returncode) == ("livepatch", 0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["run", "a.py"], ["--name", "b", "-m"]),
        (["run", "--name", "n", "a.py"], ["-h"]),
        (["run", "--name=n", "-m", "a"], ["--", "x"]),
        (["list", "--json"], []),
    ],
)
def test_what_follows_the_script_is_the_scripts(ours: list[str], theirs: list[str]) -> None:
    assert split_run([*ours, *theirs]) == (ours, theirs)
