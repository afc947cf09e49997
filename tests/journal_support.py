"""Journals in a folder of the test's, and processes that write them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import livepatch as lp
from livepatch.history.saved import read_session

TESTS = Path(__file__).parent
TARGET = "samples.functions.uses_module"
TEXT = "def uses_module(a):\n    return 'new'"
PLAIN = "def plain(a):\n    return 1"
NAMESPACE = {"__name__": "livepatch_notebook"}

# What begins each script of a process of its own.
KEEPS = """
import sys
import livepatch as lp
from samples import functions
lp.journal.keep("a-webui")
def change(name, value):
    lp.replace(f"samples.functions.{name}", f"def {name}(a):\\n    return {value!r}")
    assert lp.journal.flush()
"""


def restart():
    """What is live ends with the process, and the next one keeps the same journal."""
    lp.journal.end()
    lp.restore_all()
    lp.journal._entries.clear()
    lp.journal.keep("a-webui")


def session(**values):
    """A session of this process, in which functions were replaced by such that return a value."""
    lp.journal.keep("a-webui")
    for name, value in values.items():
        lp.replace(f"samples.functions.{name}", f"def {name}(a):\n    return {value!r}")
    lp.journal.end()
    lp.restore_all()
    lp.journal._entries.clear()


def written():
    """The lines of this process's file."""
    assert lp.journal.flush()
    return [json.loads(line) for line in lp.journal.path.read_text().splitlines()]


def read(place, number):
    """A session as it is read."""
    return read_session(str(number), place.sessions()[number], "read it")


def by_target(report):
    return {one.target: one for one in report}


def start(script, *arguments, state=None, **options):
    """A process that runs a script; the tests' samples are importable in it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    if state is not None:
        environment["LIVEPATCH_STATE_DIR"] = str(state)
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def ran(script, *arguments, **options):
    """What a process printed that has run a script to its end."""
    process = start(script, *arguments, **options)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def killed(process):
    """End a process as the system does when there is no memory left."""
    process.kill()
    process.communicate()
