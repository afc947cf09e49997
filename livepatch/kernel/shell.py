# mypy: disable-error-code="assignment,no-untyped-call,override,union-attr,unused-ignore"
# ipykernel and IPython are typed in part, and in each version differently.
"""The IPython shell of a webui: all that a notebook expects, with the process left alone.

IPython owns its process: it hides ``builtins.exit``, swaps ``sys.displayhook`` and
``sys.excepthook`` while a cell runs, and sets the environment. Here the process is the webui's, so
each of these is done within the cell's own code instead.
"""

from __future__ import annotations

import ast
import asyncio
import bdb
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from warnings import warn

from ipykernel.compiler import XCachingCompiler
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.builtin_trap import BuiltinTrap
from IPython.core.debugger import InterruptiblePdb
from IPython.core.display_functions import display
from IPython.core.display_trap import DisplayTrap
from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.error import UsageError

from .children import children_end_here, end_child
from .profile import ipython_folder, open_store

if TYPE_CHECKING:
    from types import FrameType

# The name by which a cell's code calls its display hook; as `_` names are, hidden from %who.
DISPLAY_NAME = "_livepatch_display_result"


class CellCompiler(XCachingCompiler):
    """Compiles a cell's last expression so that it is displayed without ``sys.displayhook``.

    Python compiles a result in "single" mode to a call of ``sys.displayhook``, which is one for the
    whole process. Here that expression becomes a call of the shell's own hook.
    """

    def __call__(self, source: Any, filename: str, symbol: str, **options: Any) -> Any:
        """Compile as ``codeop.Compile`` does, results excepted."""
        if symbol == "single" and isinstance(source, ast.Interactive):
            body = [_ResultDisplay().visit(statement) for statement in source.body]
            source, symbol = ast.Module(body=body, type_ignores=[]), "exec"
        return super().__call__(source, filename, symbol, **options)


