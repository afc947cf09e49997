"""Where am I: the webui we live in, as a report."""

from __future__ import annotations

import os
import platform

from livepatch.engine import layers
from livepatch.reports import Report

from .detect import host


def overview() -> Report[tuple[str, str]]:
    """The webui of this process: flavor, version, address, event loop, layers, verbs.

    Returns:
        Pairs of what is told and what it is.

    Example:
        >>> dict(overview())["layers"]
        'none'
    """
    found = host()
    active = [f"{layer.target} ({layer.state})" for layer in layers()]
    facts = {
        "flavor": found.flavor,
        "version": found.version or "not told",
        "process": f"pid {os.getpid()}, Python {platform.python_version()}",
        "address": found.address or "no server listens yet",
        "loop": found.loop,
        "extension folder": str(found.extension_folder or "none"),
        "layers": ", ".join(active) or "none",
        "verbs": ", ".join(sorted(found.supports)),
    }
    columns = {"": lambda fact: fact[0], "this webui": lambda fact: fact[1]}
    return Report("The webui we live in", tuple(facts.items()), columns)
