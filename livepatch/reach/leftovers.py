"""What killed processes leave in the runtime folder: links, drafts, sockets, scripts."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from livepatch.files import write_private
from livepatch.processes.process import is_alive

from .folder import is_base_of, is_short_folder, remove_sockets, short_bases
from .records import HIGHEST_PID

ASK_PREFIX = ".ask-"  # of the socket of an attach; no webui's name begins with a dot
SCRIPT_PREFIX = "inject-"
CLIENT_LINK_PREFIX = "c-"
STANDIN = "s"  # behind the links of a client: the sockets that answer while the webui has ended
TO_SHORT_FOLDER = "-0"  # of a client: leads to where its links are, the links are numbered from 1


def sweep_links(folder: Path) -> None:
    """Remove the links of clients that were killed, when the webui has ended, too."""
    for link in folder.glob(f"{CLIENT_LINK_PREFIX}*"):
        if not link.is_symlink():
            if not _is_of_a_living_client(link):
                remove(link)
        elif link.name.endswith(TO_SHORT_FOLDER):
            _sweep_short_folder(folder, link)
        elif not os.path.exists(link):
            remove(link)


def _is_of_a_living_client(path: Path) -> bool:
    pid = re.match(rf"{CLIENT_LINK_PREFIX}(\d{{1,10}})-", path.name)
    return pid is not None and int(pid[1]) <= HIGHEST_PID and is_alive(int(pid[1]))


def _sweep_short_folder(folder: Path, link: Path) -> None:
    """The same where they lie in a short folder. A living client keeps it, for a webui's restart.

    Args:
        folder: the runtime folder.
        link: leads to the short folder, and has the client's pid in its name.
    """
    if _is_of_a_living_client(link):
        return
    stem = link.name.removesuffix(TO_SHORT_FOLDER)
    for base in short_bases(Path(os.readlink(link)), stem):
        if is_base_of(base, folder, stem):
            remove_sockets(Path(f"{base}{STANDIN}"))
            remove_sockets(base)
    remove(link)


def sweep_drafts(folder: Path) -> None:
    """Remove what the dead left half done: a connection file on a full disk, an attach."""
    for path in (*folder.glob(".*.json.*"), *folder.glob(f"{SCRIPT_PREFIX}*.py")):
        pid = re.search(r"(\d{1,10})(?:\.py)?$", path.name)
        if pid is not None and not is_alive(int(pid[1])):
            remove(path)
    for path in (*folder.glob(f"{ASK_PREFIX}*"), *folder.glob(f"{SCRIPT_PREFIX}*.py")):
        asker = re.match(r"[^\d]*-(\d{1,10})-[0-9a-f]{16}\b", path.name)
        if asker is None or is_alive(int(asker[1])):
            continue
        if path.suffix == ".py":
            disarm(path)
        else:
            remove_entry(path)


def remove(path: Path) -> None:
    """Remove a file that may be gone."""
    with contextlib.suppress(OSError):  # or the file system takes no changes
        path.unlink(missing_ok=True)


def remove_entry(entry: Path) -> None:
    """Remove the socket of a conversation, and the short folder made for it."""
    if entry.is_symlink():
        path = Path(os.readlink(entry))
        if path.name == "s" and is_short_folder(path.parent):
            with contextlib.suppress(OSError):  # gone already
                path.unlink(missing_ok=True)
                path.parent.rmdir()
    with contextlib.suppress(OSError):  # the file system takes no changes
        entry.unlink(missing_ok=True)


def disarm(script: Path) -> None:
    """Leave nothing to do in it but to remove itself, should a main thread come to it later.

    It prints an error where it finds no file. One that never comes keeps it: it goes with the
    process.
    """
    path = ascii(str(script))
    text = f"__import__('os').path.exists({path}) and __import__('os').remove({path})\n".encode()
    with contextlib.suppress(OSError):
        if script.read_bytes() != text:
            write_private(script, text)
