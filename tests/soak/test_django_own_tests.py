"""Django's own tests give the same result in a process in which apps came and went before.

``LIVEPATCH_DJANGO_TESTS`` names the folder ``tests`` of the source distribution of the Django that
is installed; it is not part of the wheel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = os.environ.get("LIVEPATCH_DJANGO_TESTS")
LABELS = os.environ.get("LIVEPATCH_DJANGO_LABELS", "").split()


@pytest.mark.timeout(7200)
@pytest.mark.skipif(TESTS is None, reason="LIVEPATCH_DJANGO_TESTS names no folder")
def test_djangos_own_tests_give_the_same_result_after_three_cycles() -> None:
    script = str(Path(__file__).with_name("django_own_tests.py"))
    results = []
    for cycles in ("0", "3"):
        done = subprocess.run(
            [sys.executable, script, str(TESTS), cycles, *LABELS], capture_output=True, text=True
        )
        results.append(json.loads(done.stdout.splitlines()[-1]))
    before, after = results
    print(before)
    assert before == after
    assert before["ran"] > 50
