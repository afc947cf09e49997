"""Hundreds of saves leave no memory, no thread and no open file behind."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import weakref
from types import ModuleType

import pytest

import livepatch as lp

from . import growth
from .sizes import size

SAVES = size("SAVES", full=500, reduced=60)
PATIENCE = 60
pytestmark = pytest.mark.timeout(3600)

TEXT = """
import livepatch as lp
number = {number}
weight = bytearray(100_000)
def answer():
    return number
lp.replace("watched_in_a_soak.answer", answer)
lp.wrap("watched_in_a_soak.other", lambda original: (original(), number))
{broken}
"""


class News(logging.Handler):
    """Counts what is told of saves."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.count = 0
        self.changed = threading.Condition()

    def emit(self, record):
        with self.changed:
            self.count += 1
            self.changed.notify_all()


@pytest.fixture
def news():
    handler, logger = News(), logging.getLogger("livepatch")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # pytest keeps every record
    yield handler
    logger.propagate = True
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize("journal", ["with the journal", "without"])
def test_saves_leave_nothing_behind(journal, tmp_path, news, monkeypatch):
    target = ModuleType("watched_in_a_soak")
    exec("def answer():\n    return None\ndef other():\n    return 1", vars(target))
    monkeypatch.setitem(sys.modules, "watched_in_a_soak", target)
    file = tmp_path / "mine.py"
    watch = lp.watch(tmp_path)
    versions: list[weakref.ref] = []

    def save(number):
        """Every fifth version is broken, every seventh save deletes the file first.

        Memory is measured after a broken one: then the former version lives.
        """
        with news.changed:
            count = news.count
            broken = "" if number % 5 else "1/0"
            if number % 7 == 0 and not broken:
                file.unlink()
                assert news.changed.wait_for(lambda: news.count > count, PATIENCE)
                count = news.count
            file.write_text(TEXT.format(number=number, broken=broken))
            assert news.changed.wait_for(lambda: news.count > count, PATIENCE)
        if number % 5:
            assert target.answer() == number
            name = watch.files[0]._name
            versions.append(weakref.ref(sys.modules[name]))

    def measured():
        return growth.slope(save, SAVES)

    before = threads_and_files()
    if journal == "without":
        with growth.journal_off():
            slope = measured()
    else:
        slope = measured()
    gc.collect()
    alive = sum(version() is not None for version in versions)
    print(f"{SAVES} saves, {journal}: {slope:.0f} bytes a save, {alive} versions alive")
    threads, files = threads_and_files()
    assert threads <= before[0]
    assert files <= before[1]
    # The live one, and the one that undo goes back to.
    assert alive <= 2
    # A small part of the 100,000 bytes that each version holds; the journal keeps its last texts.
    assert slope < 5_000
    watch.stop()
    lp.restore_all()


def threads_and_files():
    """How many of each the process has."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))
