"""Targets found by name or by text, as a report."""

from __future__ import annotations

from livepatch.looking.where import Hit, search

from .places import place_column
from .report import Report
from .table import Column


def where(pattern: str, *, everywhere: bool = False, limit: int = 40) -> Report[Hit]:
    """Functions, methods and classes of the running webui whose name or source matches.

    Args:
        pattern: a part of a dotted name or of a line, in any case, or a regular expression.
        everywhere: look into the packages and the standard library too.
        limit: how many to show; the title says how many more there are.

    Returns:
        A sequence of hits, names first, each with ``definition`` and ``place``.

    Example:
        >>> import textwrap
        >>> where("textwrap.dedent", everywhere=True)[0].definition.kind
        'function'
    """
    found = search(pattern, everywhere=everywhere)
    more = len(found) - limit
    title = f"Where {pattern!r} is" + (f", the first {limit} and {more} more" if more > 0 else "")
    columns: list[Column[Hit]] = [
        Column("target", lambda hit: hit.definition.path),
        Column("kind", lambda hit: hit.definition.kind),
        place_column("place", lambda hit: hit.place),
        Column("line", lambda hit: _cut(hit.text)),
    ]
    empty = "nowhere in the loaded modules"
    if not everywhere:
        empty = "nowhere in the webui's own modules and extensions; --all looks everywhere"
    return Report(title, found[:limit], columns, empty)


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
