# mypy: disable-error-code="attr-defined,misc,no-untyped-call,override,union-attr,unused-ignore"
# ipykernel and IPython are typed in part, and in each version differently.
"""What differs in the process while a kernel is in it, and the way back.

The list is short on purpose, and a test compares the rest of the process: the routers in
``sys.stdout`` and ``sys.stderr`` and what redirects them in cells, the context that threads inherit
from cells, ``comm``'s two functions, and (only while a cell runs) the sliced waits, ``getpass`` and
the switch interval. ``get_ipython()`` and its like answer inside cells only.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from .captures import capture_in_cells
from .context import answer_in_cells, in_cell, inherit_context, inside
from .dispatch import function_in_cells
from .streams import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# tqdm.auto takes the process for a notebook when this is in sys.modules, and would want ipywidgets
# for the webui's own bars. Who needs the module, ipykernel and our classes, holds on to it.
NOTEBOOKS_MARK = "ipykernel.zmqshell"

# Up to 3.10 IPython imports it, and it takes sys.excepthook and traceback's formatting as it is
# imported. A webui that imports it by itself gets it afresh, with what it does.
EXCEPTION_GROUPS = "exceptiongroup"

# Where IPython keeps the last error for %debug.
_LAST_ERROR = ("last_type", "last_value", "last_traceback", "last_exc")


@contextmanager
def imports_without_traces() -> Iterator[None]:
    """Take back what importing IPython and ipykernel does, but for the modules themselves."""
    filters = list(warnings.filters)
    recursion_limit = sys.getrecursionlimit()
    environment = dict(os.environ)
    marked_before = NOTEBOOKS_MARK in sys.modules
    groups_before, tracebacks = EXCEPTION_GROUPS in sys.modules, _tracebacks()
    import comm

    comms = {name: getattr(comm, name) for name in ("create_comm", "get_comm_manager")}
    try:
        yield
    finally:
        # Only what is known to be IPython's and ipykernel's: a thread of the webui may add filters
        # at the same time.
        for added in [entry for entry in warnings.filters if entry not in filters]:
            if _is_ipythons_filter(added):
                warnings.filters.remove(added)
        if sys.getrecursionlimit() != recursion_limit:  # jedi raises it when imported
            sys.setrecursionlimit(recursion_limit)
        for name in set(os.environ) - set(environment):
            if name.startswith(("PYDEVD_", "DEBUGPY_")):
                del os.environ[name]
        if not marked_before:
            sys.modules.pop(NOTEBOOKS_MARK, None)
        if not groups_before and EXCEPTION_GROUPS in sys.modules:
            _forget_exception_groups(tracebacks)
        for name, function in comms.items():  # ipykernel puts its own there as it is imported
            setattr(comm, name, function)


def _tracebacks() -> list[tuple[Any, str, Any]]:
    """Who shows uncaught exceptions, and how."""
    methods = ("__init__", "format", "format_exception_only")
    formatting = traceback.TracebackException
    shown = [(formatting, name, vars(formatting)[name]) for name in methods]
    return [(sys, "excepthook", sys.excepthook), *shown]


def _forget_exception_groups(before: list[tuple[Any, str, Any]]) -> None:
    for owner, name, value in before:
        module = getattr(vars(owner)[name], "__module__", None) or ""
        if module.partition(".")[0] == EXCEPTION_GROUPS:
            setattr(owner, name, value)
    for name in [name for name in sys.modules if name.partition(".")[0] == EXCEPTION_GROUPS]:
        del sys.modules[name]


def _is_ipythons_filter(entry: tuple[Any, ...]) -> bool:
    message = getattr(entry[1], "pattern", entry[1]) or ""
    return entry[2].__name__ == "ProvisionalCompleterWarning" or "Trio's signal handling" in message


class Footprint:
    """The kernel's presence in the process.

    Args:
        app: the application, with its kernel and shell made.
    """

    def __init__(self, app: Any) -> None:
        self._undo = ExitStack()
        add = self._undo.callback
        try:
            add(_forget_last_error())
            add(_forget_module(app.shell.user_module.__name__))
            for instance in (app, app.kernel, app.shell):
                singletons = [*type(instance)._walk_mro()]
                add(answer_in_cells(instance, singletons))
            add(_comms_in_cells(app))
            add(inherit_context())
            add(_route_streams(app))
            add(capture_in_cells(app.shell))
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Put everything back; a second time does nothing."""
        self._undo.pop_all().close()


def _route_streams(app: Any) -> Callable[[], None]:
    routes = Routes(*app.output_streams)
    app.kernel.before_cell = routes.renew

    def undo() -> None:
        del app.kernel.before_cell
        routes.remove()

    return undo


def _forget_last_error() -> Callable[[], None]:
    before = {name: getattr(sys, name) for name in _LAST_ERROR if hasattr(sys, name)}

    def undo() -> None:
        for name in _LAST_ERROR:
            if name in before:
                setattr(sys, name, before[name])
            elif hasattr(sys, name):
                delattr(sys, name)  # its traceback would keep the notebook's objects alive

    return undo


def _forget_module(name: str) -> Callable[[], None]:
    def undo() -> None:
        sys.modules.pop(name, None)

    return undo


def _comms_in_cells(app: Any) -> Callable[[], None]:
    """Let the widgets made in cells talk to the notebook, and only those."""
    import comm
    from ipykernel.comm.comm import BaseComm

    notebook, manager = app.notebook, app.kernel.comm_manager

    class NotebookComm(BaseComm):
        """A comm that reaches the notebook from the webui's threads too, once a cell made it."""

        def publish_msg(self, *args: Any, **options: Any) -> None:
            with inside(notebook):
                super().publish_msg(*args, **options)

        def close(self, *args: Any, deleting: bool = False, **options: Any) -> None:
            super().close(*args, deleting=True, **options)  # asks no thread for its manager
            if not deleting:
                manager.comms.pop(self.comm_id, None)

    def create(*args: Any, **options: Any) -> NotebookComm:
        return NotebookComm(*args, **options)

    undone = [
        function_in_cells(comm, "create_comm", create, in_cell),
        function_in_cells(comm, "get_comm_manager", lambda: manager, in_cell),
    ]

    def undo() -> None:
        for put_back in undone:
            put_back()

    return undo
