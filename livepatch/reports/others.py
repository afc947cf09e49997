"""Changes that others made, as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.looking.foreign import foreign_patches

from .report import Report

if TYPE_CHECKING:
    from livepatch.looking.foreign import ForeignPatch

    from .table import Columns


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
        title += f" of {target}"
        found = [patch for patch in found if f"{patch.target}.".startswith(f"{target}.")]
    columns: Columns[ForeignPatch] = {
        "target": lambda patch: patch.target,
        "what": lambda patch: patch.what,
        "whose": lambda patch: patch.whose,
        "by": lambda patch: patch.by,
        "original": lambda patch: patch.original or "not found",
    }
    return Report(title, found, columns, "none that can be proved")
