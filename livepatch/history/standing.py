"""Tells whether a session has ended: by its own entry, its process, or the mark on its file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from livepatch.files import is_held
from livepatch.processes import is_alive

if TYPE_CHECKING:
    from .saved import Session

Standing = Literal["running", "ended", "unknown"]


def standing(session: Session) -> tuple[Standing, str]:
    """Whether a session, other than the one that is written just now, is over.

    Args:
        session: the session; its steps are not looked at.

    Returns:
        The answer, and why it is not known.
    """
    process = session.process
    if session.end:
        return "ended", ""
    if process is None:
        return "unknown", "its file does not say which process wrote it"
    if process.machine is process.boot is None:  # livepatch 0.1 wrote down the pid alone
        if process.pid != os.getpid() and is_alive(process.pid):
            return "unknown", f"a process with its pid {process.pid} is running"
        return "ended", ""
    if process.is_this_process():  # before an exec, or an attach before this one
        return "ended", ""
    has_ended = process.has_ended()
    if has_ended is False:
        return "running", ""
    if has_ended and process.is_of_this_boot():
        return "ended", ""
    # No pid can be asked. The mark on the file is the same for every container of a machine.
    held = is_marked(session)
    if held:
        return "running", ""
    if has_ended or (held is False and process.is_of_this_boot()):
        return "ended", ""
    where = process.whereabouts()
    return "unknown", f"it ran on {where}: livepatch cannot see from here whether it has ended"


def is_marked(session: Session) -> bool | None:
    """Whether some process holds a file of the session; None where it cannot be told."""
    if session.header.get("held") is not True:
        return None
    marks = [is_held(path, "look at a journal") for path in session.paths]
    return True if True in marks else None if None in marks else False
