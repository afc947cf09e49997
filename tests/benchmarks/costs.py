"""What livepatch costs, beside 0.1: imports, commands, a start, an export, a look, timing, a guard.

Run it with ``python tests/benchmarks/costs.py --old CHECKOUT``, a checkout of 0.1 (``git worktree
add --detach ../old 23e9018``); without it only this side is measured. Each figure comes from
processes of its own, and those of both sides take turns, so that a busy moment of the machine hits
them alike. Ratios come first: of the shortest times, ours over theirs. Times of commands, imports
and exports are CPU time of the whole process or of what is named. ``--only WORD`` measures the
figures with that word in their names; the exit code is 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tokenize
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve()
OURS = HERE.parents[2]
IMPORT = "import time; t = time.process_time(); import {0}; print(time.process_time() - t)"
NOISE = 1.05
LINES_OF_EXPORT = 2_500
FLAVORS = ("plain", "a1111")
ENDS_AT_ONCE = "print('a webui would serve now')\n"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        name: what is measured.
        measure: measures it once, with the livepatch of a folder.
        unit: of what it answers.
        of_old: what ours may be of 0.1's at most.
        at_most: what ours may be at most.
        beside: the name of the figure that both sides are compared with instead of each other.
        times: how many processes of each side.
    """

    name: str
    measure: Callable[[Path], float]
    unit: str = "ms"
    of_old: float | None = None
    at_most: float | None = None
    beside: str = ""
    times: int = 7


def main() -> int:
    """Measure, print, and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", type=Path, help="a checkout of 0.1")
    parser.add_argument("--only", default="", help="a word of the figures' names")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure]()))
        return 0
    old = options.old and options.old.resolve()
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| | ratio | ours | 0.1 | limit |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        prepare_environment(folder)
        missed = [figure.name for figure in chosen(options.only) if not shown(figure, old)]
    print(f"over the limit: {', '.join(missed)}" if missed else "all limits are kept")
    return int(bool(missed))


def prepare_environment(folder: str) -> None:
    """No folder of the user's is written to, and packages are compiled as installed ones are."""
    for name in ("RUNTIME", "STATE"):
        os.environ[f"LIVEPATCH_{name}_DIR"] = f"{folder}/{name.lower()}"
    os.environ |= {"JUPYTER_DATA_DIR": f"{folder}/data", "IPYTHONDIR": f"{folder}/ipython"}
    os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    Path(folder, "tiny.py").write_text(ENDS_AT_ONCE)
    os.environ["LIVEPATCH_COSTS_SCRIPT"] = f"{folder}/tiny.py"


def chosen(word: str) -> list[Figure]:
    """The figures with that word, and those that they are compared with."""
    found = [figure for figure in FIGURES if word in figure.name]
    wanted = {figure.name for figure in found} | {figure.beside for figure in found}
    return [figure for figure in FIGURES if figure.name in wanted]


_shortest: dict[str, float] = {}


def shown(figure: Figure, old: Path | None) -> bool:
    """Measure and print a figure; whether it keeps its limits."""
    sides = [OURS, *([old] if old else [])]
    times: dict[Path, list[float]] = {side: [] for side in sides}
    for number in range(figure.times + 1):
        for side in sides:
            found = figure.measure(side)
            if number or figure.times == 1:  # the first one compiles
                times[side].append(found)
    ours = _shortest[figure.name] = min(times[OURS])
    theirs = min(times[old]) if old else None
    kept, limits = True, []
    if figure.beside:
        ratio = ours / _shortest[figure.beside]
        also = f" ({theirs / _shortest[figure.beside]:.2f})" if theirs is not None else ""
        told = f"{ratio:.2f}{also} of {figure.beside}"
    else:
        ratio = ours / theirs if theirs else 0.0
        told = f"{ratio:.2f}" if theirs else "-"
    if figure.of_old is not None and ratio:
        kept &= ratio <= figure.of_old * NOISE
        limits.append(f"{figure.of_old:.2f} of {figure.beside or '0.1'}")
    if figure.at_most is not None:
        kept &= ours <= figure.at_most
        limits.append(f"{figure.at_most:,g} {figure.unit}")
    judged = f"{', '.join(limits)}: {'ok' if kept else 'OVER'}" if limits else ""
    cells = [f"{side:,.4g} {figure.unit}" if side is not None else "-" for side in (ours, theirs)]
    print(f"| {figure.name} | {told} | {' | '.join(cells)} | {judged} |", flush=True)
    return kept


