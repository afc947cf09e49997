"""The events of every Gradio in use: one file of tests, in a process of each environment.

``LIVEPATCH_GRADIO="/path/to/python:/path/to/another"`` names the Pythons of environments that have
a Gradio and pytest; the ordinary suite runs the same file with the Gradio that is installed here.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PYTHONS = [one for one in os.environ.get("LIVEPATCH_GRADIO", "").split(os.pathsep) if one]


@pytest.mark.skipif(not PYTHONS, reason="LIVEPATCH_GRADIO names no Python with another Gradio")
@pytest.mark.parametrize("python", PYTHONS or [""])
@pytest.mark.timeout(400)
def test_the_events_of_a_page(python: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HOME": str(tmp_path),
    }
    # This repository's settings make warnings errors: an old Gradio has plenty of its own.
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\n")
    options = ["-q", "-p", "no:cacheprovider", "-c", str(settings), "--noconftest"]
    done = subprocess.run(
        [python, "-m", "pytest", *options, str(TESTS / "web" / "test_web_events.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=380,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
