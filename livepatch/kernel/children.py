"""A child that a cell forks ends with its cell, as a child of ``multiprocessing`` does.

Left alone, it would go on as a second webui: it has the parent's listening sockets, and after its
cell the loop of the parent's kernel would run on in it.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


@contextmanager
def children_end_here() -> Iterator[None]:
    """End a process that was forked during the block where it leaves the block.

    Its exit code is that of a program which ends so: 0, that of ``SystemExit``, or 1 after an
    exception, which is written to the webui's stderr.
    """
    parent = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != parent:
            end_child(error)
        raise
    if os.getpid() != parent:
        end_child(None)


def end_child(error: BaseException | None) -> NoReturn:
    """End this process: no exit call is made, and nothing of the parent's is touched.

    Args:
        error: what got out of its code.
    """
    code = 1
    with suppress(BaseException):
        if error is None:
            code = 0
        elif isinstance(error, SystemExit):
            code = _exit_code(error.code)
        else:
            traceback.print_exception(type(error), error, error.__traceback__)
        _flush()
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _exit_code(code: Any) -> int:
    """What the interpreter makes of the argument of ``sys.exit``."""
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


def end_after_this_step(loops: dict[int, asyncio.AbstractEventLoop]) -> None:
    """Let a child end when the task that forked it comes to its next await, or to its end.

    The loop would otherwise wait at the parent's selector, and take what is the parent's.

    Args:
        loops: the kernel's loops, each by the ident of its thread.
    """
    loop: Any = loops.get(threading.get_ident())
    if loop is not None:
        loop._ready.clear()  # what waits there is the parent's
        loop.call_soon(end_child, None)
