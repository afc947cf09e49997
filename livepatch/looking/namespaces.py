"""The loaded modules and the functions in them, seen without computing or importing anything."""

from __future__ import annotations

import functools
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeGuard

from livepatch.engine.reading.cells import content
from livepatch.engine.reading.descriptors import KINDS
from livepatch.engine.reading.namespaces import is_class, namespace_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_EMPTY = object()
_DEEPEST = 100  # functions that wrap each other
# By the identities of the types: a metaclass may have a __hash__ of its own.
_PARTS = {
    **{id(kind): row.parts for kind, row in KINDS.items()},
    id(functools.partial): ("func",),
}


def functions_in(value: object) -> list[FunctionType]:
    """The functions that a value of a namespace consists of: itself, or a property's three."""
    kind = type(value)
    if kind is FunctionType:
        return [value]  # type: ignore[list-item]
    found = []
    for part in _PARTS.get(id(kind), ()):
        held = getattr(value, part)  # of no subclass: nothing is computed
        if type(held) is FunctionType:
            found.append(held)
        elif held is not None:
            found += functions_in(held)
    return found


def may_hold_functions(kind: type) -> bool:
    """Whether :func:`functions_in` may find one in a value of a type."""
    return kind is FunctionType or id(kind) in _PARTS


def behind_the_standard_library(function: FunctionType) -> FunctionType:
    """The function that a helper of the standard library wraps (``@contextmanager``)."""
    for _ in range(_DEEPEST):
        # What wraps holds what it wraps; asked for its __dict__, a function makes one.
        wrapped = function.__dict__.get("__wrapped__") if function.__closure__ else None
        if type(wrapped) is not FunctionType or not is_standard(function.__globals__):
            break
        function = wrapped
    return function


def is_function(value: object) -> TypeGuard[FunctionType]:
    """Whether a value is a function; proxies are not."""
    return type(value) is FunctionType


def is_standard(namespace: dict[str, Any]) -> bool:
    """Whether a namespace is one of the standard library's, by its name."""
    return str(namespace.get("__name__")).partition(".")[0] in sys.stdlib_module_names


def closed_over(function: FunctionType) -> Iterator[object]:
    """What a function holds for itself: ``__wrapped__`` and its closure.

    An object in the closure is looked into, one level deep: a hook may live in an instance.
    """
    yield function.__dict__.get("__wrapped__")
    for cell in function.__closure__ or ():
        held = content(cell, _EMPTY)
        if held is _EMPTY:
            continue
        yield held
        if not is_class(held) and type(held) is not FunctionType:
            yield from namespace_of(held).copy().values()


def named_globals(function: FunctionType) -> Iterator[object]:
    """The values of the globals that a function's code names."""
    for name in _names(function.__code__):
        yield function.__globals__.get(name)


def chain(
    function: FunctionType, name: str, home: dict[str, Any]
) -> tuple[list[FunctionType], FunctionType | None]:
    """The wrappers around a function, outermost first, and the function itself.

    Args:
        function: what stands in its place.
        name: its name.
        home: the namespace of the module that defined it.

    Returns:
        The wrappers, and None where none of them leads to it.
    """
    seen: set[int] = set()

    def path_from(wrapper: FunctionType) -> tuple[list[FunctionType], FunctionType] | None:
        seen.add(id(wrapper))
        held = [value for value in closed_over(wrapper) if type(value) is FunctionType]
        for value in (*held, *named_globals(wrapper)):
            is_function = type(value) is FunctionType and value.__globals__ is home
            if is_function and value.__code__.co_name == name:  # type: ignore[attr-defined]
                return [wrapper], value  # type: ignore[return-value]
        for value in held:
            if id(value) not in seen and len(seen) < _DEEPEST:
                below = path_from(value)
                if below is not None:
                    return [wrapper, *below[0]], below[1]
        return None

    return path_from(function) or ([function], None)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if type(constant) is type(code):
            yield from _names(constant)
