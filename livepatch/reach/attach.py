"""Puts the kernel into this process, and takes it out again."""

from __future__ import annotations

import logging
import os
import platform
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from livepatch.engine.changing.locks import Lock

# Here, not where they are called: at the end of an attachment nothing has to be imported.
from livepatch.engine.verbs import restore_all
from livepatch.errors import AttachFailed, LivepatchError
from livepatch.history import journal
from livepatch.kernel.limits import ask_for_descriptors
from livepatch.processes.process import start_time

from .folder import connection_key, normal_name, runtime_folder, socket_base
from .kernelspecs import write_common_kernelspecs, write_kernelspec
from .records import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable

    from livepatch.kernel import RunningKernel

Transport = Literal["ipc", "tcp"]
TRANSPORT_VARIABLE = "LIVEPATCH_TRANSPORT"
JOURNAL_VARIABLE = "LIVEPATCH_JOURNAL"  # "off": no journal on disk

# Script names that say nothing about the webui: its flavor is the better name.
NAMES_THAT_SAY_NOTHING = frozenset(
    {
        "",
        "-c",
        "-m",
        "__main__",
        "app",
        "launch",
        "main",
        "manage",
        "python",
        "run",
        "server",
        "start",
        "webui",
    }
)

_log = logging.getLogger("livepatch.reach")


@dataclass(frozen=True)
class Attachment:
    """The kernel in this process, and how it is reached.

    Args:
        name: the webui's name.
        pid: the id of this process.
        connection_file: what a Jupyter client connects with.
        kernel: the running kernel.
        at_end: what is called when the kernel has been taken out.
    """

    name: str
    pid: int
    connection_file: Path
    kernel: RunningKernel = field(repr=False)
    at_end: list[Callable[[], None]] = field(default_factory=list, repr=False, compare=False)

    def __repr__(self) -> str:
        how = f"open it with: livepatch lab {self.name}"
        return f"<livepatch: attached to {self.name!r}, pid {self.pid}; {how}>"


class _Process:
    """What this process has attached: one kernel at most."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.lock = Lock()
        self.attachment: Attachment | None = None


_process = _Process()

if hasattr(os, "register_at_fork"):
    # The lock may be copied locked.
    # A child has no kernel thread, and would answer with its parent's connection; it attaches anew
    # where it serves.
    os.register_at_fork(after_in_child=_process.forget)


def current() -> Attachment | None:
    """The attachment of this process, None when there is no kernel in it."""
    attachment = _process.attachment
    return attachment if attachment is not None and attachment.kernel.alive else None


def attach(name: str | None = None, *, user_ns: dict[str, object] | None = None) -> Attachment:
    """Start a kernel in this process, so that notebooks and the command line can reach it.

    Calling it again answers the same attachment.

    Args:
        name: the webui's name; by default that of the script, or the webui's flavor.
        user_ns: names that the notebooks see; a second call adds to them.

    Returns:
        The attachment.

    Raises:
        AttachFailed: the kernel could not be started; the process runs on as before.

    Example:
        >>> import livepatch
        >>> livepatch.attach("my-webui")  # doctest: +SKIP
        <livepatch: attached to 'my-webui', pid 4711; open it with: livepatch lab my-webui>
    """
    return _attach(name, user_ns, None, transport())


def attach_as_told(
    name: str | None, folder: str, channel: Transport, *, replace: bool = False
) -> tuple[Attachment, bool]:
    """Start a kernel that another process, of the same user, has asked for.

    Args:
        name: the webui's name; by default that of the script.
        folder: that process's runtime folder, where it looks for the kernel.
        channel: how it will speak to it.
        replace: whether it found that the kernel which is here hears nothing any more.

    Returns:
        The attachment, and whether it is new.
    """
    with _process.lock:
        if replace:
            _abandon()
        before = current()
        attachment = _attach(name, None, Path(folder), channel)
        return attachment, attachment is not before


def _abandon() -> None:
    """Give a deaf kernel up: its threads cannot be told to end. What was changed stays."""
    attachment, _process.attachment = _process.attachment, None
    if attachment is not None:
        attachment.kernel.abandon()
        for call in attachment.at_end:
            call()


def withdraw(attachment: Attachment) -> None:
    """Take a kernel out again that nobody has heard of, and nothing else.

    Args:
        attachment: what ``attach_as_told`` answered.
    """
    with _process.lock:
        if _process.attachment is attachment:
            _process.attachment = None
            _end_journal()
            _take_out(attachment, 0.0)


def _attach(
    name: str | None,
    user_ns: dict[str, object] | None,
    folder: Path | None,
    channel: Transport,
) -> Attachment:
    with _process.lock:
        attachment = current()
        if attachment is not None:
            attachment.kernel.user_ns.update(user_ns or {})
            return attachment
        try:
            _process.attachment = _start(
                normal_name(default_name() if name is None else name), user_ns, folder, channel
            )
        except LivepatchError:
            raise
        except ImportError as error:
            raise AttachFailed(
                "attach a kernel to this process",
                f"{error} (Python: {sys.executable})",
                f"install it there: {sys.executable} -m pip install livepatch",
            ) from error
        except Exception as error:
            # Whatever keeps the kernel from starting, a full disk for one: the webui must not die
            # of it.
            raise AttachFailed(
                "attach a kernel to this process",
                f"{type(error).__name__}: {error}",
                "fix that, then: livepatch.attach()",
            ) from error
        return _process.attachment


def _start(
    name: str, user_ns: dict[str, object] | None, told: Path | None, channel: Transport
) -> Attachment:
    from livepatch.kernel import start_kernel

    ask_for_descriptors("attach a kernel to this process")
    folder, pid = runtime_folder(told), os.getpid()
    stem = f"{name}-{pid}"
    kernel = start_kernel(
        folder / f"{stem}.json",
        transport=channel,
        ip=str(socket_base(folder, stem)) if channel == "ipc" else LOOPBACK,
        key=connection_key(folder, name),
        # The key signs messages but does not hide them: on TCP, any user of the machine could read
        # along.
        curve=channel == "tcp",
        user_ns=user_ns,
        metadata={
            "name": name,
            "pid": pid,
            "parent": os.getppid(),
            "started": start_time(pid),
            "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            **_host_facts(),
        },
        info=_host_facts,
        banner=f"livepatch: in the webui {name!r}, pid {pid}",
    )
    _offer_to_jupyterlab(name)
    keep_journal(name)
    return Attachment(name, pid, folder / f"{stem}.json", kernel)


def transport() -> Transport:
    """How a kernel that is started now will be spoken to: Windows has no ipc."""
    if os.environ.get(TRANSPORT_VARIABLE) == "tcp" or os.name != "posix":
        return "tcp"
    return "ipc"


def _host_facts() -> dict[str, object]:
    """What the webui is and where it serves, as far as can be told now."""
    from livepatch.this_webui.detect import host

    try:
        found = host()
        return {"flavor": found.flavor, "version": found.version, "address": found.address}
    except Exception:
        # A webui in the middle of its start, or of an unknown make, must stay reachable: the facts
        # are an extra.
        _log.debug("the webui could not be notified", exc_info=True)
        return {"flavor": None, "version": None, "address": None}


def default_name() -> str:
    """The name a webui gets when none is given.

    Its script's; where that says nothing its flavor. A webui that begins to start is seen by what
    lies in its script's folder, as nothing of it is imported yet; others get that folder's name.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    module = spec.name.removesuffix(".__main__") if spec is not None else ""
    given = Path(sys.argv[0] if sys.argv else "")
    script = module or given.stem
    if script not in NAMES_THAT_SAY_NOTHING:
        return script
    flavor = str(_host_facts()["flavor"] or "")
    if flavor == "plain" and given.suffix == ".py":
        flavor = _name_by_folder(given.absolute().parent) or flavor
    return flavor or script.strip("-_") or "python"


