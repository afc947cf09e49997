"""A watched folder, and what is told of it."""

from __future__ import annotations

import logging
import threading

OLD = ("old", 1, 2, 1)
HEAD = "import livepatch as lp\nfrom samples import functions\n"
PATIENCE = 60


def replacing(value, target="samples.functions.plain"):
    """The text of a file that replaces a function."""
    return f"{HEAD}lp.replace('{target}', lambda a: {value!r})\n"


class Folder(logging.Handler):
    """A watched folder, and what is told of it."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.told = []
        self._news = threading.Condition()
        self.watch = None

    def emit(self, record):
        with self._news:
            self.told.append(record.getMessage().removeprefix("livepatch: "))
            self._news.notify_all()

    def until(self, holds):
        with self._news:
            assert self._news.wait_for(holds, PATIENCE), (self.told, self.watch)

    def write(self, text, name="mine.py"):
        """Save a file, and wait until it was seen."""
        count = len(self.told)
        (self.path / name).write_text(text)
        self.until(lambda: len(self.told) > count)

    def settle(self):
        """Wait until everything was seen that happened before."""
        self.write("seen = True\n", "last.py")
