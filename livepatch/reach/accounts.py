"""Advice for a webui whose files and process belong to different accounts."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from livepatch.errors import FileNotTrusted
from livepatch.files import acting_as_owner_of, check_trusted, typed
from livepatch.files.trusted import TRUST_VARIABLE, user_name

if TYPE_CHECKING:
    from pathlib import Path

MOST_ENTRIES = 200  # that are looked at for the traces of another account


def notes_on_accounts(webui: Path, extension: Path) -> list[str]:
    """What to do where another account runs the webui than the one that it belongs to.

    That cannot be known; it shows where that account has left files in the webui's folder, and is
    likely where root installs for somebody.

    Args:
        webui: the webui's folder.
        extension: the folder of our extension, just installed.

    Returns:
        A line for each thing to do or to know.
    """
    if os.name != "posix":
        return []
    owner = webui.stat().st_uid
    notes = []
    others = _owners_in(webui) - {owner, 0}
    if others or owner != os.geteuid():
        who = ", ".join(map(user_name, sorted(others))) or "another account"
        notes.append(
            f"the extension belongs to {user_name(owner)} alone; if {who} runs the webui: "
            f"chmod -R go+rX {typed(extension)}, "
            f"and {TRUST_VARIABLE}={owner} in the webui's environment"
        )
    try:
        with acting_as_owner_of(webui):
            check_trusted(extension, "look at the extension")
    except FileNotTrusted as refused:
        notes.append(f"files in its playground will not run: {refused.found}; {refused.advice}")
    return notes


def _owners_in(folder: Path) -> set[int]:
    """To whom the things in a folder belong; of many the first ones."""
    found = set()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for _, entry in zip(range(MOST_ENTRIES), entries, strict=False):
            with contextlib.suppress(OSError):  # gone meanwhile
                found.add(entry.stat(follow_symlinks=False).st_uid)
    return found