def _name_by_folder(folder: Path) -> str:
    """The flavor of a folder's webui, else the folder's name if that says something."""
    from livepatch.adapters.known import webui_in

    try:
        found = webui_in(folder)
        is_its = found is not None and found[2] == folder.resolve()
        name = found[0] if found is not None and is_its else normal_name(folder.name)
    except Exception:  # an adapter of another package, a folder that may not be entered, no letters
        return ""
    return "" if name in NAMES_THAT_SAY_NOTHING else name


def _offer_to_jupyterlab(name: str) -> None:
    try:
        write_kernelspec(name)
        write_common_kernelspecs()
    except LivepatchError as error:
        # The webui can be reached without: livepatch exec, livepatch console, and the generic
        # kernelspec.
        _log.warning(
            "livepatch: JupyterLab will not list %r, its kernelspec cannot be written: %s; %s",
            name,
            error.found,
            error.advice,
        )


def keep_journal(name: str, cell_now: Callable[[], int | None] | None = None) -> None:
    """Keep the journal of this process on disk, unless ``LIVEPATCH_JOURNAL`` is ``off``.

    Args:
        name: the webui's name.
        cell_now: says the number of the cell that runs; default: that of the kernel in a webui.
    """
    if os.environ.get(JOURNAL_VARIABLE) != "off":
        journal.cell_now = cell_now or _cell_now
        journal.keep(name)


def _cell_now() -> int | None:
    from livepatch.kernel.context import cell_number, current_shell

    shell = current_shell()
    return cell_number(shell) if shell is not None else None


def detach(timeout: float = 5.0) -> None:
    """Take the kernel out of this process again, and restore everything done through livepatch.

    Everything in this process, that is; without a kernel only the restoring is left to do.

    Args:
        timeout: how long to wait for a running cell, in seconds.

    Example:
        >>> import livepatch
        >>> livepatch.detach()
    """
    with _process.lock:
        attachment, _process.attachment = _process.attachment, None
        _end_journal()
        try:
            _stop_watching()
            _restore_all_patches()
        finally:  # a patch that cannot be taken back must not keep the kernel in the process
            if attachment is not None:
                _take_out(attachment, timeout)


def _take_out(attachment: Attachment, timeout: float) -> None:
    attachment.kernel.stop(timeout)
    _answer_older_scripts_no_more()
    for call in attachment.at_end:
        call()


def _end_journal() -> None:
    """What is live now is what a replay after the next start may bring back."""
    journal.cell_now = None
    journal.end()


def _stop_watching() -> None:
    """The next save must not patch what is restored now."""
    _call_if_loaded("livepatch.watching.watches", "stop_all")


def _answer_older_scripts_no_more() -> None:
    """The notebooks that wanted it went with the kernel."""
    _call_if_loaded("livepatch.watching.older_scripts", "answer_no_more")


def _restore_all_patches() -> None:
    _call_if_loaded("livepatch.measure", "end_every_timing")
    restore_all()


def _call_if_loaded(module: str, function: str) -> None:
    """End what a part of livepatch does; one that nobody has imported does nothing."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        getattr(loaded, function)()
