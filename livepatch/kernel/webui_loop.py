"""Runs a cell on the webui's own event loop, and brings back what comes of it.

The cell's thread waits; the webui's thread is never interrupted, so Stop ends the code at its next
``await``. What holds the loop holds every request, and is told so.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.masking import masked
from livepatch.errors import HostUnsupported

from .children import children_end_here

if TYPE_CHECKING:
    from types import CodeType

# Seconds that a cell may hold the loop between two awaits until it is told so.
HOLD_LIMIT = 0.5

# Seconds between two looks at the loop.
LOOK_INTERVAL = 0.1

# Seconds that Stop waits for the code to reach an await.
CANCEL_PATIENCE = 2.0

ADVICE = "run blocking work with: await asyncio.to_thread(function, …)"


def run_on_loop(shell: Any, loop: asyncio.AbstractEventLoop, magic: str, cell: str) -> Any:
    """Run a cell's text on an event loop of another thread, in the notebook's namespace.

    What it prints goes to the cell, names it defines land in the notebook.

    Args:
        shell: the IPython shell whose cell it is.
        loop: an event loop that runs in another thread.
        magic: the cell's first line, ``%%webui``.
        cell: the cell's other lines; ``await`` is allowed at their top level.

    Returns:
        The value of the last expression, None where there is none or it is not to be shown.

    Raises:
        BaseException: what the cell raised, its traceback beginning at the cell's own line.
        KeyboardInterrupt: the cell was interrupted.
        HostUnsupported: the loop ended meanwhile.
    """
    filename, pieces = _compile(shell, magic, cell)
    run = _Run(shell, loop, pieces)
    run.to_its_end()
    if run.error is not None:
        _begin_at_the_cell(shell, run.error, filename)
        raise run.error
    return run.result


def loops_of(shell: Any) -> list[asyncio.AbstractEventLoop]:
    """The loops of a shell's own: the one in which ``%%bash`` and its like talk to processes."""
    scripts = shell.magics_manager.registry.get("ScriptMagics")
    loop = getattr(scripts, "event_loop", None)
    return [loop] if loop is not None else []


class _Run:
    """One cell on its way through the loop.

    Attributes:
        result: the value to display.
        error: what the cell raised.
    """

    def __init__(
        self,
        shell: Any,
        loop: asyncio.AbstractEventLoop,
        pieces: list[tuple[CodeType, bool]],
    ) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._shell = shell
        self._loop = loop
        self._pieces = pieces
        self._steps = _TimedSteps(self._execute())
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._done = threading.Event()
        self._told = False

    def to_its_end(self) -> None:
        """Hand the code to the loop and wait until it has ended."""
        try:
            self._start()
            self._wait()
        except KeyboardInterrupt:  # the code may be running before this thread has handed it over
            self._cancel()
            if not self._done.wait(CANCEL_PATIENCE):
                print(
                    "livepatch: the code still runs on the webui's loop, whose thread is never "
                    "interrupted; it is cancelled at its next await",
                    file=sys.stderr,
                )
                raise
        self._tell_how_long_it_held_the_loop()

    def _start(self) -> None:
        try:
            masked(lambda: self._loop.call_soon_threadsafe(self._begin))
        except RuntimeError:
            self._steps.close()
            raise self._loop_is_gone() from None

    def _begin(self) -> None:
        """Run the code in a task, in a copy of the calling cell's context; once."""
        if self._task is None and not self._done.is_set():
            self._task = self._loop.create_task(self._steps)

    def _wait(self) -> None:
        while not self._done.wait(LOOK_INTERVAL):
            self._tell_when_it_holds_the_loop()
            if not self._loop.is_running():
                raise self._loop_is_gone()

    def _cancel(self) -> None:
        """Let the code end at its next await; not begin at all where it has not yet."""
        self._cancelled = True

        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()
            elif not self._done.is_set():
                self._steps.close()
                self.error = KeyboardInterrupt()
                self._done.set()

        try:
            self._loop.call_soon_threadsafe(cancel)
        except RuntimeError:  # closed: nothing runs there any more
            if not self._done.is_set():
                self.error = self._loop_is_gone()
                self._done.set()

    async def _execute(self) -> None:
        names = self._shell.user_global_ns, self._shell.user_ns
        try:
            with children_end_here():
                for code, displayed in self._pieces:
                    value = eval(code, *names)
                    if code.co_flags & inspect.CO_COROUTINE:
                        value = await value
                    if displayed and code is not self._pieces[-1][0]:
                        self._shell.displayhook(value)
                    self.result = value if displayed else None
        except asyncio.CancelledError as error:
            self.error = error
            if self._cancelled:
                self.error = KeyboardInterrupt().with_traceback(error.__traceback__)
        except BaseException as error:  # exit() in a task would end the webui's loop; see the cell
            self.error = error
        finally:
            self._done.set()

    def _tell_when_it_holds_the_loop(self) -> None:
        if not self._told and self._steps.present() > HOLD_LIMIT:
            self._told = True
            print(
                "livepatch: this cell holds the webui's event loop, and no request is served "
                f"until it awaits or ends; {ADVICE}",
                file=sys.stderr,
            )

    def _tell_how_long_it_held_the_loop(self) -> None:
        if self._steps.longest > HOLD_LIMIT:
            advice = "" if self._told else f"; {ADVICE}"
            print(
                "livepatch: this cell held the webui's event loop for "
                f"{self._steps.longest:.1f} s{advice}",
                file=sys.stderr,
            )

    def _loop_is_gone(self) -> HostUnsupported:
        return HostUnsupported(
            "%%webui",
            "the webui's event loop has ended",
            "look at %webui: is the webui still running?",
        )


