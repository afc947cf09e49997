"""Decorators above a ``def`` in a cell: those that the target has already stay around it."""

from __future__ import annotations

import ast
import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..reading.sources import definition_of, place, why_no_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FunctionType

UNKNOWN: Any = object()


def keep_decorators(
    asked: str,
    given: Sequence[ast.expr],
    original: FunctionType,
    imports: Sequence[ast.stmt],
    namespace: Mapping[str, Any],
) -> tuple[str, ...]:
    """Check that the decorators of a text are those around its target.

    Args:
        asked: the user's request in words.
        given: the decorators of the text.
        original: a function with the target's own code.
        imports: the text's imports, which have not run.
        namespace: the notebook's names.

    Returns:
        What the answer has to say of it.

    Raises:
        PatchRefused: they are not the target's.
    """
    if not given:
        return ()
    definition = definition_of(original)
    own = getattr(definition, "decorator_list", [])
    if are_kept(given, own, original.__globals__, imports, namespace):
        return (f"keeps the webui's own {listed(own)}",)
    if definition is None:
        has = f"the original's decorators cannot be read: {why_no_source(original.__code__)}"
    elif own:
        has = f"the original's decorators are {listed(own)} ({place(original)})"
    else:
        has = f"the original has no decorators ({place(original)})"
    raise PatchRefused(
        asked,
        f"{has}, those of the new code are {listed(given)}",
        "leave the decorators out: those of the original stay around the new code",
    )


def are_kept(
    given: Sequence[ast.expr],
    own: Sequence[ast.expr],
    module: Mapping[str, Any],
    imports: Sequence[ast.stmt],
    namespace: Mapping[str, Any],
) -> bool:
    """Whether the decorators of a text are those that stand in the webui's module.

    Args:
        given: the decorators of the text.
        own: those in the module.
        module: the module's names.
        imports: the text's imports, which have not run.
        namespace: the notebook's names.
    """

    def in_text(name: str) -> object:
        for names in (module, imported(imports), namespace):
            if name in names:
                return names[name]
        return _builtin(name)

    def in_module(name: str) -> object:
        return module[name] if name in module else _builtin(name)

    return len(given) == len(own) and all(
        _are_the_same(ours, theirs, in_text, in_module)
        for ours, theirs in zip(given, own, strict=True)
    )


def listed(decorators: Sequence[ast.expr]) -> str:
    """Decorators in words."""
    return ", ".join(f"@{ast.unparse(decorator)}" for decorator in decorators)


def imported(imports: Sequence[ast.stmt]) -> dict[str, object]:
    """What imports will bind, as far as the modules are loaded; nothing is imported to see it."""
    found: dict[str, object] = {}
    for statement in imports:
        for alias in statement.names:  # type: ignore[attr-defined]
            if isinstance(statement, ast.ImportFrom):
                holder = sys.modules.get(statement.module or "")
                value = getattr(holder, "__dict__", {}).get(alias.name, UNKNOWN)
            else:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                value = sys.modules.get(name, UNKNOWN)
            found[alias.asname or alias.name.partition(".")[0]] = value
    return found


def _builtin(name: str) -> object:
    return getattr(sys.modules["builtins"], name, UNKNOWN)


def _are_the_same(
    ours: ast.expr,
    theirs: ast.expr,
    in_text: Callable[[str], object],
    in_module: Callable[[str], object],
) -> bool:
    """Whether two expressions are written alike, or name the same things in the same way."""
    if isinstance(ours, ast.Call) and isinstance(theirs, ast.Call):
        keywords = {keyword.arg: keyword.value for keyword in ours.keywords}
        other_keywords = {keyword.arg: keyword.value for keyword in theirs.keywords}
        if len(ours.args) != len(theirs.args) or keywords.keys() != other_keywords.keys():
            return False
        pairs = [(ours.func, theirs.func), *zip(ours.args, theirs.args, strict=True)]
        pairs += [(keywords[name], other_keywords[name]) for name in keywords]
        return all(_are_the_same(a, b, in_text, in_module) for a, b in pairs)
    value, other = _named(ours, in_text), _named(theirs, in_module)
    if value is not UNKNOWN and other is not UNKNOWN:
        return value is other
    return ast.dump(ours) == ast.dump(theirs)


def _named(expression: ast.expr, lookup: Callable[[str], object]) -> object:
    """What a dotted name means. Only modules and classes are looked into, computing nothing."""
    if isinstance(expression, ast.Name):
        return lookup(expression.id)
    if isinstance(expression, ast.Attribute):
        holder = _named(expression.value, lookup)
        if isinstance(holder, (ModuleType, type)):
            return inspect.getattr_static(holder, expression.attr, UNKNOWN)
    return UNKNOWN
