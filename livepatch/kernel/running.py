"""Starting a kernel in a thread of the webui, and taking it out again."""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

from livepatch.engine.changing.locks import Lock
from livepatch.errors import AttachFailed, LivepatchError

from .children import children_end_here, end_after_this_step
from .context import Notebook, in_cell
from .door import Door
from .limits import ask_for_room, standard_descriptors_taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .footprint import Footprint

log = logging.getLogger("livepatch.kernel")

# Seconds that the cells of subshells may take to end when the kernel goes.
SUBSHELL_PATIENCE = 1.0


class RunningKernel:
    """A kernel in a thread of this process.

    Made by :func:`start_kernel`.

    Attributes:
        connection_info: the content of the connection file.
        shell: IPython's shell.
        kernel: ipykernel's kernel object.
    """

    def __init__(self, options: dict[str, Any], connection_file: Path) -> None:
        self.connection_info: dict[str, Any] = {}
        self.shell: Any = None
        self.kernel: Any = None
        self._options = options
        self._connection_file = connection_file
        self._notebook = Notebook()
        self._app: Any = None
        self._footprint: Footprint | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stopping = False
        self._ended = False
        self._door: Door | None = None
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._serve, name="livepatch-kernel", daemon=True)

    @property
    def user_ns(self) -> dict[str, Any]:
        """The namespace that the notebooks on this kernel share."""
        namespace: dict[str, Any] = self.shell.user_ns
        return namespace

    @property
    def alive(self) -> bool:
        """Whether the kernel answers: False once it was stopped, and in a forked child."""
        return self._pid == os.getpid() and self._thread.is_alive() and not self._stopping

    def interrupt(self) -> int:
        """Interrupt the cells that are running; the webui notices nothing.

        Returns:
            How many cells there were.
        """
        interrupted: int = self.kernel.interrupts.interrupt()
        return interrupted

    def stop(self, timeout: float = 5.0) -> None:
        """Take the kernel out of the process: only ``sys.modules`` stays larger than before.

        A running cell is interrupted. Called from a cell, the kernel goes when that cell has ended
        and been answered.

        Args:
            timeout: seconds to wait for the thread to end. A cell that is in a call that can't be
                interrupted keeps the thread longer; the process is put back in order all the same.
        """
        if self._stopping or self._loop is None:
            return
        self._stopping = True
        from_cell = in_cell() or threading.current_thread() is self._thread
        self.kernel._aborting = True
        if not from_cell:
            self.interrupt()
        self._loop.call_soon_threadsafe(self._finish_soon)
        if from_cell:
            return
        self._thread.join(timeout)
        self._leave_process()

    def abandon(self) -> None:
        """Give up a kernel that hears nothing: the process is put in order, its threads are left.

        Nothing of it is closed, as no other thread may close a socket of ZeroMQ's; it is kept, so
        that the garbage collector does not either, and remove what a successor has at its paths.
        """
        self._stopping = True
        _abandoned.append(self)
        if self.kernel is not None:
            self.interrupt()
        self._leave_process()

    def start(self, timeout: float) -> None:
        """Start the thread and wait until the kernel answers; see :func:`start_kernel`."""
        self._thread.start()
        if not self._ready.wait(timeout):
            self._stopping = True
            raise AttachFailed(
                "start a kernel in this process",
                f"it was not ready after {timeout:g} s (a cold disk reads IPython slowly)",
                "try again",
            )
        if isinstance(self._failure, LivepatchError):
            raise self._failure
        if self._failure is not None:
            raise AttachFailed(
                "start a kernel in this process",
                f"{type(self._failure).__name__}: {self._failure}".splitlines()[0],
                "the webui keeps running as before; fix the cause and attach again",
            ) from self._failure

    def _serve(self) -> None:
        # Never the host's policy: its loops may be uvloop's, and its loop in this thread none of
        # ours.
        with standard_descriptors_taken():
            try:
                self._loop = loop = asyncio.SelectorEventLoop()
            except OSError as error:
                self._failure = error
                self._ready.set()
                return
            asyncio.set_event_loop(loop)
            self._live(loop)

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._build()
        except BaseException as error:  # goes on in the thread that asked for the kernel
            self._failure = error
        if self._failure is None and not self._stopping:
            self._ready.set()
            self._run_loop(loop)
        self._close(loop)
        self._ready.set()

    def _build(self) -> None:
        from .footprint import Footprint, imports_without_traces

        with imports_without_traces():
            from .configuration import make_app

            self._app = app = make_app(self._connection_file, self._notebook, self._options, log)
            app.initialize()
        self._footprint = Footprint(app)
        app.kernel.start()
        self.shell, self.kernel = app.shell, app.kernel
        self.connection_info = app.connection_info()
        _when_the_process_ends_or_forks(self)
        ports = app._ports.values() if app.transport == "ipc" else ()
        self._door = Door([f"{app.ip}-{port}" for port in ports])
        app.publish_connection_file()  # last: who finds it finds a kernel that answers

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the loop until the kernel ends: a cell that stops it does not end the kernel."""
        failed_at = -math.inf
        while not self._ended:
            try:
                while True:  # its jump back stands in the block: an interrupt may come there
                    if self._ended:
                        return
                    _run_until_stopped(loop)
            except (KeyboardInterrupt, SystemExit):
                # An interrupt that came between two steps of the loop, or exit() in a task that a
                # cell left: asyncio lets both out of the loop, and the kernel lives on.
                continue
            except Exception as error:  # of the loop itself: no memory, or its selector is closed
                failed_before, failed_at = failed_at, time.monotonic()
                if failed_at - failed_before < 1.0:
                    log.warning(
                        "livepatch: the kernel has ended, because its event loop failed twice: %s: "
                        "%s; livepatch.attach() starts another one",
                        type(error).__name__,
                        error,
                    )
                    return

    def _finish_soon(self) -> None:
        assert self._loop is not None
        self._finisher = self._loop.create_task(self._finish())

    async def _finish(self) -> None:
        """Stop the loop once the cell that runs has ended and its answer has gone out."""
        assert self._loop is not None
        async with self.kernel._main_asyncio_lock:
            await self._subshells_end()
            channel = self.kernel.shell_channel_thread
            if channel is not None:
                settled = asyncio.run_coroutine_threadsafe(_settle(), channel.io_loop.asyncio_loop)
                await asyncio.wrap_future(settled)
        self._ended = True
        self._loop.stop()

    async def _subshells_end(self) -> None:
        """Wait for the cells of subshells, which were interrupted or end here."""
        for patience in (SUBSHELL_PATIENCE, SUBSHELL_PATIENCE):
            end = time.monotonic() + patience
            while self.kernel.under_way and time.monotonic() < end:
                await asyncio.sleep(0.01)
            if self.kernel.under_way:
                self.interrupt()

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stopping = True
        self._leave_process()
        parts: list[Callable[[], object]] = [lambda: _end_tasks(loop)]
        if self.kernel is not None:
            parts.append(self.kernel.webui_debugger.turn_off)
        if self._app is not None:
            parts.append(self._app.close)
        parts += [lambda: asyncio.set_event_loop(None), loop.close]
        for part in parts:
            try:
                part()
            except Exception:  # the process is in order already; what is left is this thread's own
                log.exception("livepatch: the kernel did not end cleanly")

    def _loops(self) -> dict[int, asyncio.AbstractEventLoop]:
        """The loops in which code of cells runs, by the idents of their threads."""
        loops = {} if self._loop is None else {self._thread.ident or 0: self._loop}
        manager = getattr(self.kernel.shell_channel_thread, "_manager", None)
        if manager is not None:
            for subshell in list(manager._cache.values()):
                loops[subshell.ident or 0] = subshell.io_loop.asyncio_loop
        return loops

    def _leave_process(self) -> None:
        """Put the process back as it was. Any thread may call it, and more than once."""
        _forget(self)
        self._notebook.live = False
        if self._door is not None:
            self._door.end()
        if self._footprint is not None:
            self._footprint.remove()
        if self.kernel is not None:
            self.kernel.forget_running_cells()
        if self._app is not None and self._pid == os.getpid():
            self._app.remove_files()


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


async def _settle() -> None:
    """Let a loop take up what lies at its sockets already."""
    for _ in range(3):
        await asyncio.sleep(0.01)


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    with children_end_here():
        loop.run_forever()


_starting = Lock()
_running: list[RunningKernel] = []
_abandoned: list[RunningKernel] = []
_forks_watched = False


def running_kernel() -> RunningKernel | None:
    """The kernel that runs in this process, or None."""
    return next((kernel for kernel in _running if kernel.alive), None)


def start_kernel(
    connection_file: Path,
    *,
    transport: Literal["ipc", "tcp"],
    ip: str,
    key: bytes,
    curve: bool = False,
    user_ns: dict[str, object] | None = None,
    metadata: dict[str, object],
    info: Callable[[], dict[str, object]] | None = None,
    banner: str = "",
    timeout: float = 15.0,
) -> RunningKernel:
    """Start a real IPython kernel in a daemon thread of this process.

    Args:
        connection_file: where to write the connection file (0600); its folder exists.
        transport: "ipc" or "tcp".
        ip: for ipc the path prefix of the sockets (``<ip>-1`` …), for tcp the address.
        key: signs the messages (HMAC-SHA256).
        curve: encrypt with CurveZMQ; needed for tcp, where the key alone does not keep others from
            reading.
        user_ns: names that cells find from the start, and again after a restart.
        metadata: goes into the connection file under "livepatch".
        info: answers ``livepatch_info_request`` on the control channel, in the control thread.
        banner: what a console shows when it connects.
        timeout: seconds that starting may take.

    Returns:
        The running kernel.

    Raises:
        AttachFailed: the kernel could not be started; the process is as it was.

    Example:
        sockets = str(path.with_suffix(""))
        kernel = start_kernel(path, transport="ipc", ip=sockets, key=b"…", metadata={})
        kernel.stop()
    """
    options = {
        "transport": transport,
        "ip": ip,
        "key": key,
        "curve": curve,
        "user_ns": dict(user_ns or {}),
        "metadata": metadata,
        "info": info,
        "banner": banner,
    }
    with _starting:
        there = running_kernel()
        if there is not None:
            raise AttachFailed(
                "start a kernel in this process",
                f"a kernel is already running: {there._connection_file}",
                "use that kernel, or call livepatch.detach() first",
            )
        ask_for_room("start a kernel in this process")
        kernel = RunningKernel(options, connection_file)
        kernel.start(timeout)
        return kernel


def _when_the_process_ends_or_forks(kernel: RunningKernel) -> None:
    global _forks_watched
    _running.append(kernel)
    atexit.register(kernel._leave_process)
    if not _forks_watched and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork_in_child)
        _forks_watched = True


def _forget(kernel: RunningKernel) -> None:
    if kernel in _running:
        _running.remove(kernel)
    # Not from the exit itself: unregistering there is needless, and unregistering twice is
    # harmless.
    atexit.unregister(kernel._leave_process)


def _after_fork_in_child() -> None:
    """A child has no kernel thread: it forgets the parent's kernel."""
    global _starting
    _starting = Lock()  # may have been copied locked
    while _running:
        kernel = _running[-1]
        kernel._stopping = True
        end_after_this_step(kernel._loops())
        kernel._leave_process()  # takes it off the list
        # What the parent's cells left in the background is not the child's to end when it exits.
        scripts = kernel.shell.magics_manager.registry.get("ScriptMagics")
        if scripts is not None:
            atexit.unregister(scripts.kill_bg_processes)
