"""Adds ``__new__`` to a class that has none of its own, and removes it without a trace.

CPython never takes back that a class has had a ``__new__``: its ``tp_new`` stays the one that looks
for it (``update_one_slot`` in Objects/typeobject.c keeps what is there; bpo-5322), and
``object.__new__``, found that way, refuses the arguments that ``__init__`` takes. So ``tp_new`` is
given back in the class's memory, before the attribute goes: in between, calls construct as before
already. Where that cannot be done, a function that does what ``object.__new__`` did stays there.
"""

from __future__ import annotations

import functools
import sys
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

from ..reading.namespaces import ancestors, namespace_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = 50  # words of a type that are looked through for `tp_new`; it is the 40th


def new_object(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
    """What ``object.__new__`` does for a class without a ``__new__`` of its own."""
    if (args or kwargs) and cls.__init__ is object.__init__:
        raise TypeError(f"{cls.__name__}() takes no arguments")
    return object.__new__(cls)


def is_stand_in(value: object) -> bool:
    """Whether it is what stays where ``tp_new`` cannot be given back."""
    return type(value) is staticmethod and value.__func__ is new_object


def forget_new(cls: Any) -> None:
    """Take the ``__new__`` out of a class that had none: it constructs as before."""
    if _offset() is not None:
        for one in _with_subclasses(cls):
            inherited = _without(cls, one)
            if isinstance(inherited, BuiltinFunctionType):  # else Python looks for it anyway
                _write(one, inherited.__self__)
    elif _without(cls, cls) is object.__new__:
        cls.__new__ = staticmethod(new_object)
        return
    del cls.__new__


def _without(cls: type, heir: type) -> object:
    """The ``__new__`` of a class or one below it, were it not for that of the class."""
    above = (namespace_of(one) for one in ancestors(heir) if one is not cls)
    return next(own["__new__"] for own in above if "__new__" in own)


def _with_subclasses(cls: type) -> Iterator[type]:
    yield cls
    sub: type
    for sub in type.__subclasses__(cls):
        yield from _with_subclasses(sub)


@functools.lru_cache(maxsize=1)
def _offset() -> int | None:
    """Where in a type ``tp_new`` is, found by what a ``__new__`` changes; None: it is not known."""
    if sys.implementation.name != "cpython":
        return None
    try:
        import ctypes
    except ImportError:  # a Python without it
        return None

    class Plain: ...

    class Own:
        def __new__(cls) -> Own:
            return object.__new__(cls)

    class Other:
        def __new__(cls) -> Other:
            return object.__new__(cls)

    size = ctypes.sizeof(ctypes.c_void_p)
    words = [
        (ctypes.c_void_p * _PLACES).from_address(id(cls)) for cls in (object, Plain, Own, Other)
    ]
    found = [
        place
        for place, (base, plain, own, other) in enumerate(zip(*words, strict=True))
        if base == plain and own == other and own != base
    ]
    return found[0] * size if len(found) == 1 else None


def _write(cls: type, like: Any) -> None:
    import ctypes

    def tp_new(one: Any) -> Any:
        return ctypes.c_void_p.from_address(id(one) + (_offset() or 0))

    tp_new(cls).value = tp_new(like).value
