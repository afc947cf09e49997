"""Windows and macOS: this platform's psutil, asked as there, and stand-ins for what it lacks."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from livepatch.processes import activity, machine, process
from livepatch.reach import attach, companion, lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Library:
    """A stand-in for a library, with what its functions answer."""

    def __init__(self, **answers: Any) -> None:
        for name, answer in answers.items():
            setattr(self, name, answer)


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a Python that waits for a line."""
    processes: list[Any] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "print(flush=True); input()"]
        child: Any = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(child)
        child.stdout.readline()
        return child

    yield start
    for child in processes:
        child.kill()
        if not child.stdin.closed:
            child.communicate()
        child.stdout.close()
        child.wait()


@pytest.fixture(params=["win32", "darwin"])
def elsewhere(request: Any) -> Iterator[Callable[[], None]]:
    """Calling it makes this another platform, on which this one's psutil is asked.

    There is no /proc, and no signal asks whether a process runs, which can end it on Windows.
    """

    def never(*_: object) -> None:
        raise AssertionError("os.kill(pid, 0) can end a process there")

    with pytest.MonkeyPatch.context() as patch:

        def pretend() -> None:
            patch.setattr(sys, "platform", request.param)
            patch.setattr(process, "PROC", Path("/no proc"))
            patch.setattr(os, "kill", never)
            if request.param == "darwin":
                patch.delattr(psutil.Process, "memory_maps")

        yield pretend


def test_elsewhere_a_running_process_is_told_by_its_start(started: Any, elsewhere: Any) -> None:
    child = started()
    elsewhere()
    start = process.start_time(child.pid)
    assert start == process.start_time(child.pid) != process.start_time(1)
    assert process.is_alive(child.pid)
    assert process.is_alive(child.pid, start)
    assert not process.is_alive(child.pid, "1600000000.000042")


def test_elsewhere_a_process_that_ended_or_never_was_is_none(started: Any, elsewhere: Any) -> None:
    child = started()
    elsewhere()
    child.communicate(b"\n")
    assert not process.is_alive(child.pid)
    assert process.start_time(child.pid) is None
    assert (process.look_at(child.pid).program, process.users(child.pid)) == ("", frozenset())
    assert [process.is_alive(pid) for pid in (0, -1, 2**40)] == [False] * 3


def test_elsewhere_a_zombie_has_ended(started: Any, elsewhere: Any) -> None:
    child = started()
    elsewhere()
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is left as it is
    assert not process.is_alive(child.pid)


def test_elsewhere_what_is_hidden_runs(elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hide(asked: psutil.Process) -> str:
        raise psutil.AccessDenied(asked.pid)

    elsewhere()
    for name in ("status", "exe", "memory_maps", "uids", "username"):
        monkeypatch.setattr(psutil.Process, name, hide, raising=False)
    assert process.is_alive(1)
    found = process.look_at(1)
    assert (found.program, found.is_python) == ("", False)


def test_elsewhere_it_is_told_whose_a_process_is(elsewhere: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("a process of another user takes root")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=65534) as child:
        elsewhere()
        assert process.owner(os.getpid()) is None
        assert process.owner(child.pid) == "user 65534"
        assert process.users(child.pid) == {65534}
        assert process.is_alone(child.pid, 65534, process.start_time(child.pid))


def test_windows_names_the_account(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {os.getpid(): r"PC\ann", 1: r"PC\bob"}

    def name(asked: psutil.Process) -> str:
        if asked.pid not in names:
            raise psutil.AccessDenied(asked.pid)
        return names[asked.pid]

    child = started()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(psutil.Process, "uids")
    monkeypatch.setattr(psutil.Process, "username", name)
    assert process.owner(os.getpid()) is None
    assert process.owner(1) == r"PC\bob"
    assert process.owner(child.pid) == "another user"
    names[child.pid] = r"PC\ann"
    assert process.owner(child.pid) is None


def test_elsewhere_a_python_is_told_by_its_files(started: Any, elsewhere: Any) -> None:
    child = started()
    elsewhere()
    found = process.look_at(child.pid)
    assert found.is_python
    assert found.program == os.path.realpath(sys.executable)
    assert found.minor == sys.version_info.minor


def test_windows_tells_a_python_by_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def maps(*names: str) -> Callable[[object], list[Any]]:
        return lambda _: [SimpleNamespace(path=rf"C:\Windows\{name}") for name in names]

    program = r"C:\webui\venv\Scripts\python.exe"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(psutil.Process, "exe", lambda _: program)
    monkeypatch.setattr(psutil.Process, "memory_maps", maps("ntdll.dll", "python311.dll"))
    pid = os.getpid()
    assert process.look_at(pid) == process.PythonProcess(pid, program, is_python=True, minor=11)
    monkeypatch.setattr(psutil.Process, "exe", lambda _: r"C:\Windows\notepad.exe")
    monkeypatch.setattr(psutil.Process, "memory_maps", maps("ntdll.dll"))
    assert not process.look_at(pid).is_python


def test_elsewhere_it_shows_that_a_process_is_stopped(started: Any, elsewhere: Any) -> None:
    child = started()
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    elsewhere()
    assert activity.activity(child.pid).stopped
    ours = activity.activity(os.getpid())
    assert not ours.stopped
    assert ours.seconds > 0
    assert not ours.is_held_up_since(ours, 0.25)


def test_a_start_does_not_move_with_the_clock(elsewhere: Any) -> None:
    if tuple(map(int, psutil.__version__.split(".")[:2])) < (7, 1):
        pytest.skip("an older psutil does not move it")
    elsewhere()
    before = process.start_time(os.getpid())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psutil.Process, "create_time", lambda _: 1600000000.0)
        assert process.start_time(os.getpid()) == before


def test_macos_tells_the_machine_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(number: Any, _patience: Any) -> int:
        number.raw = bytes(range(16))
        return 0

    libraries = [Library(gethostuuid=tell), Library(gethostuuid=lambda *_: 1), Library()]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: libraries.pop(0))
    assert machine.hardware_of_macos() == bytes(range(16)).hex()
    assert (machine.hardware_of_macos(), machine.hardware_of_macos()) == (None, None)


