"""A notebook's shell in the process of the tests."""

from __future__ import annotations

from contextlib import contextmanager

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

TARGET = "samples.functions.uses_module"


class Notebook:
    """A shell that answers each cell with what it shows."""

    def __init__(self):
        self.shell = InteractiveShell()
        self.shell.run_line_magic("config", "InteractiveShell.colors = 'nocolor'")

    def run(self, cell):
        with capture_output() as captured:
            self.result = self.shell.run_cell(cell, store_history=True)
        return captured.stdout

    def value(self, cell):
        self.run(cell)
        return self.result.result


@contextmanager
def a_notebook():
    """One with livepatch's magics, which it loses in the end."""
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    yield notebook
    notebook.run("%unload_ext livepatch")
    notebook.shell.history_manager.end_session()
