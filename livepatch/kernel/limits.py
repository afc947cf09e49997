"""Checks the process's limits before a kernel takes any descriptor, thread or memory.

libzmq calls ``abort()`` where it finds no descriptor for a poller (epoll.cpp), none for a client
that connects (ipc_listener.cpp) or no thread (thread.cpp): the webui would be gone. So a start is
refused whole when one of these could run out on its way.
"""

from __future__ import annotations

import _thread
import contextlib
import mmap
import os
import sys
import threading
from typing import TYPE_CHECKING

from livepatch.engine.answers import counted
from livepatch.errors import AttachFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

# Measured with ipykernel 7.4 and libzmq 4.3.5: 45, 46 at the highest. A notebook connects to five
# channels. Below SHORT new clients find the door closed, so as many have to be left.
KERNEL = 48
CLIENT = 5
SHORT = 16
DESCRIPTORS = KERNEL + CLIENT + SHORT

# Measured: four of ipykernel's, the kernel's, the doorman's, two for each of two contexts.
THREADS = 12

# Measured: 620 MB, 690 at the highest; nearly all of it is what glibc reserves for threads.
ADDRESS_SPACE = 768 * 2**20

_LOOKED_AT = 2**16  # descriptors, from the highest down


def descriptors_left(enough: int) -> int:
    """How many descriptors this process may still open.

    None is opened for the question: the webui could want the last one at that moment.

    Args:
        enough: as many as are asked for.

    Returns:
        Their number, ``enough`` where there are more.
    """
    if sys.platform == "win32":
        return enough
    import fcntl
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return enough
    free = 0
    # The lowest free number is taken first, so the highest ones are the last to go.
    for number in range(limit - 1, max(-1, limit - 1 - _LOOKED_AT), -1):
        if free >= enough:
            break
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            free += 1
    return free


def ask_for_descriptors(asked: str) -> None:
    """See to it that a kernel finds the descriptors that it needs.

    Args:
        asked: what the user asked for.

    Raises:
        AttachFailed: it does not; nothing was taken.
    """
    left = descriptors_left(DESCRIPTORS)
    if left < DESCRIPTORS:
        raise AttachFailed(
            asked,
            counted(left, "more file", "more files")
            + f" may be open in this process, and a kernel with one notebook needs {DESCRIPTORS}",
            "close some, or raise the limit before the webui starts: ulimit -n 4096",
        )


def ask_for_room(asked: str) -> None:
    """See to it that a kernel fits into this process.

    Args:
        asked: what the user asked for.

    Raises:
        AttachFailed: it does not; nothing was taken.
    """
    ask_for_descriptors(asked)
    if not _has_address_space(ADDRESS_SPACE):
        raise AttachFailed(
            asked,
            f"this process has less than {ADDRESS_SPACE // 2**20} MB of address space left, and "
            "the kernel's threads may need that much",
            "raise the limit before the webui starts: ulimit -v unlimited",
        )
    if not _has_threads(THREADS):
        raise AttachFailed(
            asked,
            f"this process may not start {THREADS} more threads",
            "raise the limit before the webui starts: ulimit -u, or the container's pids limit",
        )


def _has_address_space(size: int) -> bool:
    if sys.platform == "win32":
        return True
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return True
    try:
        mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ).close()
    except (OSError, ValueError):
        return False
    return True


def _has_threads(number: int) -> bool:
    """Start as many at once, which wait for each other and end."""
    go = threading.Event()
    ended = threading.Semaphore(0)
    started = 0

    def wait() -> None:
        go.wait()
        ended.release()

    try:
        for _ in range(number):
            _thread.start_new_thread(wait, ())
            started += 1
    except RuntimeError:
        return False
    finally:
        go.set()
        for _ in range(started):
            ended.acquire()
    return True


@contextlib.contextmanager
def standard_descriptors_taken() -> Iterator[None]:
    """Take 0, 1 and 2 during the block where they are free.

    A webui that closed them may print all the same: into a socket of ours, if that had the number.
    """
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                number = os.open(os.devnull, os.O_RDWR)
                if number > 2:
                    os.close(number)
                    break
                taken.append(number)
        yield
    finally:
        for number in taken:
            os.close(number)
