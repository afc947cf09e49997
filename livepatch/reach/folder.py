"""The folder where running webuis can be found, and what lies in it.

One file ``NAME-PID.json`` per running webui (the connection file of its kernel), its sockets
``NAME-PID-N`` beside it, and one ``NAME.key`` per webui name. Whoever can write here can run code
as the user, so the folder is the user's alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import sys
import tempfile
import time
import warnings
from pathlib import Path

from livepatch.errors import AttachFailed, LivepatchError

FOLDER_VARIABLE = "LIVEPATCH_RUNTIME_DIR"
SHORT_FOLDER_PREFIX = "lp-"
NAME_LENGTH = 60

# sizeof(sockaddr_un.sun_path) less its terminating zero, in bytes.
SOCKET_PATH_LENGTH = 107 if sys.platform.startswith("linux") else 103


def runtime_folder(folder: Path | None = None) -> Path:
    """The folder of this user's running webuis, created when missing, and safe to trust.

    Args:
        folder: the folder, where another process has named it.

    Returns:
        The folder ``livepatch`` in the user's runtime folder, or what ``LIVEPATCH_RUNTIME_DIR``
        names.

    Raises:
        LivepatchError: it belongs to another user, others can write to it, or it cannot be created.
    """
    folder = folder or _configured_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            _keep_to_the_user(folder)
    except OSError as error:
        raise LivepatchError(
            f"use the runtime folder {folder}",
            f"{type(error).__name__}: {error.strerror or error}",
            f"name a folder of your own: {FOLDER_VARIABLE}=~/.livepatch",
        ) from error
    return folder


def _configured_folder() -> Path:
    if configured := os.environ.get(FOLDER_VARIABLE):
        return Path(configured).expanduser().absolute()
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():
        # platformdirs tells of an unset XDG_RUNTIME_DIR; its own fallback is what we want.
        warnings.simplefilter("ignore")
        return user_runtime_path("livepatch", appauthor=False)


def _keep_to_the_user(folder: Path) -> None:
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise LivepatchError(
            f"use the runtime folder {folder}",
            f"it belongs to user {status.st_uid}, this process runs as user {os.getuid()}",
            f"name a folder of your own: {FOLDER_VARIABLE}=~/.livepatch",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise LivepatchError(
            f"use the runtime folder {folder}",
            f"mode {stat.S_IMODE(status.st_mode):04o}: who writes there could run code as you",
            f"look at what lies in it, then: chmod 700 {folder}",
        )
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        folder.chmod(0o700)


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
    """
    path = folder / f"{name}.key"
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _existing_key(path)
    key = secrets.token_hex(32).encode()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key)
    except OSError:
        path.unlink(missing_ok=True)  # a full disk must not leave half a key for the next start
        raise
    return key


def _existing_key(path: Path) -> bytes:
    deadline = time.monotonic() + 1.0
    while len(key := path.read_bytes()) < 64:
        # Another process created the file a moment ago and has yet to write into it.
        if time.monotonic() > deadline:
            raise LivepatchError(
                f"read the key {path}",
                f"it holds {len(key)} bytes instead of 64",
                f"remove it, a new one is made: rm {path}",
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
        short folder.
    """
    base = folder / stem
    if fits_a_socket(base):
        return base
    short = Path(tempfile.mkdtemp(prefix=SHORT_FOLDER_PREFIX))
    if fits_a_socket(short / stem):
        return short / stem
    return short / "s"


def fits_a_socket(base: Path) -> bool:
    """Whether sockets can be named ``base-N``."""
    return len(os.fsencode(base)) + len("-99") <= SOCKET_PATH_LENGTH


def remove_sockets(base: Path) -> None:
    """Remove the sockets, or links to them, ``base-N``, and the short folder made for them."""
    for number in range(1, 100):
        Path(f"{base}-{number}").unlink(missing_ok=True)
    if base.parent.name.startswith(SHORT_FOLDER_PREFIX):
        with contextlib.suppress(
            OSError
        ):  # Gone already, or somebody else's files are in it: not ours to remove.
            base.parent.rmdir()
