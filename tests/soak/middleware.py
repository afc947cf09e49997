"""10,000 cycles of two middlewares under load, and no request is harmed.

Run it with ``python tests/soak/middleware.py [CYCLES]``, in an environment with the old Starlette
(0.26, FastAPI 0.94) as well as with the newest. ``tests/benchmarks/hammer.py`` is the comparison.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from hammer import hammer  # found by the path above

NEVER = ("5xx", "half", "RuntimeErrors", "broken streams", "broken websockets")


def check(cycles: int) -> dict[str, int]:
    """The row of the table, all of it as it has to be."""
    row = hammer("livepatch", cycles)
    assert {name: row[name] for name in NEVER} == dict.fromkeys(NEVER, 0), row
    assert row["instances"] == 1, row
    assert row["requests"] > 0, row
    assert row["streams"] > 0, row
    return row


if __name__ == "__main__":
    print(check(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
