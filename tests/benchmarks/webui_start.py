"""What livepatch costs the start of a webui: CPU time with it and without, in turn.

Run it with ``python tests/benchmarks/webui_start.py WORDS PYTHON SCRIPT …``: what the webui prints
when it has started ("Startup time"), and its command. Five pairs of starts, the first of each pair
in turn; the CPU time is the process's own with that of the programs it ran, so that a loaded
machine changes it little. One pair comes before and is not counted. The webui's environment needs
what livepatch needs; livepatch itself comes from here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parent.parent.parent
PAIRS = 5
SETTLES = 2.0  # seconds after the words, as a kernel may be at work yet
LONGEST = 300.0
GOAL = 1.05


def measure(words: str, command: list[str], folder: str, *, patched: bool) -> float:
    """Start the webui, end it when it has started, and answer its CPU seconds."""
    python, script, *arguments = command
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "LIVEPATCH_RUNTIME_DIR": f"{folder}/runtime",
        "IPYTHONDIR": f"{folder}/ipython",
        "JUPYTER_DATA_DIR": f"{folder}/jupyter",
    }
    # An installed package is compiled.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.pop("LIVEPATCH_WEBUI", None)
    run = ["-m", "livepatch", "run"] if patched else []
    with subprocess.Popen(
        [python, *run, script, *arguments],
        cwd=Path(script).parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as webui:
        too_long = threading.Timer(LONGEST, os.killpg, (webui.pid, signal.SIGKILL))
        too_long.start()
        try:
            lines = []
            for line in webui.stdout or ():
                lines.append(line)
                if words in line:
                    break
            else:
                raise SystemExit(f"it never said {words!r}:\n{''.join(lines[-20:])}")
            drain = threading.Thread(target=webui.stdout.read, daemon=True)
            drain.start()
            threading.Event().wait(SETTLES)
            used = psutil.Process(webui.pid).cpu_times()
            return used.user + used.system + used.children_user + used.children_system
        finally:
            too_long.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(webui.pid, signal.SIGKILL)


def main() -> int:
    """Print each pair and the ratio; the exit code says whether the goal is met."""
    words, *command = sys.argv[1:]
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    pairs: list[dict[bool, float]] = []
    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        for number in range(PAIRS + 1):
            order = (False, True) if number % 2 else (True, False)
            found = {patched: measure(words, command, folder, patched=patched) for patched in order}
            if number:  # the first pair compiled the modules
                pairs.append(found)
                print(
                    f"without {found[False]:.2f} s, with {found[True]:.2f} s: "
                    f"{found[True] / found[False]:.3f}",
                    flush=True,
                )
    without, patched = (statistics.median(p[which] for p in pairs) for which in (False, True))
    ratio = statistics.median(p[True] / p[False] for p in pairs)
    print(f"median: without {without:.2f} s, with {patched:.2f} s CPU")
    print(f"ratio, median of {PAIRS} pairs: {ratio:.3f} (goal: at most {GOAL})")
    return int(ratio > GOAL)


if __name__ == "__main__":
    sys.exit(main())
