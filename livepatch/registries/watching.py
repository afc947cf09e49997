"""Notices when a webui has rebuilt its registries, as on a reload of its page.

What is muted, replaced or added shall stay so although nobody looks. While something is, a thread
compares what the webui has with what it should have. It acts when two looks in a row have seen the
same: a webui that reloads registers one after the other.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry

if TYPE_CHECKING:
    from .registration import Point

PERIOD = 0.25
"""Seconds between two looks."""

log = logging.getLogger("livepatch")


class Watch:
    """The thread that looks; it runs for as long as a point has changes of ours."""

    def __init__(self) -> None:
        self.points: dict[int, Point] = {}
        self._seen: dict[int, list[Any]] = {}
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def follow(self, point: Point) -> None:
        """Look after a point; with the lock held."""
        self.points[id(point)] = point
        if self._thread is None or not self._thread.is_alive():
            self._over = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._over,), name="livepatch-registries", daemon=True
            )
            self._thread.start()

    def leave(self, point: Point) -> None:
        """Look after a point no longer; the thread ends with the last one. With the lock held."""
        self.points.pop(id(point), None)
        self._seen.pop(id(point), None)
        if not self.points:
            self._over.set()
            self._thread = None

    def look(self) -> None:
        """One look at every point."""
        with registry.lock:
            for point in list(self.points.values()):
                try:
                    self._look_at(point)
                except Exception:  # the webui's data, half made: the next look may do
                    log.debug("livepatch: could not look at %s", point.path, exc_info=True)

    def _look_at(self, point: Point) -> None:
        present = [point.store.identity(item) for item in point.store.read()]
        before = self._seen.get(id(point))
        self._seen[id(point)] = present
        if present == before:
            point.refresh()

    def _run(self, over: threading.Event) -> None:
        while not over.wait(PERIOD):
            self.look()


watch = Watch()
