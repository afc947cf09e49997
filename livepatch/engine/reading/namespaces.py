"""Reading what the loaded modules hold, without computing, importing or changing anything.

Lazy modules and proxies compute their attributes, ``__class__`` included, so types are asked of the
object itself and namespaces are read as they stand.
"""

from __future__ import annotations

from typing import Any

_of_type: Any = type.__dict__["__dict__"].__get__
_ancestors: Any = type.__dict__["__mro__"].__get__


def namespace_of(holder: object) -> dict[str, Any]:
    """The namespace of a module, or a copy of a class's; empty for anything without one.

    Example:
        >>> import textwrap
        >>> namespace_of(textwrap)["dedent"] is textwrap.dedent
        True
    """
    if issubclass(type(holder), type):
        copy: dict[str, Any] = _of_type(holder).copy()  # dict() would ask for name after name
        return copy
    try:
        namespace = object.__getattribute__(holder, "__dict__")
    except Exception:  # it has none, or is a proxy that would have to compute its own
        return {}
    return namespace if type(namespace) is dict else {}


def attribute_of_class(cls: type, name: str) -> Any:
    """What stands in a class's own namespace, None where nothing does; the rest is not read.

    Example:
        >>> attribute_of_class(bool, "__module__") is None
        True
    """
    return _of_type(cls).get(name)


def is_class(value: object) -> bool:
    """Whether a value is a class; proxies are not."""
    return issubclass(type(value), type)


def is_a(value: object, *kinds: type) -> bool:
    """What ``isinstance`` says, without asking a proxy for its ``__class__``."""
    return issubclass(type(value), kinds)


def ancestors(cls: type) -> tuple[type, ...]:
    """A class and what it inherits from, in the order of look-up."""
    mro: tuple[type, ...] = _ancestors(cls)
    return mro
