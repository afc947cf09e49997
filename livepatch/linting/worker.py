"""The process that reads a stranger's files: one job a line, one answer a line.

A file can be made so that Python's parser or tree-sitter takes all memory, all time, or the whole
process with it (a chain of 400,000 attributes ends Python 3.10, 70,000 times ``{a:`` ends
tree-sitter 0.26). Here the system's limits hold that, and a process that ends takes one file along.
Started by :mod:`.reader`; it executes nothing of what it reads.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

from .findings import not_looked_at
from .jobs import Job, Looked
from .one_file import look_at

if TYPE_CHECKING:
    from collections.abc import Callable

READY = b"ready\n"
MEMORY = 2 << 30
"""In bytes of address space; a file of 2 MB takes up to 0.9 GB in Python's parser."""
STACKS = (256 << 20, 64 << 20, 16 << 20)
"""In bytes: what is nested deeply is read all the same. The first that can be had is taken."""
RECURSION = 20_000


def main(seconds: int) -> None:
    """Answer jobs from stdin until it ends.

    Args:
        seconds: of CPU time, for one file.
    """
    # Nothing may get in between the answers: what else is printed from here on goes nowhere.
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _limit_memory()
    sys.setrecursionlimit(RECURSION)
    _in_a_thread_with_room(lambda: _serve(sys.stdin.buffer, answers, seconds))


def _serve(jobs: BinaryIO, answers: BinaryIO, seconds: int) -> None:
    answers.write(READY)
    answers.flush()
    for line in jobs:
        _limit_time(seconds)
        job = Job.from_line(line)
        answers.write(_looked_at(job).to_line())
        answers.flush()


def _looked_at(job: Job) -> Looked:
    try:
        return look_at(job)
    except Exception as error:  # a fault of ours: one file, and not the report
        why = f"made a rule of livepatch fail: {type(error).__name__}: {error}"
        return Looked(job.shown, [not_looked_at(job.shown, why)])


def _in_a_thread_with_room(call: Callable[[], None]) -> None:
    for size in STACKS:
        try:
            threading.stack_size(size)
            thread = threading.Thread(target=call)
            thread.start()
        except (ValueError, RuntimeError):  # more than the system gives, or than its limit leaves
            continue
        thread.join()
        return
    call()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        _lower(kind, most)


def _limit_time(seconds: int) -> None:
    """Give the next file its time; the system ends the process when it is used up."""
    try:
        import resource
    except ImportError:  # Windows: the reader's own limit has to do
        return
    _lower(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)


def _lower(kind: int, most: int) -> None:
    import resource

    _, hard = resource.getrlimit(kind)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(kind, (soft, hard))
    except (OSError, ValueError):  # macOS knows RLIMIT_AS and refuses it
        return
