"""Round trips of the flavors of which the suite itself has none."""

from __future__ import annotations

import export_support
import pytest
from samples import exported as sample

FOLDERS = ("demo", "textgen", "forge", "forge-classic", "sdnext", "starlette", "gradio", "aiohttp")
FILES = ("a1111", "demo", "comfyui", "forge", "forge-classic", "sdnext")


@pytest.mark.parametrize(
    ("flavor", "single"), [*((f, False) for f in FOLDERS), *((f, True) for f in FILES)]
)
def test_a_fresh_process_does_the_same(flavor, single, tmp_path):
    before = sample.outputs()
    export_support.change_everything()
    live = (before, sample.outputs())
    export_support.check_round_trip(flavor, single, live, tmp_path)
