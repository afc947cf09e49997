"""Removes old sessions, always whole, and never one that may still be written to.

Of each webui name the last sessions that have ended are kept, up to a number, a size and an age;
the last one of all is kept however old it is.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from livepatch.errors import LivepatchError

from .places import last_sign
from .saved import glance
from .standing import is_marked, standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .places import Place
    from .saved import Session

KEPT_SESSIONS = 30
KEPT_BYTES = 64_000_000
KEPT_DAYS = 90

DAY = 86400  # seconds


def remove_old_sessions(place: Place, own: int) -> None:
    """Remove what is not kept of the sessions before this process's own.

    Args:
        place: where the sessions lie.
        own: the number of this process's own.
    """
    kept = size = 0
    for number, paths in place.by_end().items():
        # What cannot be looked at is not ours to remove.
        with contextlib.suppress(OSError, LivepatchError):
            session, has_steps = glance(str(number), paths, f"look at the journal {place.folder}")
            age = (time.time() - last_sign(paths)) / DAY
            if number < own and _is_over(session, age):
                size += sum(path.stat().st_size for path in paths)
                kept += has_steps
                is_young = size <= KEPT_BYTES and kept <= KEPT_SESSIONS and age <= KEPT_DAYS
                if not has_steps or (kept > 1 and not is_young):
                    _remove(paths)
    for path in place.of_0_1():
        with contextlib.suppress(OSError):
            if kept and time.time() - last_sign([path]) > KEPT_DAYS * DAY:
                path.unlink()


def _is_over(session: Session, age: float) -> bool:
    """Whether it has ended; of another machine's that nobody holds, age has to do.

    So it does of one without a first line, which is written as the file is made.
    """
    state, _ = standing(session)
    is_nobodys = session.process is None or is_marked(session) is False
    return state == "ended" or (state == "unknown" and is_nobodys and age > KEPT_DAYS)


def _remove(paths: Sequence[Path]) -> None:
    """Remove the files of a session, the last one first: what is left then still reads."""
    for path in reversed(paths):
        path.unlink(missing_ok=True)
