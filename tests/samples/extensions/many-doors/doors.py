"""One function, to be held in many places."""

from __future__ import annotations

from typing import Any


def answer(p: Any = None) -> str:
    """Says "old", also to a generation that is given."""
    if p is not None:
        p.extra_generation_params["Answer"] = "old"
    return "old"
