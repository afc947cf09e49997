# mypy: disable-error-code="attr-defined,no-untyped-call,import,unused-ignore"
# ipykernel and debugpy are typed in part, and in each version differently.
"""JupyterLab's debugger in a webui's process: off until it is asked for, and gone afterwards.

debugpy stops every thread of the webui at a breakpoint, listens on a port of the loopback, and puts
its own in the place of some 30 functions of ``os``, ``subprocess`` and ``threading``. The latter it
has no way back from; here is one.
"""

from __future__ import annotations

import asyncio
import atexit
import builtins
import os
import subprocess
import sys
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any

from livepatch.addresses import endpoint_text
from livepatch.errors import LivepatchError

from .context import inside

if TYPE_CHECKING:
    from types import ModuleType

# The packages whose frames are the kernel's machinery. ipykernel would leave out every module that
# is loaded when the kernel starts: the webui's.
MACHINERY = ("IPython", "ipykernel", "jupyter_client", "tornado", "traitlets", "zmq")

# Seconds that the front end's session may take to end.
END_PATIENCE = 5.0


class WebuiDebugger:
    """The debugger of one kernel.

    Args:
        kernel: the kernel, whose control thread talks with debugpy.

    Attributes:
        endpoint: where debugpy listens, None while the debugger is off.
    """

    def __init__(self, kernel: Any) -> None:
        self.endpoint: tuple[str, int] | None = None
        self._kernel = kernel
        self._debugger: Any = None
        self._footprint: _Footprint | None = None
        self._poll: Any = None

    def turn_on(self) -> str:
        """Let a front end debug this process; the caller's thread is a cell's.

        Returns:
            What it does to the webui, for the user to read.

        Raises:
            LivepatchError: debugpy is not installed, or listens in this process for another.
        """
        if self.endpoint is None:
            try:
                self._listen()
            except (ImportError, RuntimeError) as error:
                raise LivepatchError(
                    "%webui debugger on",
                    str(error).splitlines()[0],
                    "install debugpy in the webui's environment, or end the other debugger first",
                ) from error
        assert self.endpoint is not None
        host, port = self.endpoint
        return (
            "the debugger is on: a breakpoint stops every thread of the webui, its requests too · "
            f"it listens on {endpoint_text(host, port)}, without a password, "
            "for every user of this machine · "
            "Python runs slower meanwhile · restart the kernel once (patches stay), and JupyterLab "
            "shows its bug button · afterwards: %webui debugger off"
        )

    def turn_off(self) -> str:
        """End the debugger and take out of the process what it left there.

        Returns:
            The answer line.
        """
        if self.endpoint is None:
            return "the debugger is off"
        if self._debugger.is_started:
            ending = asyncio.run_coroutine_threadsafe(self._disconnect(), self._control_loop())
            try:
                ending.result(END_PATIENCE)
            except Exception as error:  # debugpy went another way: what follows ends it anyhow
                self._kernel.log.debug("the debugger's session did not end: %r", error)
        self._poll.cancel()
        import pydevd
        from debugpy.server import api

        pydevd.stoptrace()
        atexit.unregister(pydevd.stoptrace)
        _untrace_threads()
        api.listen.called = False  # else it could not be turned on again
        if self._footprint is not None:
            self._footprint.remove()
        self.endpoint = self._debugger = self._footprint = None
        return "the debugger is off · the webui runs as before; its modules stay loaded"

    def receive(self, frame: str) -> None:
        """Take what debugpy sent."""
        if self._debugger is not None:
            self._debugger.tcp_client.receive_dap_frame(frame)

    async def process(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a front end's request, as ipykernel does."""
        if self._debugger is None:
            return {
                "type": "response",
                "request_seq": message.get("seq", 0),
                "command": message.get("command", ""),
                "success": False,
                "message": "the debugger stops every thread of the webui and is off; "
                "turn it on in a cell: %webui debugger on",
            }
        with inside(self._kernel.notebook):
            reply: dict[str, Any] = await self._debugger.process_request(message)
        return reply

    def _listen(self) -> None:
        self._footprint = footprint = _Footprint()
        # debugpy's advice on frozen modules would go to the webui's terminal.
        os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        try:
            import debugpy
            from ipykernel.debugger import Debugger

            kernel = self._kernel
            self.endpoint = debugpy.listen(("127.0.0.1", 0))
        except BaseException:
            footprint.remove()
            raise
        finally:
            footprint.look()
        self._debugger = debugger = Debugger(
            kernel.log,
            kernel.debugpy_stream,
            kernel._publish_debug_event,
            kernel.debug_shell_socket,
            kernel.session,
            _machinery(),
            kernel.debug_just_my_code,
            kernel.filter_internal_frames,
        )
        client: Any = debugger.debugpy_client
        client.debugpy_host, client.debugpy_port = self.endpoint[0], str(self.endpoint[1])
        debugger.debugpy_initialized = True  # else it would run a cell that listens
        self._poll = asyncio.run_coroutine_threadsafe(self._poll_stops(), self._control_loop())

    async def _poll_stops(self) -> None:
        while True:
            await self._debugger.handle_stopped_event()

    async def _disconnect(self) -> None:
        arguments = {"restart": False, "terminateDebuggee": False}
        request = {"type": "request", "seq": 0, "command": "disconnect", "arguments": arguments}
        with inside(self._kernel.notebook):
            await self._debugger.process_request(request)

    def _control_loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop = self._kernel.control_thread.io_loop.asyncio_loop
        return loop


def _machinery() -> list[str]:
    from livepatch import kernel

    packages = [sys.modules[name] for name in MACHINERY if name in sys.modules]
    folders = tuple(f"{os.path.dirname(str(p.__file__))}{os.sep}" for p in [*packages, kernel])
    files = [getattr(module, "__file__", None) for module in sys.modules.copy().values()]
    return [file for file in files if file and file.startswith(folders)]


def _untrace_threads() -> None:
    """End the tracing of threads that pydevd began and does not end (up to Python 3.11)."""
    if sys.version_info >= (3, 12):
        return  # there it watches by sys.monitoring, which ends for all threads at once
    from pydevd_tracing import set_trace_to_threads

    def end(*_event: object) -> None:
        sys.settrace(None)

    set_trace_to_threads(end, create_dummy_thread=False)
    sys.settrace(None)


class _Footprint:
    """What debugpy puts into modules of the standard library, and the way back."""

    def __init__(self) -> None:
        import _posixsubprocess
        import _thread

        self._modules: list[ModuleType] = [
            *(builtins, os, subprocess, threading, _posixsubprocess, _thread)
        ]
        self._before = [dict(vars(module)) for module in self._modules]
        self._environment = dict(os.environ)
        self._breakpointhook = sys.breakpointhook
        self._codes = {function: function.__code__ for function in _recoded_functions()}
        self._installed: list[dict[str, Any]] = [{} for _ in self._modules]

    def look(self) -> None:
        """Note what is there that was not before and is debugpy's."""
        for module, before, installed in zip(
            self._modules, self._before, self._installed, strict=True
        ):
            for name, value in vars(module).copy().items():
                if before.get(name) is not value and _is_debugpys(name, value):
                    installed[name] = value

    def remove(self) -> None:
        """Put back what was there before."""
        self.look()  # ending it left some more
        for module, before, installed in zip(
            self._modules, self._before, self._installed, strict=True
        ):
            for name in installed:
                if name in before:
                    setattr(module, name, before[name])
                elif hasattr(module, name):
                    delattr(module, name)
        for name in set(os.environ) - set(self._environment):
            if name.startswith(("PYDEVD_", "DEBUGPY_")):
                del os.environ[name]
        sys.breakpointhook = self._breakpointhook
        for function, code in self._codes.items():
            function.__code__ = code


def _recoded_functions() -> list[FunctionType]:
    """Functions whose code pydevd exchanges as it is imported: threads of ours would be hidden."""
    names = ("enumerate", "active_count", "_pickSomeNonDaemonThread")
    found = [getattr(threading, name, None) for name in names]
    return [function for function in found if isinstance(function, FunctionType)]


def _is_debugpys(name: str, value: object) -> bool:
    if name.startswith(("original_", "_original_start_new")) or name in _LEFT_BY_ITS_END:
        return True
    module = getattr(getattr(value, "__func__", value), "__module__", None) or ""
    return module.partition(".")[0].startswith(("pydevd", "_pydev", "debugpy"))


# pydevd "restores" these under names that the modules did not have.
_LEFT_BY_ITS_END = frozenset({"start_new", "start_new_thread", "_start_new_thread"})
