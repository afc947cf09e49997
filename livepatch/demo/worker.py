"""The threads of the webui: one generates, job by job; one keeps the status line up to date."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from . import shared
from .processing import Processed, Processing, generate

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


@dataclass
class Job:
    """A call to make on the worker's thread, and where its result goes."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    future: Future[Any]


def run_job(job: Job) -> None:
    """Do one job; its result or its exception goes to whoever waits for it."""
    if not job.future.set_running_or_notify_cancel():
        return
    shared.state.job = job.name
    try:
        result = job.function(*job.args)
    except Exception as error:
        job.future.set_exception(error)
    else:
        job.future.set_result(result)
    finally:
        shared.state.job, shared.state.step, shared.state.steps = "", 0, 0


class GenerationQueue:
    """One thread that does the jobs in the order of their arrival."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread unless it runs."""
        with self._lock:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(
                    target=self._work, name="generation-worker", daemon=True
                )
                self.thread.start()

    def stop(self) -> None:
        """End the thread after the job it is at."""
        if self.thread is not None:
            self.jobs.put(None)
            self.thread.join(timeout=5)

    def submit(self, name: str, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Put a call at the end of the queue."""
        self.start()
        future: Future[Result] = Future()
        self.jobs.put(Job(name, function, args, future))
        return future

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            run_job(job)


class StatusThread:
    """Asks for the status line once a second."""

    def __init__(self, period: float = 1.0) -> None:
        self.period = period
        self._stopped = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopped.clear()
        self.thread = threading.Thread(target=self._watch, name="webui-status", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self.thread is not None:
            self.thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._stopped.wait(self.period):
            shared.state.status = status_line()


def status_line() -> str:
    """What the webui is doing, in a few words."""
    state = shared.state
    if state.job:
        return f"{state.job}: step {state.step} of {state.steps}"
    return f"idle after {state.generated} pictures"


generation_queue = GenerationQueue()
status_thread = StatusThread()


def generate_queued(p: Processing) -> Processed:
    """Generate on the worker's thread and wait for the result."""
    return generation_queue.submit("generate", generate, p).result()
