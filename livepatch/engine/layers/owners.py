"""Finds the owner of a layer."""

from __future__ import annotations

from typing import Any

from ..changing.registry import registry

NOTEBOOK = "notebook"
OWNER = "__livepatch_owner__"  # a module that has this name says whose its layers are


def owner_of(namespace: dict[str, Any]) -> str:
    """Whose layer it is that code with these globals makes: the notebook's, or its module's."""
    owner = namespace.get(OWNER)
    if isinstance(owner, str):
        return owner
    module = str(namespace.get("__name__", "unknown"))
    return NOTEBOOK if module in registry.notebook_modules else module
