"""What a thing is to those who call it: kind, signature, defaults; and what has changed."""

from __future__ import annotations

import ast
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Part = tuple[str, bool]
"""A part of a dotted name, and whether it is a key in brackets; of a key, its ``repr``."""
Facts = dict[str, Any]
ABSENT: Any = object()
_KINDS = (
    (inspect.CO_ASYNC_GENERATOR, "async generator"),
    (inspect.CO_COROUTINE, "coroutine"),
    (inspect.CO_GENERATOR, "generator"),
)
_SIMPLE = (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set, frozenset)
_ADDRESS = " at 0x"


def thing_at(module: Any, parts: Iterable[Part]) -> Any:
    """What parts of a name lead to, not computed; ``ABSENT`` where they lead nowhere."""
    found = module
    for name, is_key in parts:
        try:
            if is_key:
                found = found[ast.literal_eval(name)]
            elif isinstance(found, property):
                found = getattr(found, name)
            else:
                found = inspect.getattr_static(found, name)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, SyntaxError):
            return ABSENT
    return found


def function_of(value: Any) -> types.FunctionType | None:
    """The function below descriptors, caches and decorators that say what they are around."""
    for _ in range(20):
        if isinstance(value, types.FunctionType):
            below = value.__dict__.get("__wrapped__")
        elif isinstance(value, property):
            below = value.fget
        elif isinstance(value, (staticmethod, classmethod, types.MethodType)):
            below = value.__func__
        elif isinstance(value, (functools.cached_property, functools.singledispatchmethod)):
            below = value.func
        else:
            below = getattr(value, "__wrapped__", None) if callable(value) else None
        if below is None or below is value:
            break
        value = below
    return value if isinstance(value, types.FunctionType) else None


def facts_of(value: Any) -> Facts:
    """What callers see of a thing, as plain data that two processes can compare.

    Example:
        >>> facts_of(lambda a, b=1: a)
        {'is': 'plain function', 'signature': '(a, b=1)'}
        >>> facts_of(2)
        {'is': 'value', 'text': '2'}
    """
    if value is ABSENT:
        return {"is": "nothing"}
    if isinstance(value, type):
        members = {name: facts_of(one) for name, one in vars(value).items() if function_of(one)}
        return {"is": "class", "members": dict(sorted(members.items()))}
    function = function_of(value)
    if function is not None:
        return {"is": kind_of(function), "signature": signature_of(function)}
    if isinstance(value, _SIMPLE):
        return {"is": "value", "text": repr(value)}
    return {"is": "callable" if callable(value) else f"{type(value).__name__} object"}


def kind_of(function: types.FunctionType) -> str:
    """Plain function, generator, coroutine or async generator."""
    flags = function.__code__.co_flags
    return next((kind for flag, kind in _KINDS if flags & flag), "plain function")


def signature_of(function: types.FunctionType) -> str:
    """The parameters with their defaults; annotations are no part of how a function is called."""
    signature = inspect.signature(function, follow_wrapped=False)
    told: list[str] = []
    former: Any = None
    for parameter in signature.parameters.values():
        kind = parameter.kind
        if former is parameter.POSITIONAL_ONLY and kind is not former:
            told.append("/")
        is_marked = former in (parameter.VAR_POSITIONAL, parameter.KEYWORD_ONLY)
        if kind is parameter.KEYWORD_ONLY and not is_marked:
            told.append("*")
        star = "*" * (kind is parameter.VAR_POSITIONAL) + "**" * (kind is parameter.VAR_KEYWORD)
        given = "" if parameter.default is parameter.empty else f"={text_of(parameter.default)}"
        told.append(f"{star}{parameter.name}{given}")
        former = kind
    if former is inspect.Parameter.POSITIONAL_ONLY:
        told.append("/")
    return f"({', '.join(told)})"


def text_of(value: Any) -> str:
    """The ``repr`` of simple data, and of anything else its type."""
    text = repr(value) if isinstance(value, _SIMPLE) else _ADDRESS
    return text if _ADDRESS not in text else f"<{type(value).__name__}>"


class Picture:
    """How modules look at a moment: the code of their functions, and what their names lead to.

    Args:
        modules: the modules by the names that paths begin with.
        functions: every function of the process.
    """

    def __init__(self, modules: Mapping[str, Any], functions: Sequence[types.FunctionType]) -> None:
        files = {getattr(m, "__file__", None): name for name, m in modules.items()}
        self.functions: dict[int, tuple[Any, ...]] = {}
        for function in functions:
            module = files.get(function.__code__.co_filename) or _named(function, modules)
            if module is not None:
                state = (function.__code__, function.__defaults__, function.__kwdefaults__)
                path = f"{module}.{function.__qualname__}"
                self.functions[id(function)] = (path, function, *state)
        self.names: dict[str, dict[Any, Any]] = {}
        self._own = {getattr(module, "__name__", "") for module in modules.values()}
        for name, module in modules.items():
            self._look(name, vars(module), 0)

    def _look(self, path: str, names: Mapping[Any, Any], depth: int) -> None:
        own = {n: v for n, v in names.items() if not _is_special(n) or function_of(v)}
        self.names[path] = own
        for name, value in own.items():
            if isinstance(value, type) and value.__module__ in self._own and depth < 4:
                self._look(f"{path}.{name}", vars(value), depth + 1)
            elif type(value) is dict and depth < 2:
                self.names[f"{path}.{name}"] = dict(value)

    def changed_since(self, before: Picture) -> set[str]:
        """The dotted names of what is not as it was."""
        changed = set()
        for path, function, *state in before.functions.values():
            now = [function.__code__, function.__defaults__, function.__kwdefaults__]
            if any(a is not b for a, b in zip(now, state, strict=True)):
                changed.add(path)
        for path, names in before.names.items():
            now_there = self.names.get(path, {})
            for name in {*names, *now_there}:
                if names.get(name, ABSENT) is not now_there.get(name, ABSENT):
                    is_text = isinstance(name, str) and name.isidentifier()
                    changed.add(f"{path}.{name}" if is_text else f"{path}[{name!r}]")
        return changed


def _named(function: types.FunctionType, modules: Mapping[str, Any]) -> str | None:
    """The module of a function that was made without a file."""
    return function.__module__ if function.__module__ in modules else None


def _is_special(name: object) -> bool:
    return isinstance(name, str) and name.startswith("__") and name.endswith("__")
