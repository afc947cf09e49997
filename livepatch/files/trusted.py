"""Opens the files that we run or obey: those of trusted owners, which nobody else can write.

Trusted are the effective user, root, and the ids in ``LIVEPATCH_TRUST_UIDS``. The way to a file is
looked at from the root down, as OpenSSH and sudo do for theirs: once nobody else can change a
folder, nobody else can exchange what lies in it, so a later look at the same path finds the same
thing. On Windows access lists take the place of modes; there a file only has to be a regular one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from livepatch.errors import FileNotTrusted

from .kinds import kind_of
from .shown import shown, typed

TRUST_VARIABLE = "LIVEPATCH_TRUST_UIDS"
LONGEST = 64_000_000  # bytes that are read from one file
MOST_LINKS = 40  # on the way to one file, as in Linux


class _Distrust(Exception):
    """Why a path is not trusted: what was found, and what to type."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found, advice)
        self.found, self.advice = found, advice


class _Step(NamedTuple):
    """One thing on the way to a file, with nothing that is a link above it."""

    path: str
    status: os.stat_result


def trusted_uids() -> frozenset[int]:
    """The ids of the users whose files are trusted: ours, root's, and those that the user names.

    ``LIVEPATCH_TRUST_UIDS`` holds numbers, separated by commas or spaces; a word that is none is
    passed over, since a typing error must never widen what is trusted.

    Example:
        >>> 0 in trusted_uids()
        True
    """
    ours = {0, os.geteuid()} if os.name == "posix" else {0}
    named = {int(word) for word in _named_uids() if re.fullmatch("[0-9]{1,10}", word)}
    return frozenset(ours | named)


def _named_uids() -> list[str]:
    return os.environ.get(TRUST_VARIABLE, "").replace(",", " ").split()


def check_trusted(
    path: str | os.PathLike[str], asked: str, *, links: bool = False
) -> os.stat_result:
    """Make sure that only trusted users can have written a file or folder, or can exchange it.

    Args:
        path: the file or folder.
        asked: what the user asked for, the first line of a refusal.
        links: whether the path's last part may be a link. Every link has to be a trusted user's,
            and so has what it leads to.

    Returns:
        The status of what the path leads to.

    Raises:
        FileNotTrusted: somebody else owns it or could write it, or a folder above it.
        OSError: there is no such thing, or it cannot be looked at.
    """
    try:
        if os.name != "posix":
            return os.stat(path) if links else _not_a_link(path)
        return _way_to(os.path.abspath(path), links).status
    except _Distrust as distrust:
        raise FileNotTrusted(asked, distrust.found, distrust.advice) from None


def open_trusted(path: str | os.PathLike[str], asked: str, *, links: bool = False) -> BinaryIO:
    """Open a regular file for reading, once it is known that only trusted users can write it.

    Never waits, not even at a named pipe.

    Args:
        path: the file.
        asked: what the user asked for, the first line of a refusal.
        links: whether the path's last part may be a link; see ``check_trusted``.

    Returns:
        The file, for bytes.

    Raises:
        FileNotTrusted: it is not to be trusted, or no regular file.
        OSError: it cannot be opened.
    """
    path = os.path.abspath(path)  # what is checked and what is opened: "link/.." means two places
    expected = check_trusted(path, asked, links=links)
    try:
        _check_regular(path, expected)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        flags |= 0 if links else getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
        try:
            found = os.fstat(handle)
            _check_regular(path, found)
            if os.name == "posix" and not os.path.samestat(found, expected):
                # A trusted user has put another file there since: an editor that saves.
                _check_entry(_Step(path, found))
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except _Distrust as distrust:
        raise FileNotTrusted(asked, distrust.found, distrust.advice) from None


def read_trusted(
    path: str | os.PathLike[str], asked: str, *, links: bool = False, longest: int = LONGEST
) -> bytes:
    """Read a regular file, once it is known that only trusted users can write it.

    Args:
        path: the file.
        asked: what the user asked for, the first line of a refusal.
        links: whether the path's last part may be a link; see ``check_trusted``.
        longest: how many bytes it may have.

    Returns:
        All of it.

    Raises:
        FileNotTrusted: it is not to be trusted, no regular file, or too long.
        OSError: it cannot be read.
    """
    with open_trusted(path, asked, links=links) as file:
        content = file.read(longest + 1)
    if len(content) > longest:
        raise FileNotTrusted(
            asked,
            f"{shown(path)} is longer than {longest:,} bytes",
            "check what it is, and move it away",
        )
    return content


def _not_a_link(path: str | os.PathLike[str]) -> os.stat_result:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise _is_a_link(os.fspath(path))
    return status


