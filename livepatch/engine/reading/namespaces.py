"""Reading what the loaded modules hold, without computing, importing or changing anything.

Lazy modules and proxies compute their attributes, ``__class__`` included, so types are asked of the
object itself and namespaces are read as they stand.
"""

from __future__ import annotations

import functools
import sys
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_of_type: Any = type.__dict__["__dict__"].__get__
_ancestors: Any = type.__dict__["__mro__"].__get__


def loaded_modules() -> dict[str, ModuleType]:
    """Every loaded module once, by the name that leads to it, in the order of loading."""
    loaded = sys.modules.copy()  # others import meanwhile
    names: dict[int, str] = {}
    for key, module in loaded.items():
        if type(key) is str and issubclass(type(module), ModuleType):
            own = namespace_of(module).get("__name__")
            is_own = type(own) is str and loaded.get(own) is module
            names.setdefault(id(module), own if is_own else key)  # type: ignore[arg-type]
    return {name: loaded[name] for name in names.values()}


def namespace_of(holder: object) -> dict[str, Any]:
    """The namespace of a module, or a copy of a class's; empty for anything without one.

    Example:
        >>> import textwrap
        >>> namespace_of(textwrap)["dedent"] is textwrap.dedent
        True
    """
    if issubclass(type(holder), type):
        return dict(_of_type(holder))
    try:
        namespace = object.__getattribute__(holder, "__dict__")
    except Exception:  # it has none, or is a proxy that would have to compute its own
        return {}
    return namespace if type(namespace) is dict else {}


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


def functions_in(value: object) -> Iterator[FunctionType]:
    """The functions that a value of a namespace consists of: itself, or a property's three."""
    kind = type(value)
    parts: tuple[str, ...] = ()
    if kind is FunctionType:
        yield value  # type: ignore[misc]
    elif kind in (staticmethod, classmethod, MethodType):
        parts = ("__func__",)
    elif kind is property:
        parts = ("fget", "fset", "fdel")
    elif kind in (functools.partial, functools.partialmethod, functools.cached_property):
        parts = ("func",)
    for part in parts:
        yield from functions_in(getattr(value, part))


def behind_the_standard_library(function: FunctionType) -> FunctionType:
    """The function that a helper of the standard library wraps (``@contextmanager``)."""
    seen = set()
    while id(function) not in seen:
        seen.add(id(function))
        module = str(function.__globals__.get("__name__")).partition(".")[0]
        wrapped = function.__dict__.get("__wrapped__")
        if module not in sys.stdlib_module_names or type(wrapped) is not FunctionType:
            break
        function = wrapped
    return function


def closed_over(function: FunctionType) -> Iterator[object]:
    """What a function holds for itself: ``__wrapped__`` and its closure.

    An object in the closure is looked into, one level deep: a hook may live in an instance.
    """
    yield function.__dict__.get("__wrapped__")
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:  # the cell is empty
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
            if id(value) not in seen and len(seen) < 100:
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
