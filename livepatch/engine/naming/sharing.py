"""Functions that several classes share, and how to change one for a single class.

``functools.total_ordering`` puts one function into every class that it decorates, ``dataclasses``
and ``enum`` do the same with some, and so does ``B.run = A.run``.
"""

from __future__ import annotations

import sys
from operator import is_
from typing import TYPE_CHECKING, Any

from ..changing.registry import registry
from ..reading.namespaces import namespace_of
from .own_name import dotted_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType


def sharers(cls: type, value: object, function: FunctionType) -> str | None:
    """Who else has a function that is an attribute of a class, in words; None where nobody has.

    Args:
        cls: the class that is meant.
        value: its attribute.
        function: the function in that.
    """
    if is_written_in(function, cls):
        return None
    # Every class of the process is looked at, which takes 20 ms with 20,000: so only here.
    others = [
        other for other in _every_class() if other is not cls and _has(other, value, function)
    ]
    near = dotted_name(cls).rpartition(".")[0] + "."
    names = sorted(
        {*map(dotted_name, others), *_overridden(value, function)},
        key=lambda name: (not name.startswith(near), name),  # those beside it are known to who asks
    )
    if names:
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    module = str(function.__globals__.get("__name__"))
    is_helper = function.__globals__.get(function.__code__.co_name) is function
    is_library = module.partition(".")[0] in sys.stdlib_module_names
    return f"classes that {module} makes" if is_helper and is_library else None


def is_written_in(function: FunctionType, cls: type) -> bool:
    """Whether a function was written in a class's body, or made for that class alone."""
    return (
        function.__module__ == cls.__module__
        and function.__qualname__.rpartition(".")[0] == cls.__qualname__
    )


def _overridden(value: object, function: FunctionType) -> Iterator[str]:
    """The classes that would have it, were there no layer of ours in its place."""
    for stack in registry.patched.values():
        override = stack.override
        holder = getattr(override.slot, "holder", None) if override is not None else None
        if isinstance(holder, type) and any(override.was is one for one in (value, function)):
            yield dotted_name(holder)


def _has(cls: type, value: object, function: FunctionType) -> bool:
    # By identity: an attribute that is asked whether it is equal may be an array.
    own = namespace_of(cls).values()
    return any(map(is_, own, [value] * len(own))) or any(map(is_, own, [function] * len(own)))


def _every_class() -> Iterator[type]:
    seen: set[int] = set()
    waiting: list[Any] = [object]
    while waiting:
        cls = waiting.pop()
        if id(cls) not in seen:
            seen.add(id(cls))
            yield cls
            waiting += type.__subclasses__(cls)
