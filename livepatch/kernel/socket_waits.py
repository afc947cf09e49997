"""Waits of cells for sockets and files, in slices, as :mod:`livepatch.kernel.waits` has them.

A read of a blocking socket first waits until there is something, in slices, and is then the
original. Sending and connecting are left alone: cutting those would have to change the socket
itself, which the webui may share.
"""

from __future__ import annotations

import asyncio
import functools
import select
import selectors
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from .dispatch import function_in_cells, method_in_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds between two chances for an interrupt.
SLICE = 0.05

# The reads of a socket, and which argument holds the flags.
READS = {
    "recv": 1,
    "recv_into": 2,
    "recvfrom": 1,
    "recvfrom_into": 2,
    "recvmsg": 2,
    "recvmsg_into": 2,
    "accept": 0,
}


def slice_socket_waits(chosen: Callable[[], bool]) -> Callable[[], None]:
    """Slice the waits for sockets and files of the threads for which ``chosen()`` is true.

    Args:
        chosen: whether the calling thread is executing a cell.

    Returns:
        A callable that puts the originals back.
    """
    undone = [
        function_in_cells(select, "select", _select(select.select), chosen),
        *(
            method_in_cells(socket.socket, name, _read(getattr(socket.socket, name)), chosen)
            for name in READS
            if hasattr(socket.socket, name)
        ),
        *(
            method_in_cells(cls, "select", _selector_select(vars(cls)["select"]), chosen)
            for cls in _selector_classes()
        ),
    ]
    secure = _secure_socket()
    if secure is not None:
        undone.append(method_in_cells(secure, "read", _secure_read(secure.read), chosen))

    def undo() -> None:
        for put_back in reversed(undone):
            put_back()

    return undo


def slices(timeout: float | None) -> Iterator[float]:
    """The lengths of the waits that make up one of ``timeout`` seconds, None being for ever."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE if end is None else min(SLICE, end - time.monotonic())
        if left <= 0:
            return
        yield left


def _select(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def sliced(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
        waited_for = [list(files) for files in (rlist, wlist, xlist)]  # iterators last once
        for length in slices(timeout):
            found = original(*waited_for, length)
            if any(found):
                return found
        return original(*waited_for, 0)

    return sliced


def _selector_select(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def sliced(self: Any, timeout: float | None = None) -> Any:
        if self is getattr(asyncio._get_running_loop(), "_selector", None):
            return original(self, timeout)  # the kernel's own loop, while a cell awaits
        for length in slices(timeout):
            found = original(self, length)
            if found:
                return found
        return original(self, 0)

    return sliced


def _selector_classes() -> list[type]:
    names = ("SelectSelector", "PollSelector", "EpollSelector", "KqueueSelector", "DevpollSelector")
    found = {getattr(selectors, name, None) for name in names}
    classes = {base for cls in found if cls is not None for base in cls.__mro__}
    return [cls for cls in classes if "select" in vars(cls) and _is_concrete(cls)]


def _is_concrete(cls: type) -> bool:
    return not getattr(vars(cls)["select"], "__isabstractmethod__", False)


def _read(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def sliced(self: socket.socket, *args: Any, **options: Any) -> Any:
        # Of a secure socket the bytes may have been read already; flags may ask not to wait.
        if getattr(self, "_sslobj", None) is None and not _flags(original.__name__, args, options):
            _wait_until_readable(self)
        return original(self, *args, **options)

    return sliced


def _flags(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return options.get("flags") or next(iter(args[READS[name] :]), 0)


def _secure_read(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def sliced(self: Any, *args: Any, **options: Any) -> Any:
        if not self.pending():
            _wait_until_readable(self)
        return original(self, *args, **options)

    return sliced


def _wait_until_readable(sock: socket.socket) -> None:
    """Wait in slices; what else may happen (a timeout, an error) the original finds out."""
    timeout = sock.gettimeout()
    if timeout == 0 or sock.fileno() < 0:
        return
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        if not selector.select(timeout) and timeout is not None:
            raise TimeoutError("timed out")


def _secure_socket() -> Any:
    # Looked at, not imported: a webui without TLS need not load OpenSSL.
    return getattr(sys.modules.get("ssl"), "SSLSocket", None)
