"""Windows and macOS, by stand-ins that record the exact calls to their libraries."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import struct
import sys
from ctypes import wintypes
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from livepatch.processes import macos, process
from livepatch.reach import attach, companion, lab

if TYPE_CHECKING:
    from pathlib import Path

PID = 4711
HANDLE = 0x1_0000_0044  # would be another one in 32 bits
STILL_ACTIVE = 259


class Function:
    """A function of a library: notes its calls, and has ctypes' attributes."""

    def __init__(self, library: Library, name: str, answer: Any) -> None:
        self._library, self._name, self._answer = library, name, answer

    def __call__(self, *arguments: Any) -> Any:
        plain = tuple(getattr(argument, "value", argument) for argument in arguments)
        simple = tuple(value for value in plain if isinstance(value, (int, bool)))
        self._library.calls.append((self._name, *simple))
        return self._answer(*arguments) if callable(self._answer) else self._answer


class Library:
    """A stand-in for a library, with what its functions answer."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for name, answer in answers.items():
            setattr(self, name, Function(self, name, answer))


def kernel32(*, opens: int | None = HANDLE, exit_code: int = STILL_ACTIVE, **facts: Any) -> Library:
    """What Windows says of one process."""
    libraries: list[str] = facts.get("libraries", [])

    def get_exit_code(_handle: int, code: Any) -> int:
        code._obj.value = exit_code
        return 1

    def get_times(_handle: int, creation: Any, *_: Any) -> int:
        creation._obj.dwHighDateTime, creation._obj.dwLowDateTime = 31, 27
        return 1

    def query_name(_handle: int, _flags: int, path: Any, size: Any) -> int:
        assert size._obj.value == len(path)
        path.value = facts.get("program", "")
        return int(bool(path.value))

    def list_modules(_handle: int, modules: Any, size: int, needed: Any, which: int) -> int:
        assert (size, which) == (ctypes.sizeof(modules), 3)
        for number in range(len(libraries)):
            modules[number] = HANDLE + number
        needed._obj.value = len(libraries) * ctypes.sizeof(wintypes.HMODULE)
        return 1

    def module_name(_handle: int, module: Any, name: Any, size: int) -> int:
        assert size == len(name)
        name.value = libraries[module.value - HANDLE]
        return len(name.value)

    return Library(
        OpenProcess=opens,
        CloseHandle=1,
        GetExitCodeProcess=get_exit_code,
        GetProcessTimes=get_times,
        QueryFullProcessImageNameW=query_name,
        K32EnumProcessModulesEx=list_modules,
        K32GetModuleBaseNameW=module_name,
    )


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Windows, with one process of which that library tells."""

    def never(*_: object) -> None:
        raise AssertionError("os.kill(pid, 0) can end a process there")

    def pretend(library: Library) -> Library:
        def load(name: str, use_last_error: bool) -> Library:
            assert (name, use_last_error) == ("kernel32", True)
            return library

        monkeypatch.setattr(ctypes, "WinDLL", load, raising=False)
        return library

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", never)
    return pretend


def test_windows_tells_a_running_process_and_its_start(on_windows: Any) -> None:
    library = on_windows(kernel32())
    assert process.start_time(PID) == "31.27"
    assert library.calls == [
        ("OpenProcess", 0x1000, False, PID),
        ("GetExitCodeProcess", HANDLE),
        ("GetProcessTimes", HANDLE),
        ("CloseHandle", HANDLE),
    ]
    assert library.OpenProcess.restype is wintypes.HANDLE
    assert library.CloseHandle.argtypes == [wintypes.HANDLE]
    assert process.is_alive(PID)
    assert process.is_alive(PID, "31.27")
    assert not process.is_alive(PID, "31.26")


def test_windows_tells_a_process_that_ended_or_never_was(on_windows: Any) -> None:
    ended = on_windows(kernel32(exit_code=0))  # somebody still holds a handle
    assert not process.is_alive(PID)
    assert process.start_time(PID) is None
    assert ended.calls.count(("CloseHandle", HANDLE)) == 2
    absent = on_windows(kernel32(opens=None))
    assert not process.is_alive(PID)
    assert absent.calls == [("OpenProcess", 0x1000, False, PID)]


def test_windows_tells_a_python_by_its_library(on_windows: Any) -> None:
    program = r"C:\webui\venv\Scripts\python.exe"
    library = on_windows(kernel32(program=program, libraries=["python.exe", "python311.dll"]))
    found = process.look_at(PID)
    assert found == process.PythonProcess(PID, program, is_python=True, minor=11)
    assert ("OpenProcess", 0x0410, False, PID) in library.calls
    assert library.calls.count(("CloseHandle", HANDLE)) == 2
    on_windows(kernel32(program=r"C:\Windows\notepad.exe", libraries=["notepad.exe", "ntdll.dll"]))
    assert not process.look_at(PID).is_python


def test_windows_tells_a_process_that_is_not_ours(on_windows: Any) -> None:
    ours = on_windows(kernel32())
    assert process.owner(PID) is None
    assert ours.calls == [("OpenProcess", 0x043A, False, PID), ("CloseHandle", HANDLE)]
    on_windows(kernel32(opens=None))
    assert process.owner(PID) == "another user"


def libproc(*, uid: int = 501, path: str = "/usr/bin/true", known: bool = True) -> Library:
    """What macOS says of one process."""

    def information(_pid: int, _flavor: int, _arg: Any, facts: Any, size: int) -> int:
        if not known:
            return 0
        struct.pack_into("=I", facts, 20, uid)
        struct.pack_into("=QQ", facts, 120, 1700000000, 42)
        return size

    def program(_pid: int, buffer: Any, _size: int) -> int:
        buffer.value = path.encode()
        return len(path)

    return Library(proc_pidinfo=information, proc_pidpath=program)


@pytest.fixture
def on_macos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """macOS: no /proc, and a library that tells of one process."""

    def pretend(library: Library) -> Library:
        def load(path: str) -> Library:
            assert path == "/usr/lib/libproc.dylib"
            return library

        monkeypatch.setattr(ctypes, "CDLL", load)
        return library

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(process, "PROC", tmp_path / "no proc")
    return pretend


def test_macos_tells_a_process_by_libproc(on_macos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    library = on_macos(libproc())
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *signal: signals.append(signal))
    assert process.start_time(PID) == "1700000000.000042"
    assert library.calls == [("proc_pidinfo", PID, 3, 0, 136)]
    assert process.is_alive(PID, "1700000000.000042")
    assert not process.is_alive(PID, "1600000000.000042")
    assert signals == [(PID, 0), (PID, 0)]


def test_macos_tells_the_machine_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(number: Any, _patience: Any) -> int:
        number.raw = bytes(range(16))
        return 0

    libraries = [Library(gethostuuid=tell), Library(gethostuuid=1), SimpleNamespace()]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: libraries.pop(0))
    assert macos.machine() == bytes(range(16)).hex()
    assert (macos.machine(), macos.machine()) == (None, None)


def test_macos_tells_whose_process_it_is(on_macos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    on_macos(libproc())
    assert process.owner(PID) is None
    on_macos(libproc(uid=502))
    assert process.owner(PID) == "user 502"
    on_macos(libproc(known=False))  # another user's, unless we are root
    assert process.owner(PID) == "another user"


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
    on_macos: Any, path: str, is_python: bool, minor: int | None
) -> None:
    library = on_macos(libproc(path=path))
    assert process.look_at(PID) == process.PythonProcess(PID, path, is_python, minor)
    assert library.calls == [("proc_pidpath", PID, 4096)]


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
