"""What it costs to list 1,000 callbacks, and to time a call of one.

Run it with ``python tests/benchmarks/callbacks.py``. The registry is that of the demo, which is
A1111's; the callbacks stand in 20 files. A call is one of the webui's own, with what it does around
each callback; on, off and never timed are measured in turns.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import timeit
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import livepatch as lp
from livepatch.demo import script_callbacks, shared
from livepatch.notebook.registries import LivepatchRegistriesMagics

COUNT, FILES, ROUNDS, TIMES = 1000, 20, 15, 60
LISTING_GOAL = 50.0  # ms
CALL_GOAL = 5.0  # µs


def register() -> None:
    """Functions of some files, registered as their scripts would."""
    shared.cmd_opts = shared.Options()
    for number in range(COUNT):
        names: dict[str, object] = {"__name__": "script.py"}
        file = f"/webui/extensions/e{number % FILES}/scripts/e.py"
        exec(compile(f"def callback_{number}(params): pass", file, "exec"), names)
        entry = script_callbacks.ScriptCallback(file, names[f"callback_{number}"], f"c{number}")
        script_callbacks.callback_map["callbacks_step"].append(entry)


def per_call() -> float:
    """µs of one call of a callback by the webui, everything around it included."""
    params = SimpleNamespace()
    # Short pieces, and the shortest of them: on a machine under load others run in between.
    call = lambda: script_callbacks.step_callback(params)  # noqa: E731
    seconds = min(timeit.repeat(call, number=1, repeat=TIMES))
    return seconds / COUNT * 1e6


def listing() -> float:
    """ms of looking at the registry and of making text and HTML of it."""
    begun = time.perf_counter()
    report = lp.callbacks().report()
    bundle = report._repr_mimebundle_()
    assert f"c{COUNT - 1}" in str(bundle["text/html"])
    return (time.perf_counter() - begun) * 1000


def main() -> int:
    """Print the figures; 0 if they are within the goals."""
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    assert LivepatchRegistriesMagics.callbacks is not None
    register()
    listed = [listing() for _ in range(ROUNDS)]
    print(
        f"%callbacks with {COUNT} callbacks: first {listed[0]:.1f} ms, "
        f"median {statistics.median(listed):.1f} ms"
    )
    never, off, on = [], [], []
    for _ in range(5):
        never.append(per_call())
        with lp.timing(only=["callbacks"]):
            on.append(per_call())
        off.append(per_call())
    plain, timed, after = min(never), min(on), min(off)
    print(f"a call: {plain:.3f} µs, timed {timed:.3f} µs, after the timing {after:.3f} µs")
    print(f"timing costs {timed - plain:.2f} µs a call while it is on, {after - plain:+.3f} µs off")
    return int(statistics.median(listed) > LISTING_GOAL or timed - plain > CALL_GOAL)


if __name__ == "__main__":
    sys.exit(main())