class _ResultDisplay(ast.NodeTransformer):
    """Turns expression statements of the cell's own level into calls of the display hook."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        hook = ast.Name(id=DISPLAY_NAME, ctx=ast.Load())
        call = ast.Call(func=hook, args=[node.value], keywords=[])
        for made in (hook, call):
            ast.copy_location(made, node.value)
        return ast.copy_location(ast.Expr(value=call), node)

    def _leave_alone(self, node: ast.AST) -> ast.AST:
        return node  # an expression in a function is no result of the cell

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _leave_alone  # noqa: N815


class NoBuiltinTrap(BuiltinTrap):
    """Leaves ``builtins`` alone: cells find ``exit`` and ``get_ipython`` in their namespace."""

    def activate(self) -> None:
        """Add nothing."""

    def deactivate(self) -> None:
        """Remove nothing."""


class NoDisplayTrap(DisplayTrap):
    """Leaves ``sys.displayhook`` alone: see :class:`CellCompiler`."""

    def set(self) -> None:
        """Install nothing."""

    def unset(self) -> None:
        """Take nothing back."""


class NotebookPdb(InterruptiblePdb):
    """A debugger that asks in the notebook, not at the webui's terminal."""

    def __init__(self, *args: Any, shell: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.use_rawinput = False
        self.stdin = _NotebookInput(shell)


class _NotebookInput:
    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def readline(self) -> str:
        try:
            return f"{self._shell.kernel.raw_input('')}\n"
        except EOFError:
            return ""


class NothingKept(dict[int, Any]):
    """IPython 9 keeps all that cells print, and their tracebacks, for ``%notebook``.

    The process is the webui's, which lives for weeks: here each cell's list is a new one that
    nobody holds.
    """

    def __setitem__(self, number: int, kept: object) -> None:
        """Keep nothing."""

    def __missing__(self, number: int) -> list[Any]:
        return []

    def setdefault(self, number: int, default: Any = None) -> Any:  # noqa: ARG002 - dict's signature
        """Answer a list that is not kept."""
        return []


class NotebookShell(ZMQInteractiveShell):
    """IPython's shell for the kernel, in a process that belongs to a webui."""

    _store: Any = None
    _pid = 0  # of the process whose shell it is: a forked child has a copy

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pid = os.getpid()

    @classmethod
    def instance(cls, *args: Any, **options: Any) -> NotebookShell:
        """Make the shell without making it the process's: it answers inside cells only."""
        if args or options or cls._instance is None:
            return cls(*args, **options)
        found: NotebookShell = cls._instance
        return found

    def init_ipython_dir(self, ipython_dir: str | None) -> None:  # noqa: ARG002 - IPython's signature
        """Keep to where the user's profile is, or would be."""
        self.ipython_dir = str(ipython_folder())

    @property
    def db(self) -> Any:
        """What ``%store`` keeps in the user's profile, opened when it is first used."""
        if self._store is None:
            self._store = open_store(self.kernel.profile_dir)
        return self._store

    @db.setter
    def db(self, _theirs: object) -> None:
        self._store = None

    def init_history(self) -> None:
        """Keep what cells print nowhere but in their notebook; ``Out`` is kept, as ever."""
        super().init_history()
        self.history_manager.outputs = NothingKept()
        self.history_manager.exceptions = NothingKept()

    def _ipython_dir_changed(self, change: Any) -> None:
        """Make no folder: without the decorator this takes the place of IPython's observer."""

    def init_environment(self) -> None:
        """Leave TERM, PAGER and the colours of the webui's environment as they are."""

    def init_virtualenv(self) -> None:
        """Leave ``sys.path`` as it is."""

    def init_prompts(self) -> None:
        """Leave ``sys.ps1`` unset: libraries take it for an interactive interpreter."""

    def init_builtins(self) -> None:
        """Leave ``builtins`` as it is."""
        self.builtin_trap = NoBuiltinTrap(shell=self)

    def init_displayhook(self) -> None:
        """Make the display hook without installing it in ``sys``."""
        self._captures: list[tuple[Any, Any]] = []
        super().init_displayhook()
        self.display_trap = NoDisplayTrap(hook=self.displayhook)

    def init_user_ns(self) -> None:
        """Give the namespace what IPython puts into ``builtins`` and ``sys`` elsewhere."""
        super().init_user_ns()
        ours = {
            DISPLAY_NAME: self.displayhook_result,
            "display": display,
            "input": self.kernel.raw_input,
            "breakpoint": self.break_here,
        }
        self.user_ns_hidden.update(ours)
        self.user_ns.update(ours)

    def start_afresh(self) -> None:
        """Begin a session in ``user_module`` and ``user_ns``, which were just replaced.

        The namespace of the session before stays whole: the functions that a notebook installed in
        the webui read their names there.
        """
        self.prepare_user_module(self.user_module, self.user_ns)
        self.ns_table.update(user_global=self.user_global_ns, user_local=self.user_ns)
        self.init_sys_modules()
        self.set_completer_frame()
        self.reset(new_session=True)

    def atexit_operations(self) -> None:
        """End as IPython does, which empties the namespace: here an empty one."""
        self.user_module = ModuleType(self.user_module.__name__)
        self.user_ns = self.user_module.__dict__
        super().atexit_operations()

    def displayhook_result(self, value: object) -> None:
        """Display a cell's result; inside ``%%capture``, keep it there."""
        hook = self._captures[-1][1] if self._captures else self.displayhook
        hook(value)

    def begin_capture(self) -> list[Any]:
        """Keep what is displayed from now on.

        Returns:
            The list that it is kept in.
        """
        publisher = CapturingDisplayPublisher()
        hook = CapturingDisplayHook(shell=self, outputs=publisher.outputs)
        self._captures.append((self.display_pub, hook))
        self.display_pub = publisher
        outputs: list[Any] = publisher.outputs
        return outputs

    def end_capture(self) -> None:
        """Display as before :meth:`begin_capture`."""
        if self._captures:  # else a restart came between the two
            self.display_pub, _ = self._captures.pop()

    def break_here(self, *_args: Any, **_options: Any) -> None:
        """``breakpoint()`` of a cell: the debugger asks in the notebook."""
        frame: FrameType = sys._getframe(1)
        NotebookPdb(shell=self).set_trace(frame)

    @property
    def debugger_cls(self) -> Any:
        """The debugger of ``%debug``."""

        def debugger(*args: Any, **options: Any) -> NotebookPdb:
            return NotebookPdb(*args, shell=self, **options)

        return debugger

    async def run_ast_nodes(self, *args: Any, **options: Any) -> Any:
        """Run a cell's statements; a child that one of them forked ends with the last."""
        with children_end_here():
            return await super().run_ast_nodes(*args, **options)

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **options: Any) -> None:
        """Show what a cell raised; in a child that it forked, that is the child's end."""
        if os.getpid() != self._pid:
            end_child(sys.exc_info()[1] if exc_tuple is None else exc_tuple[1])
        super().showtraceback(exc_tuple, *args, **options)

    async def run_code(self, code_obj: Any, result: Any = None, *, async_: bool = False) -> bool:
        """Run a cell's code as IPython does, with ``sys.excepthook`` left alone.

        Args:
            code_obj: the compiled code.
            result: takes the error of the cell.
            async_: whether the code awaits at its top level.

        Returns:
            Whether the code raised.
        """
        __tracebackhide__ = "__ipython_bottom__"
        self.user_ns.setdefault(
            DISPLAY_NAME, self.displayhook_result
        )  # a cell may have cleared its namespace
        try:
            if async_:
                await self._run_awaiting(code_obj)
            else:
                exec(code_obj, self.user_global_ns, self.user_ns)
        except SystemExit as error:
            _record(result, error)
            self.showtraceback(exception_only=True)
            warn(
                "the webui and its kernel keep running; `livepatch.detach()` ends the kernel",
                stacklevel=1,
            )
        except bdb.BdbQuit as error:
            _record(result, error)
        except self.custom_exceptions as error:
            _record(result, error)
            self.CustomTB(type(error), error, error.__traceback__)
        except (
            BaseException
        ) as error:  # whatever a cell raises is shown in the notebook, and ends there
            _record(result, error)
            self.showtraceback(running_compiled_code=True)
        else:
            return False
        return True

    async def _run_awaiting(self, code_obj: Any) -> None:
        __tracebackhide__ = "__ipython_bottom__"
        try:
            await eval(code_obj, self.user_global_ns, self.user_ns)
        except asyncio.CancelledError as error:
            if not self.kernel.interrupts.cancelled_by_user():
                raise
            raise KeyboardInterrupt().with_traceback(error.__traceback__) from None

    def set_parent(self, parent: Any) -> None:
        """Tell the streams which cell prints, whoever wrapped ``sys.stdout`` meanwhile."""
        super().set_parent(parent)
        for stream in self.kernel.output_streams:
            stream.set_parent(parent)

    def ask_exit(self) -> None:
        """``exit()`` in a cell closes the front end at most: kernel and webui run on."""
        self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": True})

    def enable_gui(self, gui: Any = None) -> None:
        """Refuse event loops of windows: they need the main thread, which is the webui's."""
        if gui not in (None, "inline", "asyncio"):
            raise UsageError(
                f"the {gui} event loop needs the main thread, which is the webui's; "
                "use %matplotlib inline"
            )

    def enable_matplotlib(self, gui: Any = None) -> tuple[Any, Any]:
        """Show figures in the notebook, and leave the webui's matplotlib backend alone.

        Args:
            gui: "inline", or None for the same; anything else needs a window.

        Returns:
            The gui and the backend that is in use.
        """
        if gui not in (None, "auto", "inline"):
            self.enable_gui(gui)
        import matplotlib  # type: ignore[import-not-found]
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(self, {"png"})
        print("A cell shows a figure when it ends with one (`fig`) or calls display(fig).")
        return "inline", matplotlib.get_backend()


def _record(result: Any, error: BaseException) -> None:
    if result is not None:
        result.error_in_exec = error
