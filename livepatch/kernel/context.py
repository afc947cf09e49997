"""Tells which code belongs to a cell, by its context, in whatever thread it runs.

Everything that the kernel answers differently for a notebook than for the webui (``sys.stdout``,
``get_ipython()``, ``comm.create_comm``) asks :func:`in_cell`. The mark is a ``ContextVar``, so a
task or thread that a cell starts is marked too and prints into that cell, while the webui's own
threads never are.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.masking import masked

from .dispatch import method_in_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import InteractiveShell


class Notebook:
    """What the cells of one kernel have in common; the mark that their contexts carry.

    Attributes:
        shell: the IPython shell, once it is made.
        live: False once the kernel stopped, or in a forked child: what a cell left running is then
            the webui's own.
    """

    def __init__(self) -> None:
        self.shell: InteractiveShell | None = None
        self.live = True


_notebook: contextvars.ContextVar[Notebook | None] = contextvars.ContextVar(
    "livepatch_notebook", default=None
)


def in_cell() -> bool:
    """Whether the code that asks runs on behalf of a notebook's cell.

    Returns:
        True in a cell and in the tasks and threads that it started; False on the webui's own
        threads.

    Example:
        >>> in_cell()
        False
    """
    notebook = _notebook.get()
    return notebook is not None and notebook.live


def current_shell() -> InteractiveShell | None:
    """The IPython shell whose cell is running in this context, or None outside of cells.

    Example:
        >>> current_shell() is None
        True
    """
    notebook = _notebook.get()
    return notebook.shell if notebook is not None and notebook.live else None


def cell_number(shell: Any) -> int | None:
    """The number of the cell that a shell runs, or ran last; None before the first.

    ``execution_count`` is that number, or the next one, depending on IPython's version.
    """
    inputs = getattr(shell.history_manager, "input_hist_raw", [])
    return len(inputs) - 1 if len(inputs) > 1 else None


@contextmanager
def inside(notebook: Notebook | None) -> Iterator[None]:
    """Mark the current context as the notebook's during the block; None takes the mark off."""
    token = _notebook.set(notebook)
    try:
        yield
    finally:
        _notebook.reset(token)


def inherit_context(chosen: Callable[[], bool] = in_cell) -> Callable[[], None]:
    """Let threads and pool jobs that a cell starts run in a copy of the cell's context.

    Outside of cells ``Thread.start`` and ``ThreadPoolExecutor.submit`` are the very functions they
    were.

    Args:
        chosen: whether the context that asks is one to inherit; by default that of cells.

    Returns:
        A callable that takes this back.
    """
    start: Callable[[threading.Thread], None] = threading.Thread.start
    submit: Callable[..., Any] = ThreadPoolExecutor.submit

    @functools.wraps(start)
    def start_in_context(self: threading.Thread) -> None:
        # A pool's worker outlives the cell and serves the webui as well: its jobs bring their own
        # context.
        if _target_of(self) != ("concurrent.futures.thread", "_worker"):
            _run_in(contextvars.copy_context(), self)
        # Until it runs, a new thread has its parent's ident in the interpreter's list, and an
        # interrupt of the parent is raised in the child: the thread dies at birth and start() waits
        # for ever (PyThreadState_SetAsyncExc, seen on 3.11). So it waits until the child runs.
        masked(lambda: start(self))

    @functools.wraps(submit)
    def submit_in_context(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        if type(self).__name__ == "InterpreterPoolExecutor":  # pickles the job; a context can't be
            return submit(self, fn, *args, **kwargs)
        return submit(self, contextvars.copy_context().run, fn, *args, **kwargs)

    undo_start = method_in_cells(threading.Thread, "start", start_in_context, chosen)
    undo_submit = method_in_cells(ThreadPoolExecutor, "submit", submit_in_context, chosen)

    def undo() -> None:
        undo_submit()
        undo_start()

    return undo


def _target_of(thread: threading.Thread) -> tuple[str, str]:
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", ""), getattr(target, "__name__", "")


def _run_in(context: contextvars.Context, thread: threading.Thread) -> None:
    run = thread.run

    def run_in_context() -> None:
        thread.__dict__.pop("run", None)  # else the thread would keep itself alive
        context.run(run)

    thread.__dict__["run"] = run_in_context


class InstanceInCells:
    """Stands as ``_instance`` of a traitlets singleton: the kernel's inside cells, else as before.

    ``get_ipython()`` on a webui's thread must not answer: Gradio would take its notebook branch,
    tqdm its widgets.
    """

    def __init__(self, instance: object, before: object) -> None:
        self._instance = instance
        self._before = before

    def __get__(self, obj: object, owner: type | None = None) -> object:
        return self._instance if in_cell() else self._before


def answer_in_cells(instance: object, singletons: list[type]) -> Callable[[], None]:
    """Let the singleton classes answer ``instance`` inside cells only.

    Args:
        instance: the kernel's own shell, kernel or application.
        singletons: the classes whose ``instance()`` and ``initialized()`` are asked for it.

    Returns:
        A callable that takes this back.
    """
    undone: list[Callable[[], None]] = []
    for cls in singletons:
        had_own = "_instance" in vars(cls)
        before = getattr(cls, "_instance", None)
        answer = InstanceInCells(instance, before)
        cls._instance = answer  # type: ignore[attr-defined]

        def put_back(
            cls: type = cls,
            had_own: bool = had_own,
            before: object = before,
            answer: InstanceInCells = answer,
        ) -> None:
            if vars(cls).get("_instance") is not answer:
                return  # someone made an instance of their own meanwhile: theirs stays
            if had_own:
                cls._instance = before  # type: ignore[attr-defined]
            else:
                del cls._instance  # type: ignore[attr-defined]

        undone.append(put_back)

    def undo() -> None:
        for put_back in undone:
            put_back()

    return undo