class _TimedSteps(Coroutine[Any, Any, None]):
    """A coroutine that knows how long each of its steps held the loop."""

    def __init__(self, steps: Coroutine[Any, Any, None]) -> None:
        self.longest = 0.0
        self._steps = steps
        self._began: float | None = None

    def present(self) -> float:
        """Seconds since the step that runs began; 0 between two steps."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def send(self, value: Any) -> Any:
        """Take the next step."""
        self._began = time.monotonic()
        try:
            return self._steps.send(value)
        finally:
            self._end_step()

    def throw(self, *exception: Any) -> Any:
        """Take the next step with an exception, as a cancellation is."""
        self._began = time.monotonic()
        try:
            return self._steps.throw(*exception)
        finally:
            self._end_step()

    def close(self) -> None:
        """End without another step."""
        self._steps.close()

    def __await__(self) -> Any:
        return self._steps.__await__()

    def _end_step(self) -> None:
        self.longest, self._began = max(self.longest, self.present()), None


def _compile(shell: Any, magic: str, cell: str) -> tuple[str, list[tuple[CodeType, bool]]]:
    """The code of a cell in pieces, each with whether its value is displayed."""
    # The first line is the magic's: so the text's lines count as the cell's do.
    text = f"\n{shell.transform_cell(cell)}"
    filename = shell.compile.cache(text, shell.execution_count, raw_code=f"{magic}\n{cell}")
    tree = shell.transform_ast(shell.compile.ast_parse(text, filename=filename))
    shown = _displayed(tree.body, shell.ast_node_interactivity)
    pieces: list[tuple[CodeType, bool]] = []
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        silent: list[ast.stmt] = []
        for statement in tree.body:
            if statement not in shown:
                silent.append(statement)
                continue
            if silent:
                module = ast.Module(body=silent, type_ignores=[])
                pieces.append((shell.compile(module, filename, "exec"), False))
                silent = []
            pieces.append((shell.compile(ast.Expression(statement.value), filename, "eval"), True))
        module = ast.Module(body=silent, type_ignores=[])
        if silent or not pieces:
            pieces.append((shell.compile(module, filename, "exec"), False))
    return filename, pieces


def _displayed(statements: list[ast.stmt], interactivity: str) -> list[ast.Expr]:
    chosen = {"all": statements, "none": []}.get(interactivity, statements[-1:])
    return [statement for statement in chosen if isinstance(statement, ast.Expr)]


def _begin_at_the_cell(shell: Any, error: BaseException, filename: str) -> None:
    """Let IPython show the error from the cell's own line on, as that of any other cell."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename != filename:
        traceback = traceback.tb_next
    if traceback is None:
        return
    error.__traceback__ = traceback
    if hasattr(error, "_render_traceback_"):
        return  # it has a form of its own

    def render() -> list[str]:
        vars(error).pop("_render_traceback_", None)
        lines: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, traceback, tb_offset=0
        )
        return lines

    vars(error)["_render_traceback_"] = render
