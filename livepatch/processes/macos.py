"""What macOS tells of a process: libproc, through ctypes."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

LIBPROC = "/usr/lib/libproc.dylib"
PROC_PIDTBSDINFO = 3
# struct proc_bsdinfo (sys/proc_info.h): the effective, real and saved user, each before its group,
# begin at byte 20; the seconds and microseconds of the start are the last two of its fields.
SIZE, USER, START = 136, 20, 120
PATH_SIZE = 4096  # PROC_PIDPATHINFO_MAXSIZE


def start_time(pid: int) -> str | None:
    """When it started, None when there is no such process or it is another user's."""
    facts = _facts(pid)
    if facts is None:
        return None
    seconds, microseconds = struct.unpack_from("=QQ", facts, START)
    return f"{seconds}.{microseconds:06d}"


def user(pid: int) -> int | None:
    """The number of its user; None when the system does not tell, as of another user's process."""
    facts = _facts(pid)
    return None if facts is None else int(struct.unpack_from("=I", facts, USER)[0])


def users(pid: int) -> list[int]:
    """The numbers of its effective, real and saved user; none if the system does not tell."""
    facts = _facts(pid)
    return [] if facts is None else list(struct.unpack_from("=I4xI4xI", facts, USER))


def program(pid: int) -> str:
    """The path of its program."""
    path = ctypes.create_string_buffer(PATH_SIZE)
    length = _libproc().proc_pidpath(pid, path, PATH_SIZE)
    return path.raw[:length].decode(errors="replace") if length > 0 else ""


def _facts(pid: int) -> bytes | None:
    facts = ctypes.create_string_buffer(SIZE)
    size = _libproc().proc_pidinfo(pid, PROC_PIDTBSDINFO, ctypes.c_uint64(0), facts, SIZE)
    return facts.raw if size == SIZE else None


def _libproc() -> Any:
    return ctypes.CDLL(LIBPROC)


def machine() -> str | None:
    """The number of the machine, in hexadecimal digits; None where the system does not tell."""
    number = ctypes.create_string_buffer(16)
    patience = struct.pack("ll", 1, 0)  # struct timespec: seconds, nanoseconds
    try:
        failed = ctypes.CDLL(None).gethostuuid(number, patience)
    except (AttributeError, OSError):
        return None
    return None if failed else number.raw.hex()
