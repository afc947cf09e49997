"""What lies below descriptors, caches and decorators: the function whose code really runs."""

from __future__ import annotations

import functools
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, NamedTuple

from ..reading.cells import content
from ..reading.descriptors import KINDS, called_by, descriptor_kind
from ..reading.namespaces import is_a, namespace_of
from ..reading.sources import place

if TYPE_CHECKING:
    from collections.abc import Callable


class Peeled(NamedTuple):
    """What was found below.

    Attributes:
        innermost: what nothing of ours can look below.
        facts: what stays around it, for the answer line.
        caches: empties the caches that were passed on the way.
    """

    innermost: object
    facts: tuple[str, ...]
    caches: tuple[Callable[[], None], ...]


def peel(value: object, name: str | None) -> Peeled:
    """Look below descriptors and decorators.

    Args:
        value: what a name leads to, not computed.
        name: that name: tells the decorated function from others that its decorator holds.

    Example:
        >>> @functools.lru_cache
        ... def add(a, b):
        ...     return a + b
        >>> peel(add, "add").facts
        ('its cache is emptied',)
    """
    facts: list[str] = []
    caches: list[Callable[[], None]] = []
    seen: set[int] = set()
    while id(value) not in seen:
        seen.add(id(value))
        below = _below(value, name)
        if below is None:
            break
        empty = _cache_clear(value)
        if empty is not None:
            caches.append(empty)
            facts.append("its cache is emptied")
        elif is_a(value, functools.cached_property):
            facts.append("values computed before stay")
        elif type(value) not in KINDS:
            decorator = value if is_a(value, FunctionType) else type(value)
            facts.append(f"the decorator at {place(decorator)} stays around it")
        value = below
    return Peeled(value, tuple(facts), tuple(caches))


def _below(value: object, name: str | None) -> object | None:
    is_function = is_a(value, FunctionType)
    if not is_function:  # asked first: most are
        if descriptor_kind(value) is not None:
            below: object | None = called_by(value)
            return below
        if is_a(value, type, ModuleType):
            return None
    own = namespace_of(value)
    if callable(own.get("__wrapped__")):
        wrapped: object = own["__wrapped__"]
        return wrapped
    if is_function:
        assert isinstance(value, FunctionType)
        if name is None or value.__name__ == name:
            return None
        held = [content(cell) for cell in value.__closure__ or ()]
    else:
        held = list(own.values())
    # A decorator that forgot functools.wraps: the one function of our name that it holds.
    functions = [h for h in held if is_a(h, FunctionType)]
    named = {id(h): h for h in functions if h.__name__ == name}
    return next(iter(named.values())) if len(named) == 1 else None


def _cache_clear(value: object) -> Callable[[], None] | None:
    is_cache = is_a(value, functools._lru_cache_wrapper)
    return value.cache_clear if is_cache else None  # type: ignore[attr-defined]
