"""What a patch costs: each call of a patched function, and one replace with its restore.

Run it with ``python tests/benchmarks/cost.py``. Ratios come first: the time of a call of the
patched function over that of the same function unpatched, measured in the same run. Each figure is
the minimum of many short loops; the loops of all rows take turns, so that a busy moment of the
machine hits them alike. Each row has loops of its own, as CPython specialises a call where it
stands. The functions only return a global name of theirs, so that the ratios are about the highest
there are; in one column they add their arguments.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from typing import TYPE_CHECKING

import peers
from holding_kinds import Kind, Program

import livepatch as lp
from livepatch.engine.changing.registry import registry
from livepatch.history.journal import journal

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 60
CALLS = 10  # in one turn of a loop, so that the loop itself weighs little
TURNS = 1_000
SWITCHES = 2_000

# The parameters of the function, the arguments of the call, what the body does.
FORMS = {
    "0 arguments": ("", "", "MARK"),
    "2 positional": ("a, b", "1, 2", "MARK"),
    "2 added": ("a, b", "1, 2", "a + b if MARK else 0"),
    "2 keywords": ("a, b", "a=1, b=2", "MARK"),
    "5 positional": ("a, b, c, d, e", "1, 2, 3, 4, 5", "MARK"),
    "5 keywords": ("a, b, c, d, e", "a=1, b=2, c=3, d=4, e=5", "MARK"),
}
SWITCHED = 'MARK = "old"\ndef f(a, b=1):\n    """Of old."""\n    return MARK\n'
KNOWN_ON_313 = "known: gh-117045"


class Swap(peers.Mechanism):
    """A text that needs only the module's names: its code runs in the function itself."""

    name = "livepatch: swap, a text"

    def replace(self, program: Program) -> None:
        self.ending = [lp.replace(program.target, program.new("text")).remove]


class Trampoline(peers.Livepatch):
    """A function of another module."""

    name = "livepatch: trampoline, a function of another module"


class Wrap(peers.Mechanism):
    """A wrapper that has the parameters of the original."""

    name = "livepatch: wrap"
    guard = False

    def replace(self, program: Program) -> None:
        parameters = program.text.partition("(")[2].partition(")")[0]
        scope: dict = {}
        exec(f"def wrapper(original, {parameters}): return original({parameters})", scope)
        self.ending = [lp.wrap(program.target, scope["wrapper"], guard=self.guard).remove]

    @classmethod
    def missing(cls) -> bool:
        return not hasattr(lp, "wrap")


class GuardedWrap(Wrap):
    """The same, guarded."""

    name = "livepatch: wrap with a guard"
    guard = True


class Guarded(peers.Mechanism):
    """A guarded function of another module."""

    name = "livepatch: trampoline with a guard"

    def replace(self, program: Program) -> None:
        self.ending = [lp.replace(program.target, program.new(), guard=True).remove]

    @classmethod
    def missing(cls) -> bool:
        return "guard" not in (lp.replace.__kwdefaults__ or {})


class Unpatched(peers.Mechanism):
    """Nothing was done."""

    name = "unpatched"

    def replace(self, program: Program) -> None:
        pass


class Control(Unpatched):
    """Another unpatched function: how far apart two equal things are measured."""

    name = "unpatched, another (the noise)"


class Restored(Trampoline):
    """Replaced and restored once."""

    name = "livepatch: after restore"
    times = 1

    def replace(self, program: Program) -> None:
        for _ in range(self.times):
            super().replace(program)
            self.restore()


class RestoredOften(Restored):
    """Replaced and restored a thousand times."""

    name = "livepatch: after 1,000 restores"
    times = 1_000


class Wrapt(peers.Wrapt):
    """Says whether its C extension is in use."""

    @classmethod
    def title(cls) -> str:
        import wrapt

        in_c = "_wrappers" in wrapt.FunctionWrapper.__mro__[1].__module__ or not hasattr(
            wrapt.FunctionWrapper.__mro__[1].__init__, "__code__"
        )
        return f"{super().title()} wrapper, C extension {'on' if in_c else 'off'}"


CALLED = [
    Unpatched,
    Control,
    Swap,
    Trampoline,
    Wrap,
    Guarded,
    GuardedWrap,
    Restored,
    RestoredOften,
    Wrapt,
    peers.Mock,
    peers.Autoreload,
    peers.Jurigged,
]
# Of a row: the form, the highest ratio, and what to say of 3.13.
LIMITS = {
    Swap: ("2 positional", 1.03, ""),
    Trampoline: ("2 positional", 1.8, ""),
    Restored: ("2 positional", 1.03, KNOWN_ON_313),
    RestoredOften: ("2 positional", 1.03, KNOWN_ON_313),
}
TIMES_CHEAPER = 8
MICROSECONDS = 100


def main() -> None:
    """Print both tables."""
    print(f"CPython {platform.python_version()}")
    # Before jurigged comes: its audit hook, in Python, is called for every function that is made.
    print_switches()
    with contextlib.ExitStack() as ending:
        ending.enter_context(peers.no_bytecode())
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        loops = {}
        for mechanism in CALLED:
            if mechanism.missing():
                print(f"left out: {mechanism.name} (not here)")
                continue
            loops[mechanism] = [loop_of(mechanism, form, folder, ending) for form in FORMS.items()]
        seconds = minima([loop for row in loops.values() for loop in row])
    rows = {
        mechanism: [next(seconds) / (CALLS * TURNS) * 1e9 for _ in row]
        for mechanism, row in loops.items()
    }
    print_calls(rows)


