"""Notices when a webui has rebuilt its registries, as on a reload of its page.

What is muted, replaced or added shall stay so although nobody looks. While something is, a thread
looks at what the webui has. Whether that is whole, or the webui has only begun to make it anew, a
point knows by its store.
"""

from __future__ import annotations

import atexit
import logging
import threading
from typing import Protocol

from livepatch.engine.changing.registry import registry

PERIOD = 0.25
"""Seconds between two looks."""

log = logging.getLogger("livepatch")


class Followed(Protocol):
    """What is looked after: a point, or the page."""

    @property
    def path(self) -> str:
        """What it is, in words."""

    def refresh(self) -> None:
        """Look at what the webui has now."""


class Watch:
    """The thread that looks; it runs for as long as a point has changes of ours."""

    def __init__(self) -> None:
        self.points: dict[int, Followed] = {}
        self._thread: threading.Thread | None = None
        self._last: threading.Thread | None = None  # that was started; it may be ending
        self._over = threading.Event()

    def follow(self, point: Followed) -> None:
        """Look after a point; with the lock held."""
        self.points[id(point)] = point
        if self._thread is None or not self._thread.is_alive():
            atexit.unregister(self.end)  # once, however often it begins
            atexit.register(self.end)
            self._over = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._over,), name="livepatch-registries", daemon=True
            )
            self._last = self._thread
            self._thread.start()

    def leave(self, point: Followed) -> None:
        """Look after a point no longer; the thread ends with the last one. With the lock held."""
        self.points.pop(id(point), None)
        if not self.points:
            self._over.set()
            self._thread = None

    def end(self) -> None:
        """End the thread before the interpreter does.

        One that wakes up while the interpreter ends is ended by ``pthread_exit``, for which glibc
        opens a library: without a descriptor left it aborts the process (bpo-44434).
        """
        self._over.set()
        self._thread = None
        if self._last is not None:
            self._last.join(1.0)

    def look(self) -> None:
        """One look at every point."""
        with registry.lock:
            for point in list(self.points.values()):
                try:
                    point.refresh()
                except Exception:  # the webui's data, half made: the next look may do
                    log.debug("livepatch: could not look at %s", point.path, exc_info=True)

    def _run(self, over: threading.Event) -> None:
        while not over.wait(PERIOD):
            self.look()


watch = Watch()
