"""Where am I: the webui we live in, as a report."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from livepatch.engine import live_layers
from livepatch.reports import Report

from .detect import host
from .memory import memory_in_words

if TYPE_CHECKING:
    from livepatch.adapters.base import Host
    from livepatch.reports.table import Columns


def overview() -> Report[tuple[str, str]]:
    """The webui of this process: flavor, version, address, event loop, layers, verbs.

    Returns:
        Pairs of what is told and what it is.

    Example:
        >>> dict(overview())["layers"]
        'none'
    """
    found = host()
    active = [f"{layer.target} ({layer.state})" for layer in live_layers()]
    facts = {
        "flavor": found.flavor,
        "version": found.version or "not told",
        "process": f"pid {os.getpid()}, Python {platform.python_version()}",
        "address": found.address or "no server listens yet",
        "loop": found.loop,
        **_work(found),
        "memory": memory_in_words() or "not told",
        "extension folder": str(found.extension_folder or "none"),
        "extensions": _extensions(found),
        "layers": ", ".join(active) or "none",
        "verbs": ", ".join(sorted(found.supports)),
    }
    notices = found.notices()
    if notices:
        facts["note"] = "; ".join(notices)
    columns: Columns[tuple[str, str]] = {
        "": lambda fact: fact[0],
        "value": lambda fact: fact[1],
    }
    return Report("The webui we live in", tuple(facts.items()), columns)


def _work(found: Host) -> dict[str, str]:
    """What the webui works on, and how much waits."""
    running, waiting = found.running(), found.waiting()
    facts = {}
    if running is not None:
        facts["running"] = running or "nothing"
    if waiting is not None:
        facts["queue"] = f"{waiting} waiting" if waiting else "empty"
    return facts


def _extensions(found: Host) -> str:
    known = found.extensions()
    off = sum(not extension.enabled for extension in known)
    return f"{len(known)}" + (f", {off} of them off" if off else "") if known else "none"
