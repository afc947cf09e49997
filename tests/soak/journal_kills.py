"""Writers of one journal, killed as they write: ``python tests/soak/journal_kills.py [N]``."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from journal_kills import kill_writers

from livepatch.history.places import Place


def main() -> int:
    """Print what was lost; 0 if it was nothing but the steps under way."""
    kills, began = int(sys.argv[1]) if len(sys.argv) > 1 else 100, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lp-kills-") as state:
        os.environ["LIVEPATCH_STATE_DIR"] = state
        found = kill_writers(Place.of("a-webui"), kills)
    print(
        f"one of three writers of a name killed {found.kills} times in "
        f"{time.monotonic() - began:.0f} s: "
        f"{found.told} steps were on disk by their word, {found.lost} of them lost, "
        f"{found.gaps} gaps; {found.cut} lines cut off; replays that did not bring back the last "
        f"step: {found.wrong}; living siblings taken for the session before: {found.siblings}; "
        f"siblings harmed: {found.harmed}"
    )
    return int(not found.is_none())


if __name__ == "__main__":
    sys.exit(main())
