"""How much memory a cycle of changes leaves behind."""

from __future__ import annotations

import contextlib
import gc
import statistics
import tracemalloc

from livepatch.engine.changing.registry import registry
from livepatch.history.journal import journal


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
