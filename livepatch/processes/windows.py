"""What Windows tells of a process: kernel32, through ctypes.

Never ``os.kill(pid, 0)`` there: that is CTRL_C_EVENT and can end the process.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from ctypes import wintypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY_LIMITED_INFORMATION = 0x1000
# What an injector needs: PROCESS_CREATE_THREAD, VM_OPERATION, VM_READ, VM_WRITE, QUERY_INFORMATION.
INJECT = 0x0002 | 0x0008 | 0x0010 | 0x0020 | 0x0400
READ_MODULES = 0x0010 | 0x0400
STILL_ACTIVE = 259
LIST_MODULES_ALL = 3
PATH_SIZE = 32768
MODULES = 2048


def start_time(pid: int) -> str | None:
    """When it started, None when there is no such process or it has ended."""
    with _opened(pid, QUERY_LIMITED_INFORMATION) as (kernel32, handle):
        if handle is None or not _is_active(kernel32, handle):
            return None
        times = [wintypes.FILETIME() for _ in range(4)]
        if not kernel32.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return None
        return f"{times[0].dwHighDateTime}.{times[0].dwLowDateTime}"


def is_alive(pid: int) -> bool:
    """Whether such a process runs."""
    with _opened(pid, QUERY_LIMITED_INFORMATION) as (kernel32, handle):
        return handle is not None and _is_active(kernel32, handle)


def may_be_attached_to(pid: int) -> bool:
    """Whether this user may put code into it."""
    with _opened(pid, INJECT) as (_, handle):
        return handle is not None


def program(pid: int) -> str:
    """The path of its program."""
    with _opened(pid, QUERY_LIMITED_INFORMATION) as (kernel32, handle):
        path, size = ctypes.create_unicode_buffer(PATH_SIZE), wintypes.DWORD(PATH_SIZE)
        if handle is None or not kernel32.QueryFullProcessImageNameW(
            handle, 0, path, ctypes.byref(size)
        ):
            return ""
        return path.value


def modules(pid: int) -> list[str]:
    """The names of the libraries that are loaded in it."""
    with _opened(pid, READ_MODULES) as (kernel32, handle):
        loaded, size = (wintypes.HMODULE * MODULES)(), wintypes.DWORD()
        if handle is None or not kernel32.K32EnumProcessModulesEx(
            handle, loaded, ctypes.sizeof(loaded), ctypes.byref(size), LIST_MODULES_ALL
        ):
            return []
        found = loaded[: size.value // ctypes.sizeof(wintypes.HMODULE)]
        return list(filter(None, (_name_of(kernel32, handle, module) for module in found)))


def machine() -> str | None:
    """What Windows calls the machine in its registry; None where it does not tell."""
    try:
        import winreg

        path = r"SOFTWARE\Microsoft\Cryptography"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
            value, _ = winreg.QueryValueEx(key, "MachineGuid")  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, OSError):
        return None
    return str(value)


def _name_of(kernel32: Any, handle: int, module: int | None) -> str:
    name = ctypes.create_unicode_buffer(260)
    kernel32.K32GetModuleBaseNameW(handle, wintypes.HMODULE(module), name, len(name))
    return name.value


def _is_active(kernel32: Any, handle: int) -> bool:
    code = wintypes.DWORD()
    answered = kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
    return bool(answered) and code.value == STILL_ACTIVE


@contextmanager
def _opened(pid: int, access: int) -> Iterator[tuple[Any, int | None]]:
    """The library and a handle of the process, None where there is none or it may not be opened."""
    # Not there on other platforms, but for the stand-in of the tests.
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    # Handles are pointers: without these, ctypes would cut them to 32 bits.
    kernel32.OpenProcess.restype = wintypes.HANDLE
    kernel32.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
    for name, types in _ARGUMENTS.items():
        getattr(kernel32, name).argtypes = types
    handle = kernel32.OpenProcess(access, False, pid) or None
    try:
        yield kernel32, handle
    finally:
        if handle is not None:
            kernel32.CloseHandle(handle)


_DWORD_POINTER = ctypes.POINTER(wintypes.DWORD)
_ARGUMENTS: dict[str, list[Any]] = {
    "CloseHandle": [wintypes.HANDLE],
    "GetExitCodeProcess": [wintypes.HANDLE, _DWORD_POINTER],
    "GetProcessTimes": [wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4],
    "QueryFullProcessImageNameW": [
        *(wintypes.HANDLE, wintypes.DWORD, wintypes.LPWSTR, _DWORD_POINTER)
    ],
    "K32EnumProcessModulesEx": [
        *(wintypes.HANDLE, ctypes.POINTER(wintypes.HMODULE)),
        *(wintypes.DWORD, _DWORD_POINTER, wintypes.DWORD),
    ],
    "K32GetModuleBaseNameW": [
        *(wintypes.HANDLE, wintypes.HMODULE, wintypes.LPWSTR, wintypes.DWORD)
    ],
}
