"""The running webuis one can attach to: read from their files, asked for what changes."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.errors import WebuiAmbiguous, WebuiNotFound
from livepatch.files import shown, typed
from livepatch.processes.process import is_alive

from .folder import remove_sockets, runtime_folder
from .leftovers import remove, sweep_drafts, sweep_links
from .records import WrongRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_client.blocking.client import BlockingKernelClient

HOW_TO_START = "start one: livepatch run SCRIPT, or: livepatch demo"


@dataclass(frozen=True)
class Webui:
    """One running webui.

    Args:
        name: its name.
        pid: its process id.
        flavor: its kind ("a1111", "comfyui" …), None while it is not known.
        address: where it serves, None while it does not.
        since: when the kernel was attached (UTC, ISO 8601).
        python: the version of its Python.
        connection_file: of its kernel.
        connection: what the connection file says.
        state: whether its kernel answers, once that was asked: "answers", "busy" or "no answer".
    """

    name: str
    pid: int
    flavor: str | None
    address: str | None
    since: str
    python: str
    connection_file: Path
    connection: dict[str, Any] = field(repr=False, compare=False)
    state: str | None = None

    def as_dict(self) -> dict[str, str | int | None]:
        """The facts as JSON knows them, without the connection's secrets."""
        facts = asdict(replace(self, connection={}))
        del facts["connection"]
        return {**facts, "connection_file": str(self.connection_file)}

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"

    @property
    def started(self) -> str | None:
        """The start time of its process, for ``is_alive``."""
        return _text(self.connection["livepatch"].get("started"))

    def was_started_as(self, pid: int) -> bool:
        """Whether this is the process that was started with that pid.

        Or its child: on Windows a virtual environment's ``python.exe`` only starts the real one.
        """
        return pid in (self.pid, self.connection["livepatch"].get("parent"))

    @property
    def is_running(self) -> bool:
        """Whether its process runs and still offers this kernel."""
        return is_alive(self.pid, self.started) and self.connection_file.exists()


@dataclass(frozen=True)
class Found:
    """What lies in the runtime folder.

    Args:
        webuis: those that run, the newest first.
        passed_over: a line for each file that is no record of a webui, and why.
    """

    webuis: list[Webui]
    passed_over: list[str]


def running_webuis() -> list[Webui]:
    """The webuis that run, the newest first, as their connection files tell.

    The files of dead processes are removed.

    Returns:
        One record per process with a kernel.
    """
    return look_for_webuis().webuis


def look_for_webuis() -> Found:
    """The same, and what was passed over: one file that is wrong keeps no webui from being found.

    Returns:
        Both.
    """
    folder = runtime_folder()
    sweep_links(folder)
    sweep_drafts(folder)
    found, passed_over = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            webui = _read(path)
        except FileNotFoundError:  # removed between the listing and the reading
            continue
        except (WrongRecord, OSError) as error:
            reason = shown(getattr(error, "strerror", None) or str(error))
            passed_over.append(f"skipped {shown(path)}: {reason}; to remove it: rm {typed(path)}")
            continue
        if is_alive(webui.pid, webui.started) and _listens(webui):
            found.append(webui)
        else:
            _sweep(webui)
    found.sort(key=lambda webui: (webui.since, webui.pid), reverse=True)
    return Found(found, passed_over)


def _read(path: Path) -> Webui:
    record = read_record(path)
    return Webui(
        name=record.name,
        pid=record.pid,
        flavor=record.flavor,
        address=record.address,
        since=record.since,
        python=record.python,
        connection_file=path,
        connection=record.as_dict(),
    )


def _listens(webui: Webui) -> bool:
    """Whether a kernel is behind the sockets: ``os.execv`` keeps the pid and its start time."""
    connection = webui.connection
    try:
        if connection.get("transport") != "ipc":
            address: Any = (connection["ip"], connection["hb_port"])
            knocking = socket.socket(socket.AF_INET)
        else:
            address = f"{connection['ip']}-{connection['hb_port']}"
            knocking = socket.socket(socket.AF_UNIX)
        with knocking:
            knocking.settimeout(1.0)
            knocking.connect(address)
    except FileNotFoundError:
        # Few descriptors are left to it: there is a kernel, and nobody may connect now.
        from livepatch.kernel.door import closed_name  # seldom needed, and much comes with it

        return os.path.exists(closed_name(address))
    except ConnectionRefusedError:
        return False
    except (OSError, KeyError, TypeError):
        return True  # too busy to answer, or not ours to ask: no reason to remove its files
    return True


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _sweep(webui: Webui) -> None:
    """Remove what a process left behind: uvicorn raises SIGTERM again, so atexit never ran."""
    if webui.connection.get("transport") == "ipc":
        remove_sockets(Path(webui.connection["ip"]))
    remove(webui.connection_file)


def choose(name_or_pid: str | int | None = None, among: Sequence[Webui] | None = None) -> Webui:
    """The one webui that is meant.

    Args:
        name_or_pid: its name or pid; None for the only running one.
        among: the webuis to choose from, all running ones if None.

    Returns:
        The webui.

    Raises:
        WebuiNotFound: nothing of that name or pid runs.
        WebuiAmbiguous: several fit.
    """
    found = look_for_webuis() if among is None else Found(list(among), [])
    running = found.webuis
    wanted = "" if name_or_pid is None else str(name_or_pid)
    fitting = [webui for webui in running if wanted.lower() in ("", webui.name, str(webui.pid))]
    if len(fitting) == 1:
        return fitting[0]
    asked = f"find the webui {wanted}" if wanted else "find the running webui"
    listing = ", ".join(str(webui) for webui in running)
    passed_over = "".join(f"; {line}" for line in found.passed_over[:3])
    if not running:
        nothing = f"no webui with a livepatch kernel is running{passed_over}"
        raise WebuiNotFound(asked, nothing, HOW_TO_START)
    if not fitting:
        there = f"running: {listing}{passed_over}"
        raise WebuiNotFound(asked, there, f"choose one of them, or {HOW_TO_START}")
    listing = ", ".join(str(webui) for webui in fitting)
    by = "pid" if len({webui.name for webui in fitting}) == 1 else "name or pid"
    raise WebuiAmbiguous(asked, f"{len(fitting)} fit: {listing}", f"choose one by its {by}")


def client_of(webui: Webui) -> BlockingKernelClient:
    """A client of the webui's kernel; its channels are not started yet."""
    from jupyter_client.blocking.client import BlockingKernelClient

    client = BlockingKernelClient()
    client.load_connection_info(webui.connection)  # type: ignore[arg-type]
    return client
