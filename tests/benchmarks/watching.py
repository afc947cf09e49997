"""From save to effect: how long after a save a watched file's change is met by a call.

Run it with ``python tests/benchmarks/watching.py [SAVES]``. Each save replaces a function by one
that answers another number, and it is called until it does. Half of the saves write the file in
place, half by a file beside it that takes its name, as most editors do.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import livepatch as lp

SAVES = 50
LIMIT = 200  # milliseconds
PATIENCE = 10

TEXT = """\
import livepatch
def answer():
    return {number}
livepatch.replace("watched_by_a_benchmark.answer", answer)
"""


def main() -> None:
    """Print the median and the range."""
    saves = int(sys.argv[1]) if sys.argv[1:] else SAVES
    target = sys.modules["watched_by_a_benchmark"] = ModuleType("watched_by_a_benchmark")
    exec("def answer():\n    return None", vars(target))
    with tempfile.TemporaryDirectory() as folder:
        watch = lp.watch(folder)
        times = [save_to_effect(Path(folder) / "mine.py", target, n) for n in range(saves + 3)][3:]
        assert not watch.errors
        watch.stop()
        lp.restore_all()
    median = statistics.median(times)
    kept = "ok" if median < LIMIT else "OVER"
    print(f"save to effect: median {median:.0f} ms of {saves} (limit {LIMIT}: {kept})")
    print(f"  from {min(times):.0f} to {max(times):.0f} ms")


def save_to_effect(file: Path, target: ModuleType, number: int) -> float:
    """Milliseconds from the save to the first changed answer."""
    text = TEXT.format(number=number)
    beside = file.with_suffix(".tmp")
    if number % 2:
        beside.write_text(text)
    began = time.perf_counter()
    if number % 2:
        beside.replace(file)
    else:
        file.write_text(text)
    while target.answer() != number:
        if time.perf_counter() - began > PATIENCE:
            raise TimeoutError(f"save {number} had no effect within {PATIENCE} s")
        time.sleep(0.0005)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
