"""What patches cost beside another version of livepatch: both in one run, process after process.

Run it with ``python tests/benchmarks/beside.py CHECKOUT``, a checkout of the other version (0.1 is
``git worktree add ../old 23e9018``). The processes of both take turns, so that a busy moment of the
machine hits them alike. Ratios come first: ours over theirs, of the shortest times and of the
medians of the processes.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import json
import os
import pkgutil
import statistics
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = Path(__file__).parents[2]
PROCESSES = 7
ROUNDS = 40
CALLS, TURNS = 10, 500
SWITCHES = 1_500
MODULES = 2_000
THREADED = 200_000
PACKAGES = (
    "IPython",
    "jedi",
    "jupyter_client",
    "tornado",
    "zmq",
    "starlette",
    "fastapi",
    "pydantic",
    "uvicorn",
    "anyio",
    "httpx",
    "aiohttp",
    "django.core",
    "django.db",
    "django.contrib",
    "django.template",
    "sqlalchemy",
    "pygments",
    "numpy",
    "setuptools",
    "pip",
    "playwright",
    "hypothesis",
    "_pytest",
    "prompt_toolkit",
    "requests",
    "urllib3",
    "rich",
    "jsonschema",
    "nbformat",
)
LIMITS = {  # of the ratio of the shortest times
    "call: swap": 1.0,
    "call: trampoline": 1.0,
    "replace and restore: trampoline": 1.0,
    "replace and restore: swap": 1.0,
    "the same, no journal: trampoline": 1.0,
    "the same, no journal: swap": 1.0,
    "8 threads call a trampoline": 1.0,
    "foreign(), 2,000 modules": 0.25,
}
NOISE = 1.05
NANOSECONDS_OF_GUARD = 500


def main(checkout: str) -> None:
    """Measure both and print the table."""
    times: dict[str, dict[str, list[float]]] = {}
    for side in ("ours", "theirs") * PROCESSES:
        folder = str(OURS if side == "ours" else Path(checkout).resolve())
        for name, seconds in measured(folder).items():
            times.setdefault(name, {}).setdefault(side, []).append(seconds * 1e6)
    print("| | ratio of minima | of medians | ours, µs | theirs, µs | limit |")
    print("|---|---|---|---|---|---|")
    for name, both in times.items():
        ours, theirs = both["ours"], both["theirs"]
        ratio = min(ours) / min(theirs)
        middle = statistics.median(ours) / statistics.median(theirs)
        limit = LIMITS.get(name)
        judged = f"{limit}: {'ok' if ratio <= limit * NOISE else 'OVER'}" if limit else ""
        cells = (f"{ratio:.2f}", f"{middle:.2f}", f"{min(ours):.3f}", f"{min(theirs):.3f}", judged)
        print(f"| {name} | {' | '.join(cells)} |")
    print()
    for guarded, plain in (("guard", "trampoline"), ("guarded wrap", "wrap")):
        ours, theirs = (
            (min(times[f"call: {guarded}"][side]) - min(times[f"call: {plain}"][side])) * 1000
            for side in ("ours", "theirs")
        )
        kept = "ok" if ours <= NANOSECONDS_OF_GUARD else "OVER"
        print(
            f"{guarded}: adds {ours:.0f} ns to a call, theirs {theirs:.0f} "
            f"(limit {NANOSECONDS_OF_GUARD}: {kept})"
        )


def measured(folder: str) -> dict[str, float]:
    """The seconds that one process measured with the livepatch of a folder."""
    environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, __file__, "--measure"]
    answer = subprocess.run(
        command, env=environment, cwd=folder, check=True, capture_output=True, text=True
    )
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def measure() -> dict[str, float]:
    """Seconds of one call of everything, in this process."""
    import livepatch as lp

    app = types.ModuleType("livepatch_measured_app")
    sys.modules[app.__name__] = app
    names = ("unpatched", "swap", "trampoline", "guard", "wrap", "guarded_wrap", "switched")
    for name in names:
        exec(f"def {name}(a, b):\n    return 'old'", vars(app))
    scope: dict = {"__name__": "elsewhere"}
    exec(
        "M = 1\ndef new(a, b):\n return M\ndef around(original, a, b):\n return original(a, b)",
        scope,
    )
    path, new = app.__name__, scope["new"]
    lp.replace(f"{path}.swap", "def f(a, b):\n    return 'new'")
    lp.replace(f"{path}.trampoline", new)
    lp.replace(f"{path}.guard", new, guard=True)
    lp.wrap(f"{path}.wrap", scope["around"])
    lp.wrap(f"{path}.guarded_wrap", scope["around"], guard=True)
    loops = {f"call: {name.replace('_', ' ')}": loop_of(getattr(app, name)) for name in names[:-1]}
    best = dict.fromkeys(loops, 1.0)
    gc.disable()
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            best[name] = min(best[name], seconds(loop) / (CALLS * TURNS))
    codes = {"trampoline": new, "swap": "def f(a, b):\n    return 'new'"}
    for name, code in codes.items():
        best[f"replace and restore: {name}"] = switching(lp, f"{path}.switched", code)
    silence_journal()
    for name, code in codes.items():
        best[f"the same, no journal: {name}"] = switching(lp, f"{path}.switched", code)
    best["8 threads call a trampoline"] = threaded(app.trampoline)
    best[f"foreign(), {MODULES:,} modules"] = looking(lp)
    return best


def loop_of(function: object):
    """A loop of its own around calls of a function."""
    scope: dict = {}
    exec(f"def loop(turns, f):\n for _ in turns:\n  {'; '.join(['f(1, 2)'] * CALLS)}", scope)
    return lambda: scope["loop"](itertools.repeat(None, TURNS), function)


def seconds(work) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def switching(lp, target: str, new: object) -> float:
    """The shortest time of one replace and restore."""

    def switch() -> None:
        lp.replace(target, new).remove()

    return min(seconds(switch) for _ in range(SWITCHES))


def threaded(function) -> float:
    """The time of one call while eight threads call."""

    def call() -> None:
        for _ in range(THREADED // 8):
            function(1, 2)

    def run() -> None:
        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return min(seconds(run) for _ in range(5)) / THREADED


def looking(lp) -> float:
    """The time of ``foreign()`` with many modules loaded."""
    import_modules()
    lp.foreign()
    return min(seconds(lp.foreign) for _ in range(3))


def import_modules() -> None:
    """Load modules as a webui would have them: of the packages that are here, then of Python."""
    left_out = {"antigravity", "this", "idlelib", "lib2to3", "test", "turtle", "turtledemo"}
    for name in (*PACKAGES, *sorted(sys.stdlib_module_names - left_out)):
        for module in (name, *modules_below(name)):
            if sum(not one.startswith("livepatch") for one in sys.modules) >= MODULES:
                return
            with contextlib.suppress(Exception, SystemExit):  # of another platform, a plugin
                importlib.import_module(module)


def modules_below(name: str) -> Iterator[str]:
    """The modules of a package, those of its packages too."""
    module = sys.modules.get(name)
    for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not inner.name.startswith(("__", "test", "_test", "conftest")):
            yield f"{name}.{inner.name}"
            yield from modules_below(f"{name}.{inner.name}")


def silence_journal() -> None:
    """Nobody records what is done."""
    from livepatch.history.journal import journal

    for path in ("livepatch.engine.changing.registry", "livepatch.engine.registry"):
        try:
            registry = importlib.import_module(path).registry
        except ImportError:
            continue
        registry.subscribers["step"].remove(journal.record)
        return


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        print(json.dumps(measure()))
    elif len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        sys.exit("name a checkout of the version to compare with")
