"""How much memory a cycle of changes leaves behind: ``python -m soak.growth CHANGE CYCLES``."""

from __future__ import annotations

import contextlib
import gc
import statistics
import sys
import tracemalloc

import livepatch as lp
from livepatch.engine.changing.registry import registry
from livepatch.history.journal import journal

from . import hammer


def changes():
    """The cycles of changes that are measured, by their names."""
    news = hammer.versions()[:3]
    text = hammer.versions()[3]
    wrappers = hammer.module("wrappers", hammer.WRAPPERS)

    def functions(number):
        lp.replace("hammered.f", news[number % len(news)]).remove()

    def new_functions(number):
        made = hammer.module("made", f"def new(a={number}, *, k='new'):\n    return a, k")
        lp.replace("hammered.f", made.new).remove()

    def one_text(number):
        lp.replace("hammered.f", text).remove()

    def wrapping(number):
        lp.wrap("hammered.f", wrappers.top).remove()

    def rolled_back(number):
        with contextlib.suppress(LookupError), lp.transaction():
            lp.replace("hammered.f", news[0])
            raise LookupError

    made = [functions, new_functions, one_text, wrapping, rolled_back]
    return {change.__name__: change for change in made}


@contextlib.contextmanager
def journal_off():
    """Nobody records what is done."""
    registry.subscribers["step"].remove(journal.record)
    try:
        yield
    finally:
        registry.subscribers["step"].append(journal.record)


def slope(cycle, cycles):
    """Bytes a cycle that stay, by the points of the last nine tenths of the cycles."""
    numbers, sizes = [], []
    tracemalloc.start()
    try:
        for number in range(1, cycles + 1):
            cycle(number)
            if number >= cycles // 10 and number % (cycles // 20) == 0:
                journal.flush()  # up to 10,000 steps wait for a busy disk, and hold what they did
                gc.collect()
                numbers.append(number)
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return statistics.linear_regression(numbers, sizes).slope


def where(cycle, cycles):
    """The lines that kept the most memory over some cycles, to find what leaks."""
    tracemalloc.start(12)
    try:
        for number in range(cycles):
            cycle(number)
        gc.collect()
        before = tracemalloc.take_snapshot()
        for number in range(cycles, 2 * cycles):
            cycle(number)
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    return [str(line) for line in after.compare_to(before, "lineno")[:8]]


if __name__ == "__main__":
    name, number, *journal_too = sys.argv[1:]
    with hammer.subject(), contextlib.nullcontext() if journal_too else journal_off():
        print(slope(changes()[name], int(number)))
