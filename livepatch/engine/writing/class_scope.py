"""Works out what the expressions of a class body mean in the class's place.

Nothing runs that could do more than compute a value.
"""

from __future__ import annotations

import ast
import builtins
import functools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from .decorators import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

# Calls that only make a value, or a descriptor of a function.
_PURE = (
    abs, bool, bytes, complex, float, frozenset, int, len, max, min, pow, range, round, sorted,
    str, sum, tuple, property, staticmethod, classmethod, functools.cached_property,
    functools.partialmethod,
)  # fmt: skip
_SIMPLE = (
    ast.Attribute, ast.BinOp, ast.BoolOp, ast.Compare, ast.Constant, ast.Dict, ast.FormattedValue,
    ast.IfExp, ast.JoinedStr, ast.Lambda, ast.List, ast.Name, ast.Set, ast.Slice, ast.Starred,
    ast.Subscript, ast.Tuple, ast.UnaryOp, ast.Call,
)  # fmt: skip
_DISPLAYS = (ast.Dict, ast.List, ast.Set)
_HARMLESS = (property, staticmethod, classmethod, functools.cached_property, abstractmethod)


class Scope:
    """The names that a text sees in a class's place, for what can be told without running it."""

    def __init__(self, *namespaces: Mapping[str, Any]) -> None:
        self.namespaces = (*namespaces, vars(builtins))

    def __getitem__(self, name: str) -> Any:
        for namespace in self.namespaces:
            if namespace.get(name, UNKNOWN) is not UNKNOWN:
                return namespace[name]
        raise KeyError(name)

    def value(self, expression: ast.expr | None) -> Any:
        """What a simple expression means; ``UNKNOWN`` where that cannot be told."""
        if expression is None or not is_simple(expression, self, displays=True):
            return UNKNOWN
        try:
            code = compile(ast.Expression(expression), "<livepatch>", "eval")
            return eval(code, {"__builtins__": {}}, self)  # type: ignore[arg-type]
        except Exception:  # a name that is not there yet
            return UNKNOWN

    def names(self, expression: ast.expr) -> str:
        """The dotted name of what an expression names, or nothing."""
        value = self.value(expression)
        name = getattr(value, "__qualname__", None)
        return f"{value.__module__}.{name}" if isinstance(name, str) else ""


def is_simple(expression: ast.expr, scope: Scope, *, displays: bool = False) -> bool:
    """Whether an expression only names or computes values: it can run once more.

    Args:
        expression: the expression.
        scope: the names that it sees.
        displays: whether lists and the like, which are made anew, count.
    """
    for node in ast.walk(expression):
        if not isinstance(node, ast.expr) or isinstance(node, _SIMPLE):
            is_pure = not isinstance(node, ast.Call) or _is_pure(node, scope)
            if is_pure and (displays or not isinstance(node, _DISPLAYS)):
                continue
        return False
    return True


def _is_pure(call: ast.Call, scope: Scope) -> bool:
    if not isinstance(call.func, (ast.Name, ast.Attribute)):
        return False
    return any(scope.value(call.func) is pure for pure in _PURE)


def is_harmless(decorator: ast.expr, live: object, scope: Scope) -> bool:
    """Whether a decorator only makes a descriptor of its function, as ``property`` does."""
    if isinstance(decorator, ast.Attribute) and decorator.attr in ("getter", "setter", "deleter"):
        return live is None or isinstance(live, property)
    return any(scope.value(decorator) is harmless for harmless in _HARMLESS)
