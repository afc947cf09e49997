"""Which names belong to a package."""

from __future__ import annotations


def belongs(module: str | None, package: str) -> bool:
    """Whether a module is a package, or lies inside it.

    Example:
        >>> belongs("shop.notes.models", "shop.notes"), belongs("shop.notes2", "shop.notes")
        (True, False)
    """
    return module is not None and (module == package or module.startswith(f"{package}."))