@pytest.mark.parametrize(
    ("path", "is_python", "minor"),
    [
        ("/opt/homebrew/bin/python3.12", True, 12),
        ("/Library/Frameworks/Python.framework/Versions/3.11/Resources/Python.app"
         "/Contents/MacOS/Python", True, 11),
        ("/usr/bin/python3", True, None),
        ("/bin/zsh", False, None),
    ],
)  # fmt: skip
def test_macos_tells_a_python_by_its_path(
    monkeypatch: pytest.MonkeyPatch, path: str, is_python: bool, minor: int | None
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(psutil.Process, "exe", lambda _: path)
    monkeypatch.delattr(psutil.Process, "memory_maps")
    pid = os.getpid()
    assert process.look_at(pid) == process.PythonProcess(pid, path, is_python, minor)


@pytest.mark.parametrize(
    ("file", "minor"),
    [
        ("/usr/bin/python3.11", 11),
        ("/usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0", 13),
        ("/x/lib-dynload/_socket.cpython-310-x86_64-linux-gnu.so", 10),
        ("python314.dll", 14),
        ("/home/me/python3.11-tools/bin/tool", None),
        ("/usr/lib/python3.11/config.so", None),
        ("/usr/bin/ipython3", None),
    ],
)
def test_a_version_of_python_is_told_by_a_files_name(file: str, minor: int | None) -> None:
    found = process.PYTHON_FILE.search(file)
    assert (int(found[1] or found[2]) if found else None) == minor


@pytest.mark.parametrize(("name", "transport"), [("nt", "tcp"), ("posix", "ipc")])
def test_where_there_is_no_ipc_it_is_tcp(
    monkeypatch: pytest.MonkeyPatch, name: str, transport: str
) -> None:
    monkeypatch.setattr(attach, "os", SimpleNamespace(name=name, environ={}))
    assert attach.transport() == transport


def test_windows_waits_for_jupyterlab_where_others_become_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "execve", None)
    command = [sys.executable, "-c", "import sys; sys.exit(3)"]
    assert lab._give_way_to(command, dict(os.environ)) == 3


def test_windows_ends_the_demos_processes_by_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", lambda *signal: ended.append(signal))
    monkeypatch.setattr(sys, "stdin", io.StringIO("11\n12\n"))
    companion.main()
    assert ended == [(11, signal.SIGTERM), (12, signal.SIGTERM)]
    monkeypatch.setattr(sys, "stdin", io.StringIO("11\ndone\n"))
    companion.main()
    assert len(ended) == 2


def test_this_platform_tells_of_this_process() -> None:
    assert process.start_time(os.getpid()) is not None
    assert process.is_alive(os.getpid(), process.start_time(os.getpid()))
    assert process.owner(os.getpid()) is None
    assert process.look_at(os.getpid()).minor == sys.version_info.minor