def _check_regular(path: str | os.PathLike[str], status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = kind_of(status.st_mode)
        raise _Distrust(
            f"{shown(path)} is {kind}, not a regular file", "remove it, or give another file"
        )


def _way_to(path: str, links: bool) -> _Step:
    """Walk from the root down to a path; every folder, link and the end itself is checked."""
    waiting = [part for part in path.split(os.sep) if part][::-1]
    here = _Step(os.sep, os.lstat(os.sep))
    outside = _is_outside(here)
    if not outside:
        _check_entry(here)
    followed = 0
    while waiting:
        part = waiting.pop()
        if part == "..":  # of a link's text: what is above has been checked on the way down
            here = _Step(*_status(os.path.dirname(here.path)))
            continue
        if part == ".":
            continue
        step = _Step(*_status(os.path.join(here.path, part)))
        if stat.S_ISLNK(step.status.st_mode):
            followed += 1
            if not (links or waiting):
                raise _is_a_link(step.path)
            if followed > MOST_LINKS:
                raise _Distrust(
                    f"{shown(path)} goes through too many links", "give the file itself"
                )
            if not (outside and _is_outside(step)):
                _check_owner(step)
            target = os.readlink(step.path)
            waiting += [part for part in target.split(os.sep) if part][::-1]
            here = _Step(*_status(os.sep)) if target.startswith(os.sep) else here
            continue
        outside = outside and _is_outside(step)
        if not outside:
            _check_entry(step)
        here = step
    if outside:
        _check_owner(here)
    return here


def _status(path: str) -> tuple[str, os.stat_result]:
    return path, os.lstat(path)


def _is_a_link(path: str) -> _Distrust:
    return _Distrust(
        f"{shown(path)} is a link, which may lead to another user's file",
        "put the file itself there, or give the file that it leads to",
    )


def _is_outside(step: _Step) -> bool:
    """Whether a folder is of a user whom this user namespace does not know, the system's root say.

    In a sandbox (bubblewrap, rootless containers) ``/`` and ``/usr`` look like nobody's. They
    count as the system's as long as nobody can write there: above the first folder that is of a
    user of the sandbox, and there only.
    """
    mode = step.status.st_mode
    if not stat.S_ISLNK(mode) and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        return False
    return step.status.st_uid == _overflow_uid() and not _knows_all_users()


@functools.cache
def _overflow_uid() -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/sys/kernel/overflowuid").read_text())
    return 65534


def _knows_all_users() -> bool:
    """Whether this process lives in the first user namespace, in which every user has an id."""
    try:
        first = Path("/proc/self/uid_map").read_text().split()[:3]
    except OSError:
        return True
    return first == ["0", "0", "4294967295"]


def _check_entry(step: _Step) -> None:
    """One file or folder: a trusted user's, and no one else may write it."""
    _check_owner(step)
    mode = step.status.st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        return  # as in /tmp, only the owner of an entry can exchange it
    if mode & stat.S_IWOTH:
        sticky = f", or chmod +t {typed(step.path)}" if stat.S_ISDIR(mode) else ""
        raise _Distrust(
            f"{shown(step.path)} is writable by everybody (mode {stat.S_IMODE(mode):04o})",
            f"check its contents, then: chmod o-w {typed(step.path)}{sticky}",
        )
    if mode & stat.S_IWGRP and not _is_private_group(step.status):
        raise _Distrust(
            f"{shown(step.path)} is writable by the group {_group_name(step.status.st_gid)} "
            f"(mode {stat.S_IMODE(mode):04o})",
            f"check its contents, then: chmod g-w {typed(step.path)}",
        )


def _check_owner(step: _Step) -> None:
    uid = step.status.st_uid
    if uid not in trusted_uids():
        raise _Distrust(
            f"{shown(step.path)} belongs to {user_name(uid)}, this process runs as "
            f"{user_name(os.geteuid())}",
            f"if you trust that user: {TRUST_VARIABLE}={_with_uid(uid)}; "
            f"otherwise take it over: chown {os.geteuid()} {typed(step.path)}",
        )


def _with_uid(uid: int) -> str:
    return ",".join([*_named_uids(), str(uid)])


def user_name(uid: int) -> str:
    """A user as a person knows him: ``alice (uid 1000)``, ``uid 1000`` where he has no name.

    Example:
        >>> user_name(0)
        'root (uid 0)'
    """
    try:
        import pwd

        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except (ImportError, KeyError):
        return f"uid {uid}"


def _group_name(gid: int) -> str:
    try:
        import grp

        return f"{grp.getgrgid(gid).gr_name} (gid {gid})"
    except (ImportError, KeyError):
        return f"gid {gid}"


def _is_private_group(status: os.stat_result) -> bool:
    """Whether a file's group is its owner's alone, as Debian and Fedora give one to each user.

    That is the owner's primary group of the owner's name without other members. Where neither has
    an entry, as in many containers, the same number has to do.
    """
    import grp
    import pwd

    try:
        owner = pwd.getpwuid(status.st_uid)
    except KeyError:
        owner = None
    try:
        group = grp.getgrgid(status.st_gid)
    except KeyError:
        return owner is None and status.st_gid == status.st_uid
    if owner is None:
        return False
    return (
        owner.pw_gid == status.st_gid
        and group.gr_name == owner.pw_name
        and set(group.gr_mem) <= {owner.pw_name}
    )
