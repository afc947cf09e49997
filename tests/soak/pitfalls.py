"""Undo the fix of each pitfall in turn, and see its tests fail: ``python tests/soak/pitfalls.py``.

Words behind it choose those whose file or tests contain one of them. The package is copied; the
checkout stays as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pitfalls import UNDOINGS, Undoing

TESTS = Path(__file__).parent.parent
PATIENCE = 300  # seconds; a fix that is missing may show as a wait without end


def main(words: list[str]) -> int:
    """Print what was undone and which test noticed; 0 if every one did."""
    chosen = [
        undoing
        for undoing in UNDOINGS
        if not words or any(word in f"{undoing.file} {undoing.tests}" for word in words)
    ]
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        copy = Path(folder) / "copy"
        for name in ("livepatch", "tests"):
            shutil.copytree(TESTS.parent / name, copy / name)
        shutil.copy(TESTS.parent / "pyproject.toml", copy)
        for undoing in chosen:
            for test in undoing.tests:
                noticed = _fails_without(undoing, test, copy)
                unnoticed += not noticed
                said = "fails, as it must" if noticed else "PASSES without the fix"
                fix = " ".join(undoing.fix.split())[:60]
                print(f"{undoing.file}: {fix!r}: {test} {said}", flush=True)
    print(f"{len(chosen)} fixes undone, {unnoticed} not noticed")
    return int(unnoticed > 0)


def _fails_without(undoing: Undoing, test: str, copy: Path) -> bool:
    file = copy / "livepatch" / undoing.file
    whole = file.read_text()
    assert whole.count(undoing.fix) == 1, f"{undoing.file}: {undoing.fix!r}"
    file.write_text(whole.replace(undoing.fix, undoing.without))
    name, _, rest = test.partition("::")
    (path,) = copy.glob(f"tests/**/{name}.py")
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"{path}::{rest}"]
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        file.write_text(whole)
    if done.returncode not in (0, 1) or "SKIPPED" in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
