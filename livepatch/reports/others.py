"""Changes that others made, as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.naming.following import full_name
from livepatch.looking.foreign import foreign_patches

from .places import place_column
from .report import Report
from .table import Column

if TYPE_CHECKING:
    from livepatch.looking.foreign import ForeignPatch


def foreign(target: str | None = None) -> Report[ForeignPatch]:
    """Who else patched what in this process: extensions, packages, the webui, a notebook by hand.

    Found are functions, methods and classes put in place of those that a module defines, wrappers
    around them, exchanged ``__code__``, and what ``modules.patches`` of A1111 and Forge registers.
    Only what can be proved is listed: what a module's own text can explain is left out.

    Args:
        target: a dotted name, to see only what was done to it or below it.

    Returns:
        A sequence of changes, each with ``target``, ``what``, ``by``, ``whose`` and ``original``.

    Example:
        >>> import livepatch as lp
        >>> report = lp.foreign("textwrap.dedent")
        >>> print(report)
        Foreign changes of textwrap.dedent: none that can be proved
    """
    found = foreign_patches()
    title = "Foreign changes"
    if target is not None:
        target = full_name(target)
        title += f" of {target}"
        found = [patch for patch in found if f"{patch.target}.".startswith(f"{target}.")]
    columns: list[Column[ForeignPatch]] = [
        Column("target", lambda patch: patch.target),
        Column("what", lambda patch: patch.what),
        Column("whose", lambda patch: patch.whose),
        place_column("by", lambda patch: patch.by),
        place_column("original", lambda patch: patch.original or "not found"),
    ]
    return Report(title, found, columns, "none that can be proved")
