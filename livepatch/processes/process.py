"""Facts of a process: whether it lives, is still the same one, whose it is, which Python it runs.

Pids are reused; the start time tells one process from its successor. Linux tells it all in
``/proc``, which takes no import and shows what psutil does not (a start that no clock moves, users
behind ``hidepid``, namespaces); on the other platforms psutil is asked.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PROC = Path("/proc")

# libpython3.11.so.1.0, python311.dll, python3.11, _socket.cpython-311-…; macOS: the framework's
# Python.
PYTHON_FILE = re.compile(
    r"(?:(?:^|[/\\])(?:lib)?python3\.?|\.cpython-3)(\d+)[^/\\]*$"
    r"|Python\.framework/Versions/3\.(\d+)/",
    re.IGNORECASE,
)
PROGRAM_OF_PYTHON = re.compile(r"python[\d.]*(?:\.exe)?", re.IGNORECASE)


# Below /proc/PID/ns, and as people call them. A process with another clock has another start time.
NAMESPACES = {"mnt": "mount", "pid": "pid", "net": "network", "user": "user", "time": "time"}


@dataclass(frozen=True)
class PythonProcess:
    """A running process, as seen from outside.

    Args:
        pid: its id.
        program: the path of its program; empty where the platform does not tell.
        is_python: whether an interpreter runs in it.
        minor: of its Python: 11 for Python 3.11; None where it does not show.
    """

    pid: int
    program: str
    is_python: bool
    minor: int | None


def start_time(pid: int) -> str | None:
    """When the process of that pid started, as an opaque text to compare.

    Args:
        pid: a process id.

    Returns:
        The same text for the same process, None when there is no such process or the platform does
        not tell.
    """
    if not on_linux():
        return told_of(pid, _start)
    fields = _proc_fields(pid)
    return fields[19] if fields is not None else None


def is_alive(pid: int, started: str | None = None) -> bool:
    """Whether that process runs, and is the one that started then.

    Args:
        pid: a process id.
        started: its ``start_time`` from when it was known to run; None leaves the question out.

    Returns:
        False for a process that ended, a zombie, or another process that got the same pid.
    """
    alive = _proc_is_alive(pid) if on_linux() else _psutil_is_alive(pid)
    if not alive or started is None:
        return alive
    now = start_time(pid)
    return now is None or now == started


def owner(pid: int) -> str | None:
    """Whose process it is when it is not ours, None when it is ours.

    Args:
        pid: the id of a running process.

    Returns:
        A name for a message, "user 33"; on Windows the account's.
    """
    uid = user(pid)
    if uid is not None:
        return f"user {uid}" if uid != os.geteuid() else None
    if on_linux():
        return None
    theirs = told_of(pid, lambda process: str(process.username()))
    ours = told_of(os.getpid(), lambda process: str(process.username()))
    return None if theirs == ours else theirs or "another user"


def user(pid: int) -> int | None:
    """The effective user of a running process, None where the system does not tell."""
    found = _uids(pid)
    return found[1] if found else None


def users(pid: int) -> frozenset[int]:
    """All the users that a process is or can become again: real, effective, saved; none if hidden.

    Whoever runs code in a process that was root's and is another user's for the moment is root.
    """
    return frozenset(_uids(pid))


def is_alone(pid: int, uid: int, started: str | None) -> bool:
    """Whether that is still the process that started then, and it can be that one user only."""
    return users(pid) == {uid} and start_time(pid) == started


@dataclass(frozen=True)
class Surroundings:
    """In which world of its own a process lives, as Linux's containers and sandboxes make them.

    Args:
        others: the namespaces that are not ours: "mount", "pid" …; "root folder" after a chroot.
        hidden: why that cannot be told, None when it can.
        pid_inside: what the process's own id is for itself.
    """

    others: tuple[str, ...]
    hidden: str | None
    pid_inside: int


def surroundings(pid: int) -> Surroundings:
    """Compare the world that a process lives in with ours; the same one where there is no /proc."""
    there, here = PROC / str(pid), PROC / "self"
    others = []
    try:
        for file, kind in NAMESPACES.items():
            with contextlib.suppress(FileNotFoundError):  # an older Linux
                if os.readlink(there / "ns" / file) != os.readlink(here / "ns" / file):
                    others.append(kind)
        with contextlib.suppress(FileNotFoundError):
            if "mount" not in others and not (there / "root").samefile(here / "root"):
                others.append("root folder")
    except OSError as error:
        return Surroundings(tuple(others), error.strerror or str(error), pid)
    return Surroundings(tuple(others), None, _pid_inside(pid))


def _pid_inside(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = (PROC / str(pid) / "status").read_text(errors="replace")
        return int(re.findall(r"^NSpid:.*?(\d+)$", status, re.MULTILINE)[-1])
    return pid


def look_at(pid: int) -> PythonProcess:
    """What runs in a process.

    Args:
        pid: the id of a running process of ours.

    Returns:
        What shows from outside.
    """
    if on_linux():
        program, files = _proc_program(pid), _proc_files(pid)
    else:
        program = told_of(pid, lambda process: str(process.exe())) or ""
        files = told_of(pid, _libraries) or []
    found = [match for match in map(PYTHON_FILE.search, [program, *files]) if match]
    minors = [int(match[1] or match[2]) for match in found]
    named_so = PROGRAM_OF_PYTHON.fullmatch(re.split(r"[/\\]", program)[-1]) is not None
    return PythonProcess(
        pid, program, is_python=bool(minors) or named_so, minor=minors[0] if minors else None
    )


def is_at_rest(pid: int) -> bool:
    """Whether the main thread waits in a call to the system, as far as the platform tells."""
    fields = _proc_fields(pid)
    return fields is None or fields[0] == "S"


def _proc_fields(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` after the name (which may hold spaces and brackets)."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _uids(pid: int) -> list[int]:
    """The real, effective, saved and, on Linux, file system's user; empty where none is told.

    Not the owner of the files in ``/proc``, which is root where a core dump is off.
    """
    if not on_linux():
        return told_of(pid, lambda process: [*getattr(process, "uids", list)()]) or []
    try:
        status = (PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return []
    found = re.search(r"^Uid:\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", status, re.MULTILINE)
    return [int(number) for number in found.groups()] if found else []


def _proc_program(pid: int) -> str:
    try:
        return os.readlink(PROC / str(pid) / "exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def _proc_files(pid: int) -> list[str]:
    """The files that are mapped into the process, executables and libraries among them."""
    try:
        maps = (PROC / str(pid) / "maps").read_text(errors="replace")
    except OSError:
        return []
    return list(dict.fromkeys(re.findall(r"/.*$", maps, re.MULTILINE)))


def _proc_is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    fields = _proc_fields(pid)
    if fields is not None:
        return fields[0] not in ("Z", "X")
    try:  # no /proc, or one that hides the processes of other users (hidepid)
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def on_linux() -> bool:
    """Whether ``/proc`` is asked, and psutil is not."""
    return sys.platform.startswith(("linux", "android"))


def told_of(pid: int, question: Callable[[Any], T]) -> T | None:
    """What psutil tells of a process; None where it has ended, or the system keeps it to itself.

    Args:
        pid: its id.
        question: asks the ``psutil.Process``.
    """
    import psutil  # not at the top: where /proc tells enough, nothing waits for it

    try:
        return question(psutil.Process(pid))
    except (psutil.Error, OSError, ValueError, OverflowError):
        return None


def _psutil_is_alive(pid: int) -> bool:
    # Never os.kill(pid, 0): on Windows that is CTRL_C_EVENT, and can end the process.
    import psutil

    if pid <= 0:
        return False
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OverflowError):
        return False


def _start(process: Any) -> str:
    # create_time() of macOS moves with the clock from psutil 7.1 on, in a process that runs on
    # meanwhile. What psutil tells processes apart by does not; Windows hides it now and then.
    _, start = process._ident
    return f"{process.create_time() if start is None else start:.6f}"


def _libraries(process: Any) -> list[str]:
    """The files that are mapped into a process; macOS does not tell."""
    return [mapped.path for mapped in getattr(process, "memory_maps", list)()]
