"""The ways of holding a function, against other tools: who reaches them, and who gets back.

Run it with ``python tests/benchmarks/holding.py``; ``--misses`` prints what each tool missed. A row
counts as *reached* when the call through the reference that was taken before gives the new result;
the other columns count among those rows. *Restored exactly*: every function of the program has its
original code object again, equal defaults, closure, attributes and annotations, and every name its
original object. *Identity*: the target's name led to the same object all the time, and registries
that look it up found it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import platform
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from holding_kinds import KINDS, Kind, Program
from peers import MECHANISMS, Mechanism, no_bytecode

import livepatch as lp

COLUMNS = ("reached", "old again", "restored exactly", "identity intact")


@dataclass
class Score:
    """What a mechanism achieved: the names of the rows, by column."""

    achieved: dict[str, list[str]] = field(default_factory=lambda: {c: [] for c in COLUMNS})
    misses: dict[str, str] = field(default_factory=dict)

    def row(self, title: str, total: int) -> str:
        """Its line of the table."""
        counts = [f"{len(names)} of {total}" for names in self.achieved.values()]
        return f"| {title} | {' | '.join(counts)} |"


def main() -> None:
    """Try every mechanism on every kind and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--misses", action="store_true", help="print what was missed, and why")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if not kind.missing()]
    print(f"CPython {platform.python_version()}, {len(kinds)} ways of holding a function")
    for kind in KINDS:
        if kind.missing():
            print(f"  left out: {kind} (needs {', '.join(kind.missing())})")
    print(f"\n| mechanism | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    scores = {}
    for mechanism in MECHANISMS:
        if mechanism.missing():
            print(f"| {mechanism.name} | not installed |{' |' * (len(COLUMNS) - 1)}")
            continue
        scores[mechanism.title()] = score = measure(mechanism, kinds)
        print(score.row(mechanism.title(), len(kinds)), flush=True)
    if arguments.misses:
        for title, score in scores.items():
            print(f"\n{title} missed:")
            for name, why in score.misses.items():
                print(f"  {name}: {why}")


def measure(mechanism: type[Mechanism], kinds: list[Kind]) -> Score:
    """One mechanism on all kinds, each in a program of its own."""
    score = Score()
    logging.disable(logging.CRITICAL)
    with no_bytecode(), warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        tool = mechanism()
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder, Program(kind, Path(folder)) as program:
                try:
                    _try(tool, program, score)
                except Exception as error:
                    first, *_ = str(error).splitlines() or [""]
                    score.misses.setdefault(str(kind), f"{type(error).__name__}: {first}")
                finally:
                    with contextlib.suppress(Exception):  # a tool's way back may fail: counted
                        tool.restore()
                    lp.restore_all()
    logging.disable(logging.NOTSET)
    return score


def _try(tool: Mechanism, program: Program, score: Score) -> None:
    name = str(program.kind)
    old = program.call()
    before = program.snapshot()
    tool.loaded(program)
    tool.replace(program)
    new = program.call()
    if new != old.replace("old", "new"):
        score.misses[name] = f"still {new}"
        return
    score.achieved["reached"].append(name)
    intact = program.is_intact()
    tool.restore()
    if program.call() != old:
        score.misses[name] = "not old again"
        return
    score.achieved["old again"].append(name)
    if restored(before, program.snapshot()):
        score.achieved["restored exactly"].append(name)
    else:
        score.misses[name] = "not restored exactly"
    if intact and program.is_intact():
        score.achieved["identity intact"].append(name)


def restored(before: dict, after: dict) -> bool:
    """Whether a snapshot is as it was; gorilla's own notes on the holder are its business."""
    for path, was in before.items():
        now = after.get(path)
        if isinstance(now, dict):
            now = {name: value for name, value in now.items() if "_gorilla" not in name}
        if now != was:
            return False
    return True


@contextlib.contextmanager
def quiet():
    """The tools' own output is not the table's."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


if __name__ == "__main__":
    main()
