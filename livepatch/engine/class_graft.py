"""A class text compiled as if it stood in the target's module."""

from __future__ import annotations

from typing import Any


def graft_class(
    asked: str, text: str, target_class: type, namespace: dict[str, Any]
) -> tuple[type, tuple[str, ...]]:
    """Being written."""
    raise NotImplementedError
