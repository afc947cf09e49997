"""What is watched: files and folders, what the system tells of them, and how a save is seen.

Nothing here ends at something that a path may be: a link in a circle, a pipe, a folder that goes
away while it is looked at.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported, TargetNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stamp = tuple[int, int, int]
Identities = list[tuple[Path, int]]
Listening = tuple[Identities, Any]


def checked_path(asked: str, path: str | os.PathLike[str]) -> Path:
    """A file or folder to be watched, absolute.

    Args:
        asked: the user's request in words.
        path: what the user named.

    Raises:
        TargetNotFound: there is none, or it is neither a folder nor a file ``*.py``.
    """
    named = Path(os.path.abspath(os.path.expanduser(path)))
    advice = "give a folder, or a file *.py"
    try:
        mode = named.stat().st_mode
    except FileNotFoundError:
        raise TargetNotFound(asked, f"there is no {named}", advice) from None
    except OSError as error:  # a link in a circle, a folder that may not be entered
        raise TargetNotFound(asked, f"{named}: {error.strerror}", advice) from None
    if not stat.S_ISDIR(mode) and not (stat.S_ISREG(mode) and named.suffix == ".py"):
        raise TargetNotFound(asked, f"{named} is neither a folder nor a file *.py", advice)
    return named


def listen(asked: str, paths: Iterable[Path]) -> Listening:
    """Have the system tell of these paths from now on.

    Returns:
        The folders that it tells of, and what to ask.

    Raises:
        HostUnsupported: it cannot.
    """
    folders = folders_of(paths)
    return identities(folders), _notify(asked, folders)


def candidates(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that may be run: those that were named, and ``*.py`` directly in the folders."""
    for path in paths:
        if path.suffix == ".py" and not os.path.isdir(path):
            yield path
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError:  # the folder is gone: so are its files
            continue
        yield from (path / name for name in names if _is_source(name))


def folders_of(paths: Iterable[Path]) -> list[Path]:
    """The folders whose events matter: a file that is replaced is an event of its folder."""
    paths = tuple(paths)
    wanted: dict[Path, None] = {}
    for path in paths:
        if os.path.isdir(path):
            wanted.setdefault(path)
        # Its own parent, or the nearest one until that is there again.
        wanted.setdefault(next(p for p in path.parents if os.path.isdir(p)))
    for file in candidates(paths):
        if os.path.islink(file):
            # Not Path.resolve: up to Python 3.12 it raises for links in a circle.
            target = Path(os.path.realpath(file)).parent
            if os.path.isdir(target):
                wanted.setdefault(target)
    return list(wanted)


def identities(folders: Iterable[Path]) -> Identities:
    """The folders with what tells each from another one of that name."""
    found = []
    for folder in folders:
        try:
            found.append((folder, folder.stat().st_ino))
        except OSError:  # it went away since it was listed
            continue
    return found


def rust_notify(asked: str) -> Any:
    """What watchfiles has the system tell by.

    Raises:
        HostUnsupported: watchfiles is not installed.
    """
    try:
        from watchfiles._rust_notify import RustNotify
    except ImportError as error:
        raise HostUnsupported(
            asked,
            f"watchfiles is missing in this Python: {error} ({sys.executable})",
            f"{sys.executable} -m pip install 'livepatch[watch]'",
        ) from error
    return RustNotify


def _notify(asked: str, folders: list[Path]) -> Any:
    """What the system tells of these folders from now on."""
    notify = rust_notify(asked)
    try:
        return notify([str(f) for f in folders], False, False, 300, False, True)
    except (OSError, ValueError) as error:  # ValueError: a name that is no text
        raise HostUnsupported(
            asked,
            f"the system cannot watch: {type(error).__name__}: {error}",
            "look at the limits of inotify: sysctl fs.inotify",
        ) from error


def _is_source(name: str) -> bool:
    """Whether a name is a script's: not a lock, backup or swap file of an editor."""
    return name.endswith(".py") and not name.startswith((".", "#", "~"))


def stamp_of(path: Path) -> Stamp | None:
    """What changes when a file is saved; None where there is no file to be read."""
    try:
        status = path.stat()
    except OSError:  # gone, or a link that leads nowhere
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
