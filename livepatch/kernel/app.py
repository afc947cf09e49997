# mypy: disable-error-code="attr-defined,misc,no-untyped-call,override,union-attr,unused-ignore"
# ipykernel and IPython are typed in part, and in each version differently.
"""The kernel's application object: its sockets and helper threads, as guests of a process."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import inspect
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from ipykernel.iostream import IOPubThread
from ipykernel.kernelapp import IPKernelApp
from traitlets import Any as AnyTrait
from traitlets import Type

from livepatch.engine.changing.masking import masked
from livepatch.files import write_private

from .channels import CellStream, SturdyIOPubThread, SurveyedHeartbeat, sturdy_streams
from .context import inside
from .profile import UsersProfile, no_store_yet
from .requests import WebuiKernel
from .restart import PristineShell
from .strangers import SignedSession

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds that the helper threads may take to end.
THREADS_PATIENCE = 2.0


def close_loop(io_loop: Any) -> None:
    """Close the loop of a thread that has ended, or was never started."""
    if not io_loop.asyncio_loop.is_closed():
        io_loop.close()


class WebuiKernelApp(IPKernelApp):
    """Starts and ends a kernel without what ``IPKernelApp`` does to its process.

    Left out are the crash handler (``sys.excepthook``), the command line, pdb's replacement, the
    poller of the parent process, signals, faulthandler, ``sys.path``, MPLBACKEND, and the
    ``atexit`` calls that would block the webui's exit.
    """

    kernel_class = Type(WebuiKernel)
    notebook = AnyTrait()
    info = AnyTrait()
    initial_namespace = AnyTrait()
    metadata = AnyTrait()

    def _session_default(self) -> SignedSession:
        return SignedSession(parent=self)

    @property
    def _curve_keys(self) -> dict[str, bytes]:
        """The keys of an encrypted kernel; ipykernel has these traits from 7.3 on."""
        names = ("curve_publickey", "curve_secretkey")
        keys = {name: getattr(self, name, None) for name in names}
        return {name: key for name, key in keys.items() if key is not None}

    def initialize(self, argv: Any = None) -> None:  # noqa: ARG002 - traitlets' signature
        """Make sockets, streams, kernel and shell; requests wait until ``kernel.start()``."""
        self._hanging: list[threading.Thread] = []
        self.connection_file = str(Path(self.connection_file).absolute())
        try:
            self._make_kernel()
        finally:
            # They join threads, and so would hold the webui's exit up; RunningKernel keeps one of
            # its own.
            for owner, name in (
                (self, "close"),
                (self.iopub_thread, "stop"),
                (self.shell, "atexit_operations"),
            ):
                if owner is not None:
                    atexit.unregister(getattr(owner, name))

    def _make_kernel(self) -> None:
        self.profile_dir = UsersProfile()
        # libzmq aborts the process where it has too few descriptors for what a context begins with;
        # both begin here, before anything else is open.
        self.init_heartbeat()
        self.init_sockets()
        self.log_connection_info()
        self.init_io()
        with inside(self.notebook), no_store_yet(), sturdy_streams():
            self.init_kernel()
            self.init_shell()
        self.notebook.shell = self.shell
        self.kernel.remember_pristine_shell(PristineShell(self.shell))

    def init_heartbeat(self) -> None:
        """Start the heartbeat, and wait until it listens: ipykernel's fails in silence."""
        self.heartbeat = SurveyedHeartbeat(
            zmq.Context(), (self.transport, self.ip, self.hb_port), **self._curve_keys
        )
        self.hb_port = self.heartbeat.port
        self.heartbeat.start()
        self.heartbeat.listening.wait()
        if self.heartbeat.failure is not None:
            raise self.heartbeat.failure

    def init_iopub(self, context: Any) -> None:
        """Make the output channel; ipykernel's would listen on a TCP port for forked children."""
        takes_session = "session" in inspect.signature(IOPubThread).parameters  # ipykernel 7.1
        socket = context.socket(zmq.XPUB if takes_session else zmq.PUB)
        socket.linger = 1000
        if self._curve_keys:
            self._apply_curve_server_options(socket)
        self.iopub_port = self._bind_socket(socket, self.iopub_port)
        options = {"session": self.session} if takes_session else {}
        self.iopub_thread = SturdyIOPubThread(socket, pipe=False, **options)
        self.iopub_thread.start()
        # Every message asks whether this thread is alive. Up to 3.12 an interrupt that hits the
        # question marks the thread as stopped (bpo-45274's fix); then every thread would write to
        # the socket by itself, messages would mix and libzmq could abort the webui.
        thread = self.iopub_thread.thread
        vars(thread)["is_alive"] = functools.partial(masked, thread.is_alive)
        self.iopub_socket = self.iopub_thread.background_socket

    def log_connection_info(self) -> None:
        """Remember the ports; print nothing into the webui's output."""
        names = ("shell", "iopub", "stdin", "hb", "control")
        self._ports = {name: getattr(self, f"{name}_port") for name in names}

    def init_io(self) -> None:
        """Make the streams that cells print to; they are routed to later."""
        self.output_streams = tuple(
            CellStream(self.session, self.iopub_thread, name, watchfd=False)
            for name in ("stdout", "stderr")
        )
        self.displayhook = type("NoDisplayHook", (), {})()  # ipykernel sets an attribute of it

    def reset_io(self) -> None:
        """Leave ``sys.stdout`` alone: the router is taken back elsewhere."""

    def connection_info(self) -> dict[str, Any]:
        """The content of the connection file."""
        info: dict[str, Any] = {
            **{f"{name}_port": port for name, port in self._ports.items()},
            "ip": self.ip,
            "key": self.session.key.decode(),
            "transport": self.transport,
            "signature_scheme": self.session.signature_scheme,
            "kernel_name": "livepatch",
        }
        info.update({name: key.decode() for name, key in self._curve_keys.items()})
        info["livepatch"] = self.metadata
        return info

    def publish_connection_file(self) -> None:
        """Write the connection file: the user's alone, and complete when it appears."""
        text = json.dumps(self.connection_info(), indent=1)
        write_private(self.connection_file, text.encode())

    def remove_files(self) -> None:
        """Remove the connection file, the sockets' files, and a folder made for them alone."""
        Path(self.connection_file).unlink(missing_ok=True)
        self.cleanup_ipc_files()
        sockets = Path(self.ip).parent
        if self.transport == "ipc" and sockets != Path(self.connection_file).parent:
            with contextlib.suppress(OSError):  # others' files are in it
                sockets.rmdir()

    def close(self) -> None:
        """End the helper threads and close the sockets; what is under way to a client is sent.

        A part that fails, or was never made, keeps no other from being closed. A thread that hangs
        is waited for, however long: to close a socket that it uses would end the process.
        """
        channels = [self.shell_channel_thread, self.control_thread]
        loops = [o.io_loop for o in (*channels, self.iopub_thread) if o is not None]
        parts: list[Callable[[], object]] = [
            self._end_heartbeat,
            self._end_subshells,
            lambda: self._end_threads(channels),
            self._end_collector,
            lambda: self._end_threads([self.iopub_thread]),  # it sends what the others had for it
            self._end_shell,
            self._wait_for_threads,
            self._close_sockets,
            *(functools.partial(close_loop, loop) for loop in loops),
        ]
        for part in parts:
            try:
                part()
            except Exception:
                self.log.exception("livepatch: a part of the kernel did not end cleanly")

    def _end_heartbeat(self) -> None:
        if self.heartbeat is None:
            return
        if self.heartbeat.is_alive():
            self.heartbeat.context.term()  # its thread then closes the socket itself
            self.heartbeat.join()
        else:
            self.heartbeat.context.destroy()

    def _end_threads(self, threads: list[Any]) -> None:
        """Ask all to end before the first is waited for."""
        started = []
        for owner in threads:
            thread = getattr(owner, "thread", owner)
            if thread is not None and thread.is_alive():
                if owner is self.iopub_thread:
                    owner._stopped = True
                owner.io_loop.add_callback(owner.io_loop.stop)
                started.append(thread)
        end = time.monotonic() + THREADS_PATIENCE
        for thread in started:
            thread.join(max(0.0, end - time.monotonic()))
        self._hanging += [thread for thread in started if thread.is_alive()]

    def _wait_for_threads(self) -> None:
        if self._hanging:
            names = " and ".join(thread.name for thread in self._hanging)
            self.log.warning("livepatch: the kernel's thread %s hangs and is abandoned", names)
        for thread in self._hanging:
            thread.join()

    def _close_sockets(self) -> None:
        if self.iopub_thread is not None:
            for pipe in self.iopub_thread._event_pipes.values():
                pipe.close()
            self.iopub_thread.close()
        if self.context is not None:
            self.context.destroy()

    def _end_shell(self) -> None:
        if self.shell is not None:
            with inside(self.notebook):
                self._end_scripts()
                self.shell.atexit_operations()

    def _end_collector(self) -> None:
        """End ipykernel's task in the output thread; left alone, it complains on stderr later."""
        if self.iopub_thread is None:
            return
        task = getattr(self.iopub_thread, "_event_pipe_gc_task", None)  # ipykernel 6.20 on
        if task is None or not self.iopub_thread.thread.is_alive():
            return

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        loop = self.iopub_thread.io_loop.asyncio_loop
        with contextlib.suppress(concurrent.futures.TimeoutError):
            asyncio.run_coroutine_threadsafe(end(), loop).result(1)

    def _end_subshells(self) -> None:
        """End the subshells' threads; ipykernel would wait for them under a lock that they need."""
        channel = self.shell_channel_thread
        if channel is None or not channel.is_alive():
            return
        manager = channel.manager
        ended = threading.Event()

        def end() -> None:
            with manager._lock_cache:
                subshells = list(manager._cache.values())
                manager._cache.clear()
            for subshell in subshells:
                manager._stop_subshell(subshell)
            ended.set()

        channel.io_loop.add_callback(end)
        ended.wait(THREADS_PATIENCE)

    def _end_scripts(self) -> None:
        """End what ``%%bash`` and its like left running: processes, their loop and its thread."""
        scripts = self.shell.magics_manager.registry.get("ScriptMagics")
        if scripts is None:  # IPython 9 makes it when it is first used
            return
        scripts.kill_bg_processes()
        atexit.unregister(scripts.kill_bg_processes)
        loop = scripts.event_loop
        for thread in threading.enumerate():  # IPython 8 keeps no reference to its own
            if loop is not None and getattr(thread, "_target", None) == loop.run_forever:
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                loop.close()
