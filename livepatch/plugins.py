"""What packages plug into livepatch, by entry points; our own come in by the same door."""

from __future__ import annotations

import functools
import importlib.metadata
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = "livepatch.hosts"
"""Adapters: subclasses of :class:`livepatch.adapters.Host`."""
APPS = "livepatch.apps"
"""Kinds of app whose middleware and routes can be seen: :class:`livepatch.web.kinds.AppKind`."""
MAGICS = "livepatch.magics"
"""Classes of magics, as IPython has them."""
GROUPS = (HOSTS, APPS, MAGICS)

_SECTION = re.compile(r'^\[project\.entry-points\."([\w.]+)"\]\n((?:\w.*\n)+)', re.MULTILINE)
_ROW = re.compile(r'^([\w-]+) = "([^"]+)"', re.MULTILINE)


@functools.cache
def plugged_in(group: str) -> tuple[Any, ...]:
    """What the entry points of a group name, each loaded once for each process.

    One that cannot be loaded is told by a warning and left out: a broken package must not keep
    livepatch from working.

    Args:
        group: one of the groups above.

    Example:
        >>> [kind.name for kind in plugged_in(APPS)]
        ['an aiohttp app', 'a handler of Django']
    """
    return tuple(_loaded(group))


def complain(group: str, message: str) -> None:
    """Tell the user what a plug-in does wrong.

    Args:
        group: of its entry point.
        message: what is wrong.
    """
    warnings.warn(f"{group}: {message}", RuntimeWarning, stacklevel=3)


def _loaded(group: str) -> Iterator[Any]:
    for entry_point in sorted(set(_entry_points()), key=lambda one: one.name):
        if entry_point.group == group:
            try:
                yield entry_point.load()
            except Exception as error:
                complain(group, f"{entry_point.value} could not be loaded: {error!r}")


@functools.cache
def _entry_points() -> tuple[importlib.metadata.EntryPoint, ...]:
    # Once for each process: reading the metadata of every installed package takes its time.
    of_others = [
        entry_point
        for distribution in importlib.metadata.distributions()
        for entry_point in distribution.entry_points
        if entry_point.group in GROUPS and not _is_ours(entry_point)
    ]
    return (*_of_our_own(), *of_others)


def _is_ours(entry_point: importlib.metadata.EntryPoint) -> bool:
    return entry_point.value.startswith("livepatch.")


def _of_our_own() -> list[importlib.metadata.EntryPoint]:
    """Our own entry points, those that belong to this very code.

    The metadata of a checkout may be older than its files: there the file counts that they would be
    made of. In a process that is lent our packages the metadata are found by name alone.
    """
    told = list(_of_checkout())
    if not told:
        try:
            told = list(importlib.metadata.distribution("livepatch").entry_points)
        except importlib.metadata.PackageNotFoundError:
            return []
    return [one for one in told if one.group in GROUPS and _is_ours(one)]


def _of_checkout() -> Iterator[importlib.metadata.EntryPoint]:
    try:
        text = Path(__file__).resolve().parents[1].joinpath("pyproject.toml").read_text("utf-8")
    except OSError:
        return
    for group, rows in _SECTION.findall(text):
        for name, value in _ROW.findall(rows):
            yield importlib.metadata.EntryPoint(name, value, group)
