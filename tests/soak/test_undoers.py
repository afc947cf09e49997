"""Two undoers and a writer for a minute: no error, no step taken back twice, none forgotten."""

from __future__ import annotations

import time

import pytest
from samples import functions

from livepatch.engine import subscribe
from livepatch.history import Journal

from . import undoers
from .sizes import size

SECONDS = size("SECONDS", full=60, reduced=5)
pytestmark = pytest.mark.timeout(3600)


def test_two_undoers_and_a_writer():
    end, original = time.monotonic() + SECONDS, functions.plain(1)
    journal = Journal()
    unsubscribe = subscribe("step", journal.record)
    try:
        undone, steps = undoers.change_and_undo(journal, lambda _: time.monotonic() < end)
    finally:
        unsubscribe()
    print(f"{steps:,} steps in {SECONDS:.0f} s, {undone.total():,} taken back")
    assert set(undone.values()) == {1}
    assert sorted(undone) == list(range(1, steps + 1))
    assert functions.plain(1) == original
