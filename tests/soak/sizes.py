"""How long the long runs are."""

from __future__ import annotations

import os


def size(name: str, full: int, reduced: int) -> int:
    """The length of a run: what ``LIVEPATCH_SOAK_NAME`` says, or one of the two that it has.

    Args:
        name: what is counted, as in ``LIVEPATCH_SOAK_CYCLES=100``.
        full: its length by itself.
        reduced: its length under ``LIVEPATCH_SOAK=reduced``, as CI runs it.
    """
    usual = reduced if os.environ.get("LIVEPATCH_SOAK") == "reduced" else full
    return int(os.environ.get(f"LIVEPATCH_SOAK_{name}", usual))
