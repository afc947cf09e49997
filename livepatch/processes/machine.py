"""A text that differs between machines, whatever the network calls them."""

from __future__ import annotations

import functools
import struct
import sys
from pathlib import Path

MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


@functools.cache
def machine(host: str) -> str | None:
    """A text that differs between machines, also between clones of one that have other names.

    Args:
        host: the name of this one.
    """
    if sys.platform == "darwin":  # its name changes with the network it is in
        identity, host = hardware_of_macos(), ""
    elif sys.platform == "win32":
        identity = _guid_of_windows()
    else:
        identity = next(filter(None, map(line_of, MACHINE_IDS)), None)
    if not (identity or host):
        return None
    import hashlib  # loads much, and is needed once

    # machine-id(5): not to be shown to others as it is.
    return hashlib.sha256(f"livepatch {identity} {host}".encode()).hexdigest()[:16]


def line_of(path: Path) -> str | None:
    """The text of a short file; None where there is none."""
    try:
        return path.read_text(errors="replace").strip()[:100] or None
    except OSError:
        return None


def hardware_of_macos() -> str | None:
    """The number of a Mac, in hexadecimal digits; None where the system does not tell."""
    import ctypes

    number = ctypes.create_string_buffer(16)
    patience = struct.pack("ll", 1, 0)  # struct timespec: seconds, nanoseconds
    try:
        failed = ctypes.CDLL(None).gethostuuid(number, patience)
    except (AttributeError, OSError):
        return None
    return None if failed else number.raw.hex()


def _guid_of_windows() -> str | None:
    try:
        import winreg

        path = r"SOFTWARE\Microsoft\Cryptography"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
            value, _ = winreg.QueryValueEx(key, "MachineGuid")  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, OSError):
        return None
    return str(value)