def loop_of(mechanism: type, form: tuple, folder: Path, ending: contextlib.ExitStack) -> Callable:
    """A loop of its own around calls of a function of its own, patched by a mechanism."""
    name, (parameters, arguments, result) = form
    text = f'MARK = "text"\ndef f({parameters}):\n    """Of old."""\n    return {result}\n'
    program = ending.enter_context(Program(subject(name, text), folder))
    tool = mechanism()
    tool.loaded(program)
    tool.replace(program)
    ending.callback(tool.restore)
    calls = "; ".join([f"f({arguments})"] * CALLS)
    scope: dict = {}
    exec(f"def loop(turns, f):\n for _ in turns:\n  {calls}", scope)
    function = program.app.f

    def measure() -> float:
        turns = itertools.repeat(None, TURNS)
        begun = time.perf_counter()
        scope["loop"](turns, function)
        return time.perf_counter() - begun

    return measure


def subject(name: str, text: str) -> Kind:
    """The program of a measurement."""
    return Kind(name, "cost", text, "f", lambda app: app.f, elsewhere=text.replace("old", "new"))


def minima(loops: list) -> itertools.chain:
    """The shortest time of each loop, of rounds in which they take turns."""
    for loop in loops * 3:  # warm: the calls are specialised
        loop()
    gc.collect()
    gc.disable()
    try:
        rounds = [[loop() for loop in loops] for _ in range(ROUNDS)]
    finally:
        gc.enable()
    return iter([min(times) for times in zip(*rounds, strict=True)])


def print_calls(rows: dict) -> None:
    """The table of calls, with the limits beside it."""
    base = rows[Unpatched]
    print(f"\na call, times unpatched (ns)\n| | {' | '.join(FORMS)} | limit |")
    print(f"|---|{'---|' * (len(FORMS) + 1)}")
    for mechanism, times in rows.items():
        cells = [f"{t / b:.2f} ({t:.0f})" for t, b in zip(times, base, strict=True)]
        print(f"| {mechanism.title()} | {' | '.join(cells)} | {limit_of(mechanism, times, base)} |")
    if Wrapt in rows:
        ours, theirs, own = (rows[row][1] for row in (Trampoline, Wrapt, Unpatched))
        print(
            f"\nat two arguments wrapt's wrapper takes {theirs / ours:.1f} times as long as a "
            f"trampoline (limit {TIMES_CHEAPER}: {said(theirs / ours >= TIMES_CHEAPER)}); what it "
            f"adds is {(theirs - own) / (ours - own):.0f} times what a trampoline adds"
        )


def limit_of(mechanism: type, times: list[float], base: list[float]) -> str:
    """What a row may cost, and whether it does."""
    if mechanism not in LIMITS:
        return ""
    form, highest, known = LIMITS[mechanism]
    column = list(FORMS).index(form)
    kept = round(times[column] / base[column], 2) <= highest
    excuse = f", {known}" if known and not kept and sys.version_info[:2] == (3, 13) else ""
    return f"{highest} at {form}: {said(kept)}{excuse}"


def said(kept: bool) -> str:
    """A limit is kept or it is not."""
    return "ok" if kept else "OVER"


@contextlib.contextmanager
def journal_off():
    """Nobody records what is done."""
    registry.subscribers["step"].remove(journal.record)
    try:
        yield
    finally:
        registry.subscribers["step"].append(journal.record)


def print_switches() -> None:
    """The table of one replace with its restore."""
    print("\none replace and restore, µs\n| | minimum | median | limit |\n|---|---|---|---|")
    switches = [Trampoline, Swap, peers.SetAttribute, peers.Mock, peers.MonkeyPatch, peers.Wrapt]
    with contextlib.ExitStack() as ending:
        ending.enter_context(peers.no_bytecode())
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        for mechanism in switches:
            if mechanism.missing():
                print(f"| {mechanism.name} | not installed | | |")
                continue
            program = ending.enter_context(Program(subject("switch", SWITCHED), folder))
            prepared = Prepared(program)
            if mechanism not in (Trampoline, Swap):
                print_switch(mechanism.title(), mechanism(), prepared, "")
                continue
            with journal_off():
                limit = f"{MICROSECONDS}" if mechanism is Trampoline else ""
                print_switch(f"{mechanism.name}; journal off", mechanism(), prepared, limit)
            print_switch(f"{mechanism.name}; journal on", mechanism(), prepared, "")


@dataclass
class Prepared:
    """A program whose new code is there already: making it is not what is measured."""

    program: Program

    def __post_init__(self) -> None:
        self.made = {form: self.program.new(form) for form in ("function", "text")}

    def new(self, form: str = "function") -> object:
        """The new code."""
        return self.made[form]

    def __getattr__(self, name: str) -> object:
        return getattr(self.program, name)


def print_switch(title: str, tool: peers.Mechanism, program: Prepared, limit: str) -> None:
    """Measure one way to switch and print its line."""
    for _ in range(20):
        tool.replace(program)
        tool.restore()
    times = []
    for _ in range(SWITCHES):
        begun = time.perf_counter()
        tool.replace(program)
        tool.restore()
        times.append((time.perf_counter() - begun) * 1e6)
    judged = f"{limit}: {said(min(times) <= float(limit))}" if limit else ""
    print(f"| {title} | {min(times):.1f} | {statistics.median(times):.1f} | {judged} |")


if __name__ == "__main__":
    main()
