"""A cell's output goes to its notebook, everything else where it always went."""

from __future__ import annotations

import contextvars
import io
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from .context import in_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_unflushed: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "livepatch_unflushed", default=False
)


@contextmanager
def webuis_streams_unflushed() -> Iterator[None]:
    """Leave the webui's own streams unflushed in the current context during the block.

    ipykernel flushes ``sys.stdout`` after each request. The webui's own may be closed, or be a pipe
    that nobody empties: a flush would end the kernel's thread, or hold it for ever.
    """
    token = _unflushed.set(True)
    try:
        yield
    finally:
        _unflushed.reset(token)


class Router:
    """Stands in for a standard stream: every attribute is that of the stream the context is due.

    The choice is made at the attribute, not at the call: ``print`` in the webui gets the own
    stream's ``write``, so a traceback, ``isatty()``, ``encoding``, ``buffer``, ``reconfigure()``
    and ``isinstance`` are what they were.
    """

    __slots__ = ("__weakref__", "_chosen", "_host", "_other")

    def __init__(self, host: TextIO, other: NotebookStream, chosen: Callable[[], bool]) -> None:
        object.__setattr__(self, "_host", host)
        object.__setattr__(self, "_other", other)
        object.__setattr__(self, "_chosen", chosen)

    def __getattribute__(self, name: str) -> Any:
        host = object.__getattribute__(self, "_host")
        if name == "fileno":  # descriptors are the process's, in a cell as well
            return host.fileno
        due = _due(self)
        if name == "flush" and due is host and _unflushed.get():
            return _do_nothing
        return getattr(due, name)

    # IPython sets `sys.stdout.write` while a cell runs, to keep a copy of the output: on the
    # notebook's stream, then.
    def __setattr__(self, name: str, value: object) -> None:
        setattr(_due(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_due(self), name)

    def __dir__(self) -> list[str]:
        return dir(_due(self))

    def __repr__(self) -> str:
        return repr(_due(self))

    def __iter__(self) -> Iterator[str]:
        return iter(_due(self))

    def __enter__(self) -> Any:
        return _due(self).__enter__()

    def __exit__(self, *exception: object) -> Any:
        return _due(self).__exit__(*exception)


def _do_nothing() -> None:
    return None


class Nowhere(io.TextIOBase):
    """Stands for a stream that a process has not: daemons, pythonw, some services.

    ``print`` of the webui asks for ``write`` where it found ``None`` and did nothing before.
    """

    encoding = "utf-8"
    errors = "replace"

    def writable(self) -> bool:
        """Take everything."""
        return True

    def write(self, text: str) -> int:
        """Drop the text."""
        return len(text)


def _due(router: Router) -> Any:
    """The stream that the current context writes to."""
    if not object.__getattribute__(router, "_chosen")():
        return object.__getattribute__(router, "_host")
    other: NotebookStream = object.__getattribute__(router, "_other")
    return other if other.redirected is None else other.redirected


def redirect(name: str, target: Any) -> Any:
    """Let cells write to another stream, as assigning ``sys.stdout`` does for a whole process.

    Args:
        name: "stdout" or "stderr"; of other streams the process's own is assigned.
        target: the stream; what an earlier call answered ends the redirection.

    Returns:
        What cells wrote to before.
    """
    router = getattr(sys, name)
    if type(router) is not Router:
        setattr(sys, name, target)
        return router
    other: NotebookStream = object.__getattribute__(router, "_other")
    before = router if other.redirected is None else other.redirected
    other.redirected = None if target is router else target
    return before


class NotebookStream:
    """What a cell finds in ``sys.stdout``: ipykernel's stream; what that lacks, the webui's own.

    Args:
        outstream: ipykernel's ``OutStream``.
        host: the webui's own stream.

    Attributes:
        redirected: the stream that a cell redirected the output of cells to, or None.
    """

    def __init__(self, outstream: Any, host: TextIO) -> None:
        self._outstream = outstream
        self._host = host
        self.redirected: Any = None
        self.buffer = _BytesToText(outstream)

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._outstream, name)
        except AttributeError:
            return getattr(self._host, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._host)

    def __enter__(self) -> NotebookStream:
        return self

    def __exit__(self, *exception: object) -> None:
        """Stay open: one cell's ``with`` would end the output of every later one."""

    def close(self) -> None:
        """Stay open, for the same reason."""


class _BytesToText:
    """``sys.stdout.buffer`` of a cell: bytes become the notebook's text."""

    def __init__(self, outstream: Any) -> None:
        self._outstream = outstream

    def write(self, data: bytes) -> int:
        self._outstream.write(bytes(data).decode("utf-8", errors="replace"))
        return len(data)

    def flush(self) -> None:
        self._outstream.flush()

    def writable(self) -> bool:
        return True


class Routes:
    """The routers in ``sys.stdout`` and ``sys.stderr``.

    Args:
        stdout: ipykernel's ``OutStream`` for output.
        stderr: the one for errors.
        chosen: asked at every use whether these are due; by default they are in cells.
    """

    def __init__(self, stdout: Any, stderr: Any, chosen: Callable[[], bool] = in_cell) -> None:
        self._streams = {"stdout": stdout, "stderr": stderr}
        self._chosen = chosen
        self._routed: list[tuple[str, TextIO | None, Router]] = []
        self.renew()

    def renew(self) -> None:
        """Put routers over what stands in their places by now.

        ComfyUI puts streams of its own there as it starts, which write to the ``buffer`` of what
        they found: what cells print would be lost to their notebook.
        """
        for name, outstream in self._streams.items():
            host = getattr(sys, name)
            if type(host) is Router:
                continue
            stream: Any = Nowhere() if host is None else host
            router = Router(stream, NotebookStream(outstream, stream), self._chosen)
            setattr(sys, name, router)
            self._routed.append((name, host, router))

    def remove(self) -> None:
        """Put the webui's own streams back.

        Where someone wrapped a router meanwhile it stays inside that wrapper, and hands everything
        to the webui's own stream.
        """
        for name, host, router in reversed(self._routed):
            if getattr(sys, name) is router:
                setattr(sys, name, host)
        self._routed.clear()
