"""The folder where running webuis can be found, and what lies in it.

One file ``NAME-PID.json`` per running webui (the connection file of its kernel), its sockets
``NAME-PID-N`` beside it, and one ``NAME.key`` per webui name. Whoever can write here can run code
as the user, so the folder is the user's alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import sys
import tempfile
import time
from pathlib import Path

from livepatch.errors import AttachFailed, FileNotTrusted, LivepatchError
from livepatch.files import (
    append_private,
    check_trusted,
    private_folder,
    read_trusted,
    shown,
    typed,
)
from livepatch.files.private import write_whole
from livepatch.files.trusted import user_name

FOLDER_VARIABLE = "LIVEPATCH_RUNTIME_DIR"
SHORT_FOLDER_PREFIX = "lp-"
NAME_LENGTH = 60
KEY = re.compile(rb"[0-9a-f]{64}")

# sizeof(sockaddr_un.sun_path) less its terminating zero, in bytes.
SOCKET_PATH_LENGTH = 107 if sys.platform.startswith("linux") else 103

_WAY_OUT = f"name a folder of your own: {FOLDER_VARIABLE}=~/.livepatch"


def runtime_folder(folder: Path | None = None) -> Path:
    """The folder of this user's running webuis, created when missing, and safe to trust.

    Args:
        folder: the folder, where another process has named it.

    Returns:
        What ``LIVEPATCH_RUNTIME_DIR`` names; without it the folder ``livepatch`` in the user's
        runtime folder, or, where the system has none that is the user's own, in the user's home.

    Raises:
        FileNotTrusted: it belongs to another user, or others can write it or a folder above it.
        LivepatchError: it cannot be created.
    """
    folder = folder or _configured_folder()
    asked = f"use the runtime folder {shown(folder)}"
    try:
        folder = private_folder(folder, asked)
        if os.name == "posix" and (owner := folder.stat().st_uid) != os.geteuid():
            raise FileNotTrusted(
                asked,
                f"it belongs to {user_name(owner)}, this process runs as {user_name(os.geteuid())}",
                _WAY_OUT,
            )
    except FileNotTrusted as error:
        advice = error.advice if error.advice == _WAY_OUT else f"{error.advice}; or {_WAY_OUT}"
        raise FileNotTrusted(asked, error.found, advice) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        found = f"{shown(getattr(error, 'filename', None) or folder)}: {reason}"
        raise LivepatchError(asked, found, _WAY_OUT) from error
    return folder


def _configured_folder() -> Path:
    if configured := os.environ.get(FOLDER_VARIABLE):
        return Path(os.path.abspath(os.path.expanduser(configured)))
    if os.name != "posix" or sys.platform == "darwin":
        from platformdirs import user_runtime_path

        return user_runtime_path("livepatch", appauthor=False)
    # Not platformdirs: its versions disagree on what to do about a folder that is not the user's,
    # and the webui and JupyterLab, each with its own, have to find the same one.
    user = os.geteuid()
    given = [os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{user}", f"/var/run/user/{user}"]
    for place in (path for path in given if os.path.isabs(path) and _is_the_users(path)):
        return Path(place) / "livepatch"
    shared = f"/tmp/runtime-{user}"
    if not os.path.lexists(shared) or _is_the_users(shared):
        return Path(shared) / "livepatch"
    # Somebody else was there first, and must not keep the user from working. Machines may share a
    # home: each has a folder of its own.
    machine = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())
    return Path(os.path.expanduser("~/.local/state/livepatch")).absolute() / f"run-{machine}"


def _is_the_users(folder: str | Path) -> bool:
    """Whether a folder is the user's own, and nobody else can exchange it.

    ``su`` and ``sudo -E`` keep the variable of the user who typed them.
    """
    try:
        status = check_trusted(folder, "look for the user's own folder")
    except (OSError, ValueError, FileNotTrusted):
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def normal_name(name: str) -> str:
    """A webui's name as it is written everywhere: ``a-z``, ``0-9``, ``.``, ``_`` and ``-``.

    Args:
        name: the name as given.

    Returns:
        The name in lower case, everything else in it turned into ``-``, 60 characters at most.

    Raises:
        AttachFailed: nothing of the name is left.

    Example:
        >>> normal_name("My WebUI")
        'my-webui'
    """
    normal = re.sub(r"[^a-z0-9._-]+", "-", name.lower())[:NAME_LENGTH].strip("-._")
    if not normal:
        raise AttachFailed(
            f"name a webui {name!r}",
            "a name is made of a-z, 0-9, '.', '_' and '-', and has at least one letter or digit",
            "choose another name, for example: my-webui",
        )
    return normal


def connection_key(folder: Path, name: str) -> bytes:
    """The key that signs the messages to the webuis of that name; it outlives the process.

    Kept, so that a notebook that was open before a webui restarted can speak with it afterwards.

    Args:
        folder: the runtime folder.
        name: a normal name.

    Returns:
        64 hexadecimal digits.

    Raises:
        LivepatchError: the file is somebody else's, or holds no key.
        OSError: it can be neither made nor read.
    """
    path = folder / f"{name}.key"
    try:
        handle = append_private(path)
    except FileExistsError:
        return _existing_key(path)
    key = os.urandom(32).hex().encode()
    try:
        write_whole(handle, key)
    except OSError:
        path.unlink(missing_ok=True)  # a full disk must not leave half a key for the next start
        raise
    finally:
        os.close(handle)
    return key


def _existing_key(path: Path) -> bytes:
    asked = f"read the key {shown(path)}"
    deadline = time.monotonic() + 1.0
    while not KEY.fullmatch(key := read_trusted(path, asked, longest=1000)):
        # Another process created the file a moment ago and has yet to write into it.
        if len(key) >= 64 or time.monotonic() > deadline:
            raise LivepatchError(
                asked,
                f"it holds {len(key)} bytes, which are not 64 hexadecimal digits",
                f"remove it, and livepatch makes a new one: rm {typed(path)}",
            )
        time.sleep(0.01)
    return key


def socket_base(folder: Path, stem: str) -> Path:
    """Where the sockets of one kernel or one client lie: the path to which ``-N`` is appended.

    Args:
        folder: the runtime folder.
        stem: the sockets' common name.

    Returns:
        ``folder/stem``, or, where that is too long for the name of a socket, the same in a new
        short folder, whose name nobody can foresee.
    """
    base = folder / stem
    if fits_a_socket(base):
        return base
    short = Path(tempfile.mkdtemp(prefix=SHORT_FOLDER_PREFIX))
    whole, shortest = short_bases(short, stem)
    return whole if fits_a_socket(whole) else shortest


def short_bases(short: Path, stem: str) -> tuple[Path, Path]:
    """The two that are possible in a short folder, the second one where the first is too long."""
    return short / stem, short / "s"


def fits_a_socket(base: Path) -> bool:
    """Whether sockets can be named ``base-N``."""
    return len(os.fsencode(base)) + len("-99") <= SOCKET_PATH_LENGTH


def is_base_of(base: Path, folder: Path, stem: str) -> bool:
    """Whether sockets ``base-N`` are those of that name: beside it, or in a short folder of ours.

    Args:
        base: what a record or a link says.
        folder: the runtime folder.
        stem: the sockets' common name, taken from the name of that record or link.
    """
    if base.name == stem and base.is_absolute():
        with contextlib.suppress(OSError, ValueError):
            if os.path.samefile(base.parent, folder):
                return True
    return base in short_bases(base.parent, stem) and is_short_folder(base.parent)


def is_short_folder(folder: Path) -> bool:
    """Whether it is one that :func:`socket_base` made for this user, with nobody else's way in."""
    if os.name != "posix" or not folder.name.startswith(SHORT_FOLDER_PREFIX):
        return False
    return _is_the_users(folder) and not stat.S_IMODE(folder.stat().st_mode) & 0o077


def remove_sockets(base: Path) -> None:
    """Remove the sockets, or links to them, ``base-N``, and the short folder made for them.

    Nothing else of that name is touched, and no link is followed.

    Args:
        base: as :func:`socket_base` gave it; from elsewhere only what :func:`is_base_of` confirms.
    """
    for number in range(1, 100):
        path = f"{base}-{number}"
        with contextlib.suppress(OSError):  # not there, as most of them
            mode = os.lstat(path).st_mode
            if stat.S_ISSOCK(mode) or stat.S_ISLNK(mode):
                os.unlink(path)
    if is_short_folder(base.parent):
        with contextlib.suppress(OSError):  # somebody else's files are in it: not ours to remove
            base.parent.rmdir()
