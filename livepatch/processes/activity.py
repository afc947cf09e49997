"""What a process is doing right now, as seen from outside: stopped, held up, or at rest."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field
from typing import Any

from .process import PROC, _proc_fields, on_linux, told_of

# A thread that waits for the interpreter asks for it anew every 5 ms (sys.getswitchinterval()).
_WAKES_PER_SECOND = 100
_SHARE_OF_A_CORE = 0.5


@dataclass(frozen=True)
class Activity:
    """What a process has done up to a moment, as far as the platform tells.

    Args:
        stopped: whether it is stopped, by a signal or a debugger.
        waits_for_a_disk: whether its main thread is in a call that no signal ends.
        seconds: how much time it has computed for.
        wakes: how often each of its threads has gone to sleep by itself.
    """

    stopped: bool = False
    waits_for_a_disk: bool = False
    seconds: float = 0.0
    wakes: dict[int, int] = field(default_factory=dict)

    def is_held_up_since(self, before: Activity, seconds: float) -> bool:
        """Whether something has kept the interpreter to itself in the time between.

        It computes, and the threads that want their turn keep on asking for it. A page that is
        read from a disk takes a moment: a main thread that hangs there was seen so at both ends.

        Args:
            before: the activity then.
            seconds: how long ago that was.
        """
        most = max((n - before.wakes.get(thread, n) for thread, n in self.wakes.items()), default=0)
        computed = self.seconds - before.seconds
        return (
            (before.waits_for_a_disk and self.waits_for_a_disk)
            or computed > seconds * _SHARE_OF_A_CORE
            or most > seconds * _WAKES_PER_SECOND
        )


def activity(pid: int) -> Activity:
    """What a process has done up to now.

    Args:
        pid: its id.
    """
    if not on_linux():
        return told_of(pid, _told_by_psutil) or Activity()
    fields = _proc_fields(pid)
    if fields is None:
        return Activity()
    ticks = os.sysconf("SC_CLK_TCK")
    return Activity(
        stopped=fields[0] in ("T", "t"),
        waits_for_a_disk=fields[0] == "D",
        seconds=(int(fields[11]) + int(fields[12])) / ticks,
        wakes=_wakes(pid),
    )


def _told_by_psutil(process: Any) -> Activity:
    times = process.cpu_times()
    stopped = process.status() in ("stopped", "tracing-stop")
    return Activity(stopped=stopped, seconds=times.user + times.system)


def _wakes(pid: int) -> dict[int, int]:
    found = {}
    with contextlib.suppress(OSError):
        for task in (PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):  # that thread has just ended
                status = (task / "status").read_text(errors="replace")
                match = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE)
                if match is not None:
                    found[int(task.name)] = int(match[1])
    return found
