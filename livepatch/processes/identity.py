"""The identity of a process, written down so that others can tell whether it has ended."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .machine import line_of, machine
from .process import is_alive, start_time

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")
_TOLD_APART_BY = ("started", "boot", "namespace", "machine")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, told from every other: pids are reused, and count on one machine only.

    Attributes:
        pid: its id.
        started: its ``start_time``; None where the platform does not tell.
        boot: of Linux: which start of the system its ``started`` counts from.
        namespace: of Linux: the namespace in which its pid counts, that of a container say.
        machine: tells the machine from others.
        host: the machine's name, for people.
    """

    pid: int
    started: str | None
    boot: str | None
    namespace: str | None
    machine: str | None
    host: str

    @classmethod
    def of_this_process(cls) -> ProcessIdentity:
        """The process that asks.

        Example:
            >>> ProcessIdentity.of_this_process().has_ended()
            False
        """
        pid, host = os.getpid(), platform.node()
        return cls(pid, start_time(pid), _boot(), _namespace(), machine(host), host)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ProcessIdentity | None:
        """What ``as_data`` answered once, read from a file; None where it cannot be that.

        Args:
            data: whatever the file has.
        """
        pid, host = data.get("pid"), data.get("host", "")
        if type(pid) is not int or not 0 < pid < 1 << 32 or not isinstance(host, str):
            return None
        started, boot, namespace, machine = map(data.get, _TOLD_APART_BY)
        for text in (started, boot, namespace, machine):
            if not (text is None or isinstance(text, str)):
                return None
        return cls(pid, started, boot, namespace, machine, host)

    def as_data(self) -> dict[str, Any]:
        """It, as JSON can have it."""
        return asdict(self)

    def is_this_process(self) -> bool:
        """Whether it is the process that asks; an ``exec`` changes neither pid nor start."""
        here = ProcessIdentity.of_this_process()
        mine = (here.pid, here.started, here.boot, here.namespace)
        return (self.pid, self.started, self.boot, self.namespace) == mine

    def is_of_this_boot(self) -> bool:
        """Whether it counts on the system that runs here since its last start."""
        boot = _boot()
        return self.boot == boot if self.boot or boot else self.is_of_thismachine()

    def is_of_thismachine(self) -> bool:
        """Whether it ran on this machine, before the system's last start perhaps."""
        return self.machine is not None and self.machine == machine(platform.node())

    def has_ended(self) -> bool | None:
        """Whether it has ended; None where that cannot be seen from here.

        That is so of a process of another machine, which may share our home folder, and of one in
        a container of its own.
        """
        if not self.is_of_this_boot():
            return True if self.is_of_thismachine() else None
        if self.namespace != _namespace():
            return None
        return not is_alive(self.pid, self.started)

    def whereabouts(self) -> str:
        """Where it runs or ran, in words.

        Example:
            >>> ProcessIdentity.of_this_process().whereabouts()
            'this machine'
        """
        name = self.host or "without a name"
        if not (self.is_of_this_boot() or self.is_of_thismachine()):
            return f"the machine {name}"
        if self.is_of_this_boot() and self.namespace != _namespace():
            return f"the container {name}"
        return "this machine"


@functools.cache
def _boot() -> str | None:
    return line_of(BOOT_ID)


def _namespace() -> str | None:
    with contextlib.suppress(OSError):
        return os.readlink(PID_NAMESPACE)
    return None
