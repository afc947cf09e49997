"""Modules that a test of the engine writes, loads and loads again."""

from __future__ import annotations

import contextvars
import importlib
import textwrap

import livepatch as lp


class App:
    """A loaded module of a test's own, by the name ``app_of_test``.

    Attributes:
        module: the module.
        name: its name; ``app["f"]`` is the dotted name of ``f`` in it.
    """

    name = "app_of_test"

    def __init__(self, folder):
        self.path = folder / f"{self.name}.py"

    def write(self, text):
        """Write its source text."""
        self.path.write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()

    def load(self, text):
        """Write it and import it."""
        self.write(text)
        self.module = importlib.import_module(self.name)
        return self.module

    def reload(self):
        """Load it again, as ``importlib.reload`` does."""
        return importlib.reload(self.module)

    def __getitem__(self, name):
        return f"{self.name}.{name}"


class Transaction:
    """A transaction beside others, as each thread and each task has its own."""

    def __init__(self):
        self._context = contextvars.copy_context()
        self._manager = lp.transaction()
        self.run(self._manager.__enter__)

    def run(self, call, *args, **kwargs):
        """Call something inside it."""
        return self._context.run(call, *args, **kwargs)

    def commit(self):
        """Leave it."""
        self.run(self._manager.__exit__, None, None, None)

    def fail(self):
        """Leave it by an exception."""
        assert not self.run(self._manager.__exit__, ZeroDivisionError, ZeroDivisionError(), None)


def three_lines(error, *words):
    """Check a refusal: three lines, and all of some words in them."""
    text = str(error.value if hasattr(error, "value") else error)
    assert len(text.splitlines()) == 3, text
    for word in words:
        assert word in text, text
