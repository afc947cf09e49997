"""How Jupyter reaches a webui: a kernel provisioner that attaches instead of launching.

It runs in the client's process (JupyterLab, nbclient …). The kernel is the webui's: no client may
end it, signal it or remove its files. So shutting down means letting go, the only signal that
passes is an interrupt, sent as a message, and the sockets handed out are links, because
``KernelManager.cleanup_ipc_files()`` deletes what it was given.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.connect import ConnectionFileMixin
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from tornado.web import HTTPError
from traitlets import Float, Unicode

from livepatch.errors import LivepatchError
from livepatch.files import check_trusted, shown

from .folder import remove_sockets, runtime_folder, socket_base
from .hearing import require_answer
from .leftovers import CLIENT_LINK_PREFIX, TO_SHORT_FOLDER
from .standin import Standin
from .webuis import Webui, choose, running_webuis

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

CHOICE_VARIABLE = "LIVEPATCH_WEBUI"
CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
CONNECTION_KEYS = (
    "ip",
    "transport",
    "signature_scheme",
    *CHANNELS,
    "curve_publickey",
    "curve_secretkey",
)


class NotReachedError(HTTPError):
    """No webui could be attached to: status 409 and the reason, which JupyterLab shows.

    Any other exception would reach the user as an empty "500 Internal Server Error".
    """

    def __init__(self, error: LivepatchError) -> None:
        message = f"livepatch could not {error.asked}: {error.found}. What to do: {error.advice}"
        message = " ".join(message.split()).replace(
            "%", ""
        )  # One line: it becomes an HTTP reason phrase.
        super().__init__(409, message, reason=message)
        self.message = message

    def __str__(self) -> str:
        # jupyter_server's sessions handler answers 500 with str(error).
        return self.message


class LivepatchProvisioner(KernelProvisionerBase):
    """Attaches a Jupyter client to a running webui."""

    webui = Unicode("", help="Name or pid of the webui; empty for the only running one.").tag(
        config=True
    )
    patience = Float(
        600.0, help="How many seconds a server waits for a webui to start again after it has ended."
    ).tag(config=True)

    _attached_to: Webui | None = None
    _previous: Webui | None = None
    _lost_at: float | None = None
    _let_go = True
    _links: Path | None = None
    _to_short_folder: Path | None = None
    _standin: Standin | None = None

    @property
    def has_process(self) -> bool:
        """Whether this client is attached."""
        return self._attached_to is not None

    @property
    def pid(self) -> int | None:
        """The webui's process id."""
        return self._attached_to.pid if self._attached_to is not None else None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Find the webui; after a restart the same one again, or the one that took its place."""
        wanted = str((kwargs.get("env") or os.environ).get(CHOICE_VARIABLE) or "")
        try:
            self._check_kernelspec()
            self._chosen = self._find(wanted)
            self._check_encryption(self._chosen)
            await asyncio.to_thread(require_answer, self._chosen, f"attach to {self._chosen}")
        except LivepatchError as error:
            raise NotReachedError(error) from error
        return await super().pre_launch(cmd=["livepatch", "list"], **kwargs)

    def _find(self, wanted: str) -> Webui:
        running = running_webuis()
        if self._previous is not None:
            same = [webui for webui in running if webui.pid == self._previous.pid]
            return same[0] if same else choose(self._previous.name, running)
        if not self.webui:
            return choose(wanted or None, running)
        fitting = [webui for webui in running if self.webui in (webui.name, str(webui.pid))]
        narrowed = [webui for webui in fitting if wanted in (webui.name, str(webui.pid))]
        return choose(self.webui, narrowed or running)

    def _check_kernelspec(self) -> None:
        """Refuse a kernelspec that others can write: it says which webui is meant, and more.

        But for that of the environment whose code runs here anyway.
        """
        folder = getattr(self.kernel_spec, "resource_dir", "")
        if not folder or Path(folder).is_relative_to(sys.prefix):
            return
        with contextlib.suppress(OSError):  # removed since it was read
            check_trusted(
                Path(folder, "kernel.json"), f"start the kernel {shown(folder)}", links=True
            )

    def _check_encryption(self, webui: Webui) -> None:
        encrypted = webui.connection.get("curve_publickey") is not None
        if encrypted and not ConnectionFileMixin.class_traits().get("curve_publickey"):
            raise LivepatchError(
                f"attach to {webui}",
                "its kernel uses encrypted TCP, which this jupyter_client does not support",
                "pip install -U jupyter_client in the environment of JupyterLab",
            )

    @property
    def _manager_is_shutting_down(self) -> bool:
        return bool(getattr(self.parent, "shutting_down", False))

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ARG002
        """Attach to the webui that was found."""
        await self._end_standin()
        connection = self._chosen.connection
        info = {key: connection[key] for key in CONNECTION_KEYS if connection.get(key) is not None}
        info["key"] = connection["key"].encode()
        if info["transport"] == "ipc":
            info = self._with_own_links(info)
        self._attached_to = self._previous = self._chosen
        self._let_go, self._lost_at = False, None
        self.connection_info: KernelConnectionInfo = info  # type: ignore[assignment]
        return self.connection_info

    def _with_own_links(self, info: dict[str, Any]) -> dict[str, Any]:
        """The same connection through links of this client, always of the same names.

        A client keeps its sockets when a webui restarts: ZeroMQ connects again by name, and the
        name leads to the new one.
        """
        if self._links is None or not self._links.parent.is_dir():
            self._links = self._new_links()
        changed = dict(info, ip=str(self._links))
        for number, channel in enumerate(CHANNELS, start=1):
            link = Path(f"{self._links}-{number}")
            link.unlink(missing_ok=True)
            link.symlink_to(f"{info['ip']}-{info[channel]}")
            changed[channel] = number
        return changed

    def _new_links(self) -> Path:
        folder = runtime_folder()
        own = folder / f"{CLIENT_LINK_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        base = socket_base(folder, own.name)
        if base.parent != folder:
            self._to_short_folder = Path(f"{own}{TO_SHORT_FOLDER}")
            self._to_short_folder.symlink_to(base.parent)
        return base

    async def poll(self) -> int | None:
        """None while attached, 0 when let go or the webui has ended."""
        webui = self._attached_to
        if webui is None or self._let_go:
            return 0
        if webui.is_running:
            self._lost_at = None
            self._prepare_standin(webui)
            return None
        if self._is_worth_waiting(webui):
            if self._standin is not None:
                self._standin.stand_in()
            return None
        await self._end_standin()
        return 0

    def _prepare_standin(self, webui: Webui) -> None:
        """Have somebody answer in the webui's place when it ends, where a server waits for it."""
        is_servers = getattr(self.parent, "_restarter", None) is not None
        if self._standin is None and self._links is not None and is_servers:
            self._standin = Standin(webui, self.connection_info, self._links)
            self._standin.start()

    async def _end_standin(self) -> None:
        standin, self._standin = self._standin, None
        if standin is not None:
            await asyncio.to_thread(standin.stop)

    def _is_worth_waiting(self, lost: Webui) -> bool:
        """Whether to hide from a server that the webui ended, until it is started again.

        A server revives a dead kernel once, at once, and gives it up when that fails; a webui takes
        minutes to load its models. So the server hears of the end only when the restart succeeds.
        """
        if getattr(self.parent, "_restarter", None) is None:
            return False
        if any(webui.name == lost.name for webui in running_webuis()):
            return False
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        return time.monotonic() - self._lost_at < self.patience

    async def wait(self) -> int | None:
        """Wait until no longer attached."""
        while await self.poll() is None:
            await asyncio.sleep(0.1)
        self._attached_to = None
        return 0

    async def send_signal(self, signum: int) -> None:
        """Pass an interrupt on as a message; the webui's process gets no signal.

        A manager that shuts down interrupts first: closing one notebook must not interrupt another
        one's cell.
        """
        manager = self.parent
        if signum == signal.SIGINT and manager is not None and not self._manager_is_shutting_down:
            manager._connect_control_socket()
            manager.session.send(
                manager._control_socket, manager.session.msg("interrupt_request", content={})
            )

    async def kill(self, restart: bool = False) -> None:  # noqa: ARG002
        """Let go of the webui, which runs on."""
        self._let_go = True

    async def terminate(self, restart: bool = False) -> None:  # noqa: ARG002
        """Let go of the webui, which runs on."""
        self._let_go = True

    async def shutdown_requested(self, restart: bool = False) -> None:  # noqa: ARG002
        """Let go: the kernel stays, with a fresh namespace when asked to restart."""
        self._let_go = True

    async def cleanup(self, restart: bool = False) -> None:
        """Remove this client's links; after a restart it has the same ones."""
        await self._end_standin()
        if self._links is None or restart:
            return
        remove_sockets(self._links)
        if self._to_short_folder is not None:
            self._to_short_folder.unlink(missing_ok=True)
        self._links = self._to_short_folder = None

    async def get_provisioner_info(self) -> dict[str, Any]:
        """What another process needs to go on with this client's attachment."""
        return {**await super().get_provisioner_info(), "pid": self.pid}
