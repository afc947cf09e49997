"""Folders as strangers could make them: the run of ``soak/hostile_folders.py``, reduced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("hostile_folders.py")


@pytest.mark.skipif(os.name != "posix", reason="pipes, sockets, modes and limits are POSIX's")
@pytest.mark.timeout(900)  # forty folders, each with files that take as long as they may
def test_forty_folders_of_strangers_end_nothing_hold_nothing_up_and_lose_nothing():
    done = subprocess.run(
        [sys.executable, str(RUN), "40", "2"], capture_output=True, text=True, timeout=880
    )
    figures = json.loads(done.stdout)
    assert figures["faults"] == [], done.stderr
    assert (done.returncode, figures["folders"]) == (0, 40)
    assert figures["findings"]["LP003"] > 20
    assert figures["exports refused"] > 20
    ours, others = figures["MB at most, our process and those it starts"]
    assert ours < 500
    assert others < 1_600
