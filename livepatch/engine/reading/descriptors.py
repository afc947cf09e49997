"""Reads what a descriptor holds, and makes the same descriptor around something else.

One table for all who look into an attribute of a class: a target is found below it, new code is put
back into it, and foreign functions are seen in it. Parts are read by the members of the built-in
kind, so that no subclass of it computes anything.
"""

from __future__ import annotations

import functools
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from .namespaces import is_a, namespace_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[Any], Any]


class Kind(NamedTuple):
    """One kind of descriptor.

    Attributes:
        cls: its class.
        parts: its attributes that hold functions; the first is what is called when it is read.
    """

    cls: type
    parts: tuple[str, ...]


KINDS: dict[type, Kind] = {
    kind.cls: kind
    for kind in (
        Kind(staticmethod, ("__func__",)),
        Kind(classmethod, ("__func__",)),
        Kind(MethodType, ("__func__",)),
        Kind(property, ("fget", "fset", "fdel")),
        Kind(functools.cached_property, ("func",)),
        Kind(functools.partialmethod, ("func",)),
        Kind(functools.singledispatchmethod, ("func",)),
    )
}


def descriptor_kind(value: object) -> Kind | None:
    """The row of the table for a value; None where it is no descriptor that can be looked into."""
    exact = KINDS.get(type(value))
    return exact or next((kind for cls, kind in KINDS.items() if is_a(value, cls)), None)


def parts_of(value: object) -> dict[str, Any]:
    """What lies in a descriptor, by its attributes; nothing in anything else.

    Example:
        >>> parts_of(staticmethod(len))
        {'__func__': <built-in function len>}
        >>> parts_of(len)
        {}
    """
    kind = descriptor_kind(value)
    held = {name: _part(value, kind.cls, name) for name in kind.parts} if kind else {}
    return {name: part for name, part in held.items() if part is not None}


def called_by(value: object) -> Any:
    """What is called when a descriptor is read, or called; None where it is none.

    Example:
        >>> called_by(property(len))
        <built-in function len>
    """
    kind = descriptor_kind(value)
    return None if kind is None else _part(value, kind.cls, kind.parts[0])


def rebuilt(value: object, change: Change) -> object | None:
    """The same descriptor with each of its parts changed; None where it cannot be made.

    Example:
        >>> rebuilt(staticmethod(len), lambda function: max).__func__
        <built-in function max>
    """
    rebuild = rebuilder_of(value)
    return None if rebuild is None else rebuild(value, change)


def rebuilder_of(value: object) -> Callable[[Any, Change], object] | None:
    """What makes the same descriptor with each part changed; None where there is no way to."""
    kind = descriptor_kind(value)
    return None if kind is None else _REBUILD.get(kind.cls)


def _part(value: object, cls: type, name: str) -> Any:
    member = cls.__dict__.get(name)
    # Those written in Python keep their parts in their own namespace.
    return namespace_of(value).get(name) if member is None else member.__get__(value)


def _wrapping(old: Any, change: Change) -> object:
    return type(old)(change(old.__func__))


def _property(old: Any, change: Change) -> object:
    made = old
    for part, put in (("fget", "getter"), ("fset", "setter"), ("fdel", "deleter")):
        accessor = getattr(old, part)
        if accessor is not None:
            made = getattr(made, put)(change(accessor))
    return made


def _cached_property(old: Any, change: Change) -> object:
    made = functools.cached_property(change(old.func))
    made.attrname = old.attrname  # what __set_name__ would tell it
    return made


def _partial_method(old: Any, change: Change) -> object:
    return functools.partialmethod(change(old.func), *old.args, **old.keywords)


_REBUILD: dict[type, Callable[[Any, Change], object]] = {
    staticmethod: _wrapping,
    classmethod: _wrapping,
    property: _property,
    functools.cached_property: _cached_property,
    functools.partialmethod: _partial_method,
}
