"""Is that process alive, and is it still the same one? Pids are reused; the start time tells."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROC = Path("/proc")


def start_time(pid: int) -> str | None:
    """When the process of that pid started, as an opaque text to compare.

    Args:
        pid: a process id.

    Returns:
        The same text for the same process, None when there is no such process or the platform does
        not tell.
    """
    if sys.platform == "win32":
        return _windows_start_time(pid)
    if sys.platform == "darwin":
        return _macos_start_time(pid)
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
    if sys.platform == "win32":
        alive = _windows_start_time(pid) is not None
    else:
        alive = _posix_is_alive(pid)
    if not alive or started is None:
        return alive
    now = start_time(pid)
    return now is None or now == started


def _proc_fields(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` after the name (which may hold spaces and brackets)."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _posix_is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    if (PROC / "self" / "stat").exists():
        fields = _proc_fields(pid)
        return fields is not None and fields[0] not in ("Z", "X")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if sys.platform == "darwin":

    def _macos_start_time(pid: int) -> str | None:
        import ctypes
        import struct

        # struct proc_bsdinfo (sys/proc_info.h): 136 bytes, seconds and microseconds of the start
        # are the last two.
        information, flavor = ctypes.create_string_buffer(136), 3
        libproc = ctypes.CDLL("/usr/lib/libproc.dylib")
        if libproc.proc_pidinfo(pid, flavor, ctypes.c_uint64(0), information, 136) != 136:
            return None
        seconds, microseconds = struct.unpack_from("=QQ", information.raw, 120)
        return f"{seconds}.{microseconds:06d}"


if sys.platform == "win32":

    def _windows_start_time(pid: int) -> str | None:
        """The creation time of a running process.

        Never ``os.kill(pid, 0)`` here: that is CTRL_C_EVENT and can end the process.
        """
        import ctypes
        from ctypes import wintypes

        query_limited_information, still_active = 0x1000, 259
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.OpenProcess.restype = wintypes.HANDLE
        kernel32.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
        kernel32.GetExitCodeProcess.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]
        kernel32.GetProcessTimes.argtypes = [
            wintypes.HANDLE,
            *[ctypes.POINTER(wintypes.FILETIME)] * 4,
        ]
        kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
        handle = kernel32.OpenProcess(query_limited_information, False, pid)
        if not handle:
            return None
        try:
            exit_code, times = wintypes.DWORD(), [wintypes.FILETIME() for _ in range(4)]
            if not kernel32.GetExitCodeProcess(handle, ctypes.byref(exit_code)):
                return None
            if exit_code.value != still_active:
                return None
            if not kernel32.GetProcessTimes(handle, *map(ctypes.byref, times)):
                return None
            return f"{times[0].dwHighDateTime}.{times[0].dwLowDateTime}"
        finally:
            kernel32.CloseHandle(handle)
