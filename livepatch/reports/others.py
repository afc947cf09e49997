"""Changes that others made, as a report."""

from __future__ import annotations

from typing import Any

from livepatch.engine import live_layers
from livepatch.engine.changing.registry import registry
from livepatch.engine.naming.following import full_name
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import place_of
from livepatch.looking.foreign import ForeignPatch, foreign_patches
from livepatch.looking.origins import Rank

from .places import place_column
from .report import Report
from .table import Column


def foreign(target: str | None = None) -> Report[ForeignPatch]:
    """Who else patched what in this process: extensions, packages, the webui, a notebook by hand.

    First come the layers of extensions that livepatch has exported: the webui loads them, and
    ``restore_all`` leaves them alone. Then come functions, methods and classes put in place of
    those that a module defines, wrappers around them, exchanged ``__code__``, and what
    ``modules.patches`` of A1111 and Forge registers. Only what can be proved is listed: what a
    module's own text can explain is left out.

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
    found = [*_of_exported_extensions(), *foreign_patches()]
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


def _of_exported_extensions() -> list[ForeignPatch]:
    kept = [layer for layer in live_layers() if layer.owner in registry.kept_owners]
    return [
        ForeignPatch(
            layer.target,
            f"{layer.verb}, by an extension that livepatch has exported, {layer.state}",
            _place_of(layer),
            layer.owner,
            _place_of_original(layer),
            Rank.EXTENSION,
        )
        for layer in kept
    ]


def _place_of(layer: Any) -> str:
    placement = getattr(layer, "placement", None)
    function = getattr(getattr(placement, "patch", None), "function", None)
    return "" if function is None else place_of(function)


def _place_of_original(layer: Any) -> str:
    functions = (getattr(stack, "original", None) for stack in getattr(layer, "stacks", ()))
    return next((place(function) for function in functions if function is not None), "")
