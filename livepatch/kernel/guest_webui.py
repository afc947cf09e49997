# mypy: disable-error-code="no-untyped-call,unused-ignore"
# ipykernel and IPython are typed in part, and in each version differently.
"""A webui as the guest of an ordinary notebook kernel: its thread, its output, its signals.

The other way round than everywhere else in this room: here the process is the notebook's.
"""

from __future__ import annotations

import contextvars
import functools
import signal
import socket
import sys
import threading
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .context import inherit_context
from .dispatch import function_in_cells, method_in_cells
from .streams import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

_in_webui: contextvars.ContextVar[bool] = contextvars.ContextVar("livepatch_webui", default=False)


def in_guest_webui() -> bool:
    """Whether the code that asks runs on behalf of a webui that the notebook started.

    Example:
        >>> in_guest_webui()
        False
    """
    return _in_webui.get()


class GuestWebui:
    """A webui that runs in a thread of this kernel.

    Its threads and tasks are marked, as cells are elsewhere. What they print goes below the cell
    that started the webui, whatever cell runs meanwhile. Signals are the kernel's: asking for one
    changes nothing, where Python would raise an error on any thread but the main one.

    Args:
        name: the name of its thread.
        run: the webui's program.
        shell: the shell whose cell starts it.

    Attributes:
        error: what ended the program, None while it runs and when it simply ended.
        addresses: where it listens: the names of its sockets.
    """

    def __init__(self, name: str, run: Callable[[], None], shell: Any) -> None:
        self.error: BaseException | None = None
        self.addresses: list[Any] = []
        self._run = run
        self._changed = threading.Event()
        context = contextvars.Context()
        context.run(_in_webui.set, True)
        self._thread = threading.Thread(
            target=functools.partial(context.run, self._serve), name=name, daemon=True
        )
        self._undo = ExitStack()
        add = self._undo.callback
        add(inherit_context(in_guest_webui))
        add(method_in_cells(socket.socket, "listen", self._listen(), in_guest_webui))
        for function, without_effect in _signal_functions():
            add(function_in_cells(signal, function, without_effect, in_guest_webui))
        streams = _streams_below_the_cell(shell)
        if streams is not None:
            add(Routes(*streams, in_guest_webui).remove)

    @property
    def alive(self) -> bool:
        """Whether its program runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self, timeout: float) -> None:
        """Wait until a socket of Python's listens or it has ended, at most some seconds."""
        self._changed.wait(timeout)

    def _serve(self) -> None:
        try:
            self._run()
        except SystemExit as error:
            self.error = error if error.code else None
        except BaseException as error:  # the webui's own end; the notebook's kernel lives on
            self.error = error
            traceback.print_exception(type(error), error, error.__traceback__)
        finally:
            self._undo.close()
            self._changed.set()

    def _listen(self) -> Callable[..., None]:
        original: Any = socket.socket.listen

        @functools.wraps(original)
        def listen(listening: socket.socket, *args: int) -> None:
            original(listening, *args)
            self.addresses.append(listening.getsockname())
            self._changed.set()

        return listen


def _signal_functions() -> list[tuple[str, Callable[..., Any]]]:
    def keep_handler(number: int, _handler: Any, /) -> Any:
        return signal.getsignal(number)

    def keep_descriptor(_descriptor: int, /, **_options: bool) -> int:
        return -1

    def keep_flag(_number: int, _flag: bool, /) -> None:
        return None

    functions: dict[str, Callable[..., Any]] = {
        "signal": keep_handler,
        "set_wakeup_fd": keep_descriptor,
        "siginterrupt": keep_flag,
    }
    return [(name, ours) for name, ours in functions.items() if hasattr(signal, name)]


def _streams_below_the_cell(shell: Any) -> tuple[Any, Any] | None:
    """Streams whose output a front end shows below the present cell; None without a kernel."""
    parent: dict[str, Any] = dict(getattr(sys.stdout, "parent_header", None) or {})
    thread = getattr(sys.stdout, "pub_thread", None)
    if not hasattr(shell, "kernel") or thread is None or not parent:
        return None
    from ipykernel.iostream import OutStream

    streams = []
    for name in ("stdout", "stderr"):
        stream: Any = OutStream(shell.kernel.session, thread, name, watchfd=False)
        contextvars.Context().run(stream.set_parent, {"header": parent})
        streams.append(stream)
    return streams[0], streams[1]