# ------- from outside: whole processes


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the livepatch of a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    found = subprocess.run(  # in that folder: where one stands comes before PYTHONPATH
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    if found.returncode:
        sys.exit(f"{arguments} with {folder}:\n{found.stderr}")
    return found


def command(*arguments: str) -> Callable[[Path], float]:
    """Milliseconds of CPU of a whole process, which is told to do that."""

    def measure(folder: Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(folder, *(os.path.expandvars(argument) for argument in arguments))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return taken * 1000

    return measure


def importing(name: str) -> Callable[[Path], float]:
    """Milliseconds of CPU of importing a package."""
    return lambda folder: float(python(folder, "-c", IMPORT.format(name)).stdout) * 1000


def inside(name: str) -> Callable[[Path], float]:
    """What one of the functions below answers in a process of its own."""

    def measure(folder: Path) -> float:
        return float(
            json.loads(python(folder, str(HERE), "--measure", name).stdout.split("\n")[-2])
        )

    return measure


# ------- inside such a process


def first_replace() -> float:
    """Milliseconds of CPU from ``%load_ext livepatch`` to the end of the first ``%%replace``."""
    from IPython.core.interactiveshell import InteractiveShell

    app = sys.modules["app"] = types.ModuleType("app")
    exec("def f():\n    return 'old'", vars(app))
    shell = InteractiveShell.instance()
    shell.run_cell("1 + 1")
    began = time.process_time()
    shell.run_cell("%load_ext livepatch")
    shell.run_cell("%%replace app.f\ndef f():\n    return 'new'")
    took = time.process_time() - began
    assert app.f() == "new"
    return took * 1000


def exported(flavor: str) -> tuple[float, int]:
    """Milliseconds of our own CPU that an export of one replaced function takes, and its lines."""
    import livepatch as lp

    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        Path(folder, "app.py").write_text("def f():\n    return 'old'\n")
        sys.path.insert(0, folder)
        importlib.import_module("app")
        os.environ["PYTHONPATH"] += os.pathsep + folder
        lp.replace("app.f", "def f():\n    return 'new'")
        Path(folder, "to").mkdir()
        began = time.process_time()
        lp.export(Path(folder, "to"), name="one", flavor=flavor)
        took = time.process_time() - began
        lines = sum(lines_of_code(file.read_text()) for file in Path(folder, "to").rglob("*.py"))
    return took * 1000, lines


def lines_of_code(text: str) -> int:
    """How many lines are neither blank nor comment nor docstring."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    left_out = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokens:
        if token.type not in left_out and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            lines -= {*range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)}
    return len(lines)


def looking() -> float:
    """Milliseconds of ``lp.foreign()`` with 1,900 modules loaded."""
    import beside

    import livepatch as lp

    beside.MODULES = 1_900
    return min(beside.looking(lp), *(beside.seconds(lp.foreign) for _ in range(9))) * 1000


def timed_request() -> float:
    """Microseconds that timing adds to a request at one layer."""
    import livepatch.web  # before the import below puts its own checkout first

    assert livepatch.web
    from timing import cost

    found = [cost(1) for _ in range(3)]
    return min(during for _, during, _ in found) - min(before for before, _, _ in found)


def guarded_call() -> float:
    """Microseconds that a guard adds to a call."""
    import beside

    import livepatch as lp

    app = sys.modules["app"] = types.ModuleType("app")
    exec("def plain(a, b):\n    return 'old'\ndef guarded(a, b):\n    return 'old'", vars(app))
    scope: dict = {"__name__": "elsewhere", "M": 1}
    exec("def new(a, b):\n    return M", scope)
    lp.replace("app.plain", scope["new"])
    lp.replace("app.guarded", scope["new"], guard=True)
    loops = [beside.loop_of(getattr(app, name)) for name in ("plain", "guarded")]
    best = [1.0, 1.0]
    for _ in range(beside.ROUNDS):
        best = [min(one, beside.seconds(loop)) for one, loop in zip(best, loops, strict=True)]
    return (best[1] - best[0]) / (beside.CALLS * beside.TURNS) * 1e6


MEASURES: dict[str, Callable[[], float]] = {
    "first replace": first_replace,
    **{f"lines {flavor}": lambda flavor=flavor: exported(flavor)[1] for flavor in FLAVORS},
    **{f"export {flavor}": lambda flavor=flavor: exported(flavor)[0] for flavor in FLAVORS},
    "foreign": looking,
    "timing": timed_request,
    "guard": guarded_call,
}
LIVEPATCH = ("-m", "livepatch")
SCRIPT = "$LIVEPATCH_COSTS_SCRIPT"
FIGURES = (
    Figure("import IPython", importing("IPython")),
    Figure("import livepatch", importing("livepatch"), of_old=1.0, beside="import IPython"),
    Figure("%load_ext livepatch, first %%replace", inside("first replace"), of_old=1.0),
    Figure("python SCRIPT", command(SCRIPT)),
    Figure("livepatch run SCRIPT", command(*LIVEPATCH, "run", SCRIPT), of_old=1.0),
    Figure("livepatch --version", command(*LIVEPATCH, "--version"), of_old=1 / 3),
    Figure("livepatch list", command(*LIVEPATCH, "list"), of_old=1 / 2),
    *(
        Figure(
            f"export for {flavor}: lines of code",
            inside(f"lines {flavor}"),
            "lines",
            at_most=LINES_OF_EXPORT,
            times=1,
        )
        for flavor in FLAVORS
    ),
    *(
        Figure(f"export for {flavor}: own CPU", inside(f"export {flavor}"), at_most=500, times=3)
        for flavor in FLAVORS
    ),
    Figure("lp.foreign(), 1,900 modules", inside("foreign"), of_old=1 / 4, times=3),
    Figure("timing on: adds to a request", inside("timing"), "µs", at_most=15, times=3),
    Figure("guard: adds to a call", inside("guard"), "µs", at_most=0.5, times=3),
)


if __name__ == "__main__":
    sys.exit(main())
