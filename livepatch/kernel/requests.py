# mypy: disable-error-code="attr-defined,misc,no-untyped-call,override,union-attr,unused-ignore"
# ipykernel and IPython are typed in part, and in each version differently.
"""How the kernel answers a notebook's requests, where a guest does it differently."""

from __future__ import annotations

import asyncio
import contextvars
import linecache
import sys
import types
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import comm
from ipykernel.comm.manager import CommManager
from ipykernel.ipkernel import IPythonKernel
from traitlets import Any as AnyTrait
from traitlets import Type

from . import socket_waits, waits
from .context import inside
from .debugger import WebuiDebugger
from .interrupts import Interrupts
from .shell import CellCompiler, NotebookShell
from .streams import webuis_streams_unflushed
from .whilerunning import WhileRunning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .restart import PristineShell

# The module that cells run in; `__main__` is the webui's.
NOTEBOOK_MODULE = "livepatch_notebook"

# How long a restart may take until the front end is told that it is on its way, in seconds.
RESTART_PATIENCE = 3.0

# Seconds after Stop until a cell that is still where it was is said to be stuck.
STUCK_AFTER = 1.0


class WebuiKernel(IPythonKernel):
    """An IPython kernel that is a guest in its process.

    Attributes:
        notebook: the mark of its cells' contexts.
        interrupts: the executions that are under way.
        output_streams: the streams that cells print to, once they are made.
        webui_debugger: the debugger, off until it is asked for.
        under_way: the tasks that are answering requests, the main shell's and those of subshells.
    """

    shell_class = Type(NotebookShell)
    compiler_class = Type(CellCompiler)
    debugger_class = Type(object)  # ipykernel's would import debugpy at once
    notebook = AnyTrait()
    info = AnyTrait()
    initial_namespace = AnyTrait()
    output_streams = AnyTrait()
    control_msg_types = [*IPythonKernel.control_msg_types, "livepatch_info_request"]  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        self.interrupts = Interrupts()
        self.webui_debugger = WebuiDebugger(self)
        self.under_way: set[Any] = set()
        self._while_running = WhileRunning(self.interrupts, self.getpass)
        self._pristine: PristineShell | None = None
        app = options["parent"]
        for name in ("notebook", "info", "initial_namespace", "output_streams"):
            options[name] = getattr(app, name)
        module = _notebook_module(app.initial_namespace)
        options.update(user_module=module, user_ns=module.__dict__)
        with _no_debugger(), _comm_manager_of_its_own():
            super().__init__(**options)
        for message in ("comm_open", "comm_msg", "comm_close"):
            self.shell_handlers[message] = self._interruptible(self.shell_handlers[message])

    @classmethod
    def instance(cls, *args: Any, **options: Any) -> WebuiKernel:
        """Make the kernel without making it the process's: it answers inside cells only."""
        return cls(*args, **options)

    def remember_pristine_shell(self, pristine: PristineShell) -> None:
        """Keep what a restart goes back to."""
        self._pristine = pristine

    def forget_running_cells(self) -> None:
        """Take back what holds only while cells run: none is running in this process."""
        self._while_running.forget()

    def _initialize_thread_hooks(self) -> None:
        """Leave ``Thread.run`` alone, which ipykernel 7.0 replaces."""

    def _clean_thread_parent_frames(self, *_args: Any) -> None:
        """Do nothing: see :meth:`_initialize_thread_hooks`."""

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What a front end may use: the debugger only where that was turned on."""
        features = ["kernel subshells"] if self._supports_kernel_subshells else []
        if self.webui_debugger.endpoint is not None:
            features.append("debugger")
        from ipykernel._version import kernel_protocol_version

        return {
            "protocol_version": kernel_protocol_version,
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
            "help_links": self.help_links,
            "supported_features": features,
        }

    async def poll_stopped_queue(self) -> None:
        """Wait for no debugger yet; see :class:`~livepatch.kernel.debugger.WebuiDebugger`."""

    def dispatch_debugpy(self, msg: Any) -> None:
        """Take the debugger's messages: the socket's name, then the text."""
        self.webui_debugger.receive(msg[1].bytes.decode("utf-8"))

    async def do_debug_request(self, msg: Any) -> dict[str, Any]:
        """Answer as the debugger does, which refuses while it is off."""
        return await self.webui_debugger.process(msg)

    def pre_handler_hook(self) -> None:
        """Leave SIGINT to the webui."""

    def post_handler_hook(self) -> None:
        """Leave SIGINT to the webui."""

    def _forward_input(self, allow_stdin: bool = False) -> None:
        # builtins.input stays: cells find `input` in their namespace, getpass asks whose cell is
        # running.
        self._allow_stdin = allow_stdin

    def _restore_input(self) -> None:
        """Put nothing back: nothing was replaced."""

    @contextmanager
    def _cancel_on_sigint(self, future: asyncio.Future[Any]) -> Iterator[None]:
        with self.interrupts.awaiting(future):
            yield

    _dummy_context_manager = _cancel_on_sigint  # what ipykernel uses off the thread that started it

    async def dispatch_control(self, msg: Any) -> None:
        """Answer a control request: it is no cell's, and waits for nobody's streams."""
        with inside(None), webuis_streams_unflushed():
            await super().dispatch_control(msg)

    async def dispatch_shell(self, *args: Any, **options: Any) -> None:
        """Answer a request in the context of the notebook's cells."""
        self.under_way.add(task := asyncio.current_task())
        try:
            with inside(self.notebook):
                await super().dispatch_shell(*args, **options)
        finally:
            self.under_way.discard(task)

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        # LookupError: the subshell was deleted while its cell ran, and nothing waits there now.
        with suppress(LookupError):
            super()._abort_queues(subshell_id)

    def before_cell(self) -> None:
        """What the footprint has to see to before a cell runs; by itself nothing."""

    async def do_execute(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Execute a cell; an interrupt ends the cell and nothing else."""
        self.before_cell()
        self._while_running.begin()
        try:
            reply: dict[str, Any] = await self.interrupts.execute(
                super().do_execute(*args, **options)
            )
        except KeyboardInterrupt:  # came between IPython's own handlers
            self.shell.showtraceback()
            return {
                "status": "error",
                "ename": "KeyboardInterrupt",
                "evalue": "",
                "traceback": self.shell._last_traceback or [],
                "execution_count": self.shell.execution_count - 1,
                "user_expressions": {},
                "payload": [],
            }
        finally:
            self._while_running.end()
        return reply

    def _interruptible(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        def handle(*args: Any) -> Any:
            return self.interrupts.call(handler, *args)

        return handle

    def _send_interrupt_children(self) -> None:
        """Stop the main shell's cell, as ipykernel does; where that is idle, those of subshells."""
        running = {thread: self._subshell_of(thread) for thread in self.interrupts.threads()}
        wanted = self.get_parent("control").get("header", {}).get("subshell_id")
        if wanted is None and None not in running.values():
            stopped = list(running)
        else:
            stopped = [thread for thread, subshell in running.items() if subshell == wanted]
        self.interrupts.interrupt(stopped)
        loop = asyncio.get_running_loop()
        loop.call_later(STUCK_AFTER, self._look_for_stuck_cells, stopped)

    def _subshell_of(self, thread: int) -> str | None:
        if self.shell_channel_thread is None:
            return None
        found: str | None = self.shell_channel_thread.manager.subshell_id_from_thread_id(thread)
        return found

    def _look_for_stuck_cells(self, threads: list[int]) -> None:
        before = self.interrupts.whereabouts()

        def look_again() -> None:
            now = self.interrupts.whereabouts()
            for thread in threads:
                if thread not in now or now[thread] != before.get(thread):
                    continue
                if self.interrupts.first_told(thread):
                    self._tell_of_stuck_cell(now[thread][1])

        asyncio.get_running_loop().call_later(STUCK_AFTER / 4, look_again)

    def _tell_of_stuck_cell(self, frame: Any) -> None:
        code, line = frame.f_code, frame.f_lineno
        text = linecache.getline(code.co_filename, line).strip()
        said = (
            "livepatch: Stop was sent, but the cell is in a call that cannot be interrupted: "
            f"{text or '?'} ({code.co_name}, line {line})\n"
        )
        if code.co_filename in (socket_waits.__file__, waits.__file__):
            # Stop would have ended this wait: sent once more, it does.
            said = (
                "livepatch: Stop was sent, but the cell caught it, or was in a finalizer, where "
                "Python drops it; press Stop again\n"
            )
        # In a context without a parent of its own the stream writes to the cell that runs.
        contextvars.Context().run(self.output_streams[1].write, said)

    def do_complete(self, code: str, cursor_pos: int | None) -> dict[str, Any]:
        """Complete as ipykernel does, without ``catch_warnings``: filters are the process's."""
        from IPython.core.completer import rectify_completions

        position = len(code) if cursor_pos is None else cursor_pos
        completer = self.shell.Completer
        timeout = completer.jedi_compute_type_timeout / 1000
        found = list(
            rectify_completions(code, completer._completions(code, position, _timeout=timeout))
        )
        unique = list({(c.start, c.end, c.text): c for c in found}.values())
        typed = [
            {
                "start": c.start,
                "end": c.end,
                "text": c.text,
                "type": c.type,
                "signature": c.signature,
            }
            for c in unique
        ]
        return {
            "matches": [completion.text for completion in unique],
            "cursor_start": unique[0].start if unique else position,
            "cursor_end": unique[0].end if unique else position,
            "metadata": {"_jupyter_types_experimental": typed},
            "status": "ok",
        }

    async def livepatch_info_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Answer what the webui says about itself; on the control thread, so at any time."""
        try:
            content = {"status": "ok", **(self.info() if self.info is not None else {})}
        except (
            Exception
        ) as error:  # a failing host adapter is an answer too, and must not end the channel
            content = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        self.session.send(stream, "livepatch_info_reply", content, parent, ident=ident)

    async def shutdown_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Let the client go; on restart give a fresh namespace. Kernel and webui run on."""
        restart = bool(parent["content"].get("restart", False))
        if restart:
            fresh = asyncio.run_coroutine_threadsafe(
                self._start_afresh(), self.io_loop.asyncio_loop
            )
            self._abort_queues()  # cells that wait belong to the session that ends
            self.interrupts.interrupt()
            # A cell in a C call ends later than that; the front end needn't wait for it.
            done, _ = await asyncio.wait([asyncio.wrap_future(fresh)], timeout=RESTART_PATIENCE)
            for restarted in done:
                restarted.result()
        content = {"status": "ok", "restart": restart}
        self.session.send(stream, "shutdown_reply", content, parent, ident=ident)

    async def _start_afresh(self) -> None:
        async with self._main_asyncio_lock:
            with inside(self.notebook):
                if self._pristine is not None:
                    self._pristine.put_back()
                module = _notebook_module({})
                # Assigned to the kernel, they go on to the shell.
                self.user_module, self.user_ns = module, module.__dict__
                self.shell.start_afresh()
                self.shell.user_ns.update(self.initial_namespace)
                self.comm_manager.comms.clear()

    def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """Answer only; see :meth:`shutdown_request`."""
        return {"status": "ok", "restart": restart}


def _notebook_module(names: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(NOTEBOOK_MODULE, "The namespace of the notebooks on this webui.")
    module.__dict__.update(names)
    return module


@contextmanager
def _comm_manager_of_its_own() -> Iterator[None]:
    """Give the kernel a manager of comms that knows none of an earlier kernel."""
    before = comm.get_comm_manager
    comm.get_comm_manager = CommManager
    try:
        yield
    finally:
        comm.get_comm_manager = before


@contextmanager
def _no_debugger() -> Iterator[None]:
    """Keep ipykernel from importing debugpy, which sets environ and prepares to trace threads."""
    name = "ipykernel.debugger"
    loaded = sys.modules.get(name)
    stub = types.ModuleType(name)
    stub._is_debugpy_available = False
    sys.modules[name] = stub
    try:
        yield
    finally:
        if loaded is None:
            del sys.modules[name]
        else:
            sys.modules[name] = loaded
