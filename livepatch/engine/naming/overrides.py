"""Overrides: functions of livepatch that stand in a place while layers lie on them.

An inherited method, a method of one instance, a builtin, a callable instance, a partial: there is
no code of their own to change in that place. So a function is made that calls what was there, and
the layers change *its* code; it is put into the place with the first layer and taken out with the
last, and stays one and the same in between (CPython 3.13 has a budget of versions per class, and
made calls 2.1 times as slow after 600 exchanges of an attribute).
"""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass
from types import ClassMethodDescriptorType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from ..changing.registry import registry
from ..errors import PatchRefused
from ..reading.descriptors import called_by, rebuilder_of, rebuilt
from ..reading.sources import place
from ..switching.codes import trampoline
from ..switching.state import clone
from .constructors import new_object
from .lookup import what_is
from .slots import PartialCall, Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from .following import Found


@dataclass(frozen=True, eq=False)
class Override:
    """A function of ours and the place that it goes to.

    Attributes:
        function: ours; as long as no layer lies on it, it calls what was in the place.
        value: what was found in the place, inherited or not.
        model: a function with the code that it stands for, where that is written in Python: what
            new code is compared with and compiled in the place of.
        slot: the place.
        was: what stood there before, ``ABSENT`` where it was inherited.
        put: what stands there while layers are on: the function, bound or in its descriptor.
        owner_class: the class that new code stands in.
    """

    function: FunctionType
    value: object
    model: FunctionType
    slot: Slot
    was: object
    put: object
    owner_class: type | None = None


def override_at(asked: str, path: str, found: Found, *, is_shared: bool = False) -> Override:
    """The override for a callable at a name: inherited by a class, or not written in Python.

    Args:
        asked: the user's request in words.
        path: the name.
        found: what it leads to.
        is_shared: whether the function was not written for this class: then new code sees what
            the class's module has.
    """
    slot = found.slot
    existing = _existing(slot, found.value)
    if existing:
        return existing
    _check(asked, path, slot)
    is_class = isinstance(found.holder, type)
    value = found.value
    descriptor, called = _split(value) if is_class else (_as_it_is, value)
    if called is None:
        _refuse_descriptor(asked, path, value)
    if called is object.__new__:  # which refuses what a class with `__init__` alone gives it
        called = functools.partial(new_object)
    holder = found.holder
    names = _globals_of(holder, called)
    function, model = _standing_for(called, _name(found.name), names)
    if is_shared and not model.__code__.co_freevars:
        model = clone(model, module=names)
    owner_class = holder if is_class else None
    put = descriptor(function)
    return Override(function, value, model, slot, slot.read(), put, owner_class)


def override_of_instance(asked: str, path: str, found: Found) -> Override:
    """The override for a method of one instance: others of its class keep theirs."""
    instance, name, slot = found.holder, found.name, found.slot
    existing = _existing(slot, found.value)
    if existing:
        return existing
    _check(asked, path, slot)
    value, cls = found.value, type(instance)
    if name.startswith("__") and name.endswith("__"):
        raise PatchRefused(
            asked,
            f"Python looks {name} up on the class of an instance, never on the instance",
            f"name it on the class, for all instances: {cls.__module__}.{cls.__qualname__}.{name}",
        )
    if found.owner is not instance and hasattr(type(value), "__set__"):
        raise PatchRefused(
            asked,
            f"{name} is a {type(value).__name__} of {cls.__qualname__} ({place(cls)}): an instance "
            f"cannot have one of its own",
            f"name it on the class, for all instances: {cls.__module__}.{cls.__qualname__}.{name}",
        )
    bound_to: object = instance
    called: Any = value
    if isinstance(value, MethodType):
        called, bound_to = value.__func__, value.__self__
    elif found.owner is instance or isinstance(value, staticmethod):
        called, bound_to = called_by(value) or value, None
    elif isinstance(value, classmethod):
        called, bound_to = called_by(value), cls
    elif not hasattr(type(value), "__get__"):
        bound_to = None
    if not callable(called):
        _refuse_descriptor(asked, path, value)
    function, model = _standing_for(called, name, _globals_of(cls, called))
    put = function if bound_to is None else MethodType(function, bound_to)
    owner_class = cls if bound_to is instance else None
    return Override(function, value, model, slot, slot.read(), put, owner_class)


def override_of_partial(path: str, partial: functools.partial[Any]) -> Override:
    """The override inside a ``functools.partial`` object, which stays the object that it is."""
    slot = PartialCall(partial)
    existing = _existing(slot, partial)
    if existing:
        return existing
    was = slot.read()
    called = functools.partial(was[0], *was[1], **was[2])
    name = path.rpartition(".")[2]
    function, model = _standing_for(called, _name(name), getattr(was[0], "__globals__", {}))
    return Override(function, partial, model, slot, was, (function, (), {}, was[3]))


def patched_in_place(slot: Slot) -> Override | None:
    """The override that has layers of ours on it in a place."""
    stack = registry.stacks.get(slot.key)
    return stack.override if stack is not None and stack.placements else None


def _existing(slot: Slot, value: object) -> Override | None:
    """The override of a place, unless what it calls does not stand there any more."""
    stack = registry.stacks.get(slot.key)
    # Several copies of the engine share the registry: what counts is what it can do.
    override = stack.override if stack is not None else None
    if stack is None or override is None or stack.placements:
        return override
    return override if override.value is value and slot.holds(override.was) else None


def _check(asked: str, path: str, slot: Slot) -> None:
    obstacle = slot.obstacle()
    if obstacle:
        raise PatchRefused(
            asked, f"{path}: {obstacle}", "change a function that calls it, or a subclass of it"
        )


def _split(value: object) -> tuple[Callable[[FunctionType], object], Any]:
    """A class attribute as a descriptor and the function in it."""
    if rebuilder_of(value) is not None:
        called = called_by(value)
        return lambda function: rebuilt(value, _instead_of(called, function)), called
    if isinstance(value, ClassMethodDescriptorType):
        return classmethod, value
    if callable(value) and not hasattr(type(value), "__get__"):
        return staticmethod, value  # it is not given the instance, as a function of ours would be
    return _as_it_is, value if callable(value) else None


def _instead_of(old: object, new: object) -> Callable[[Any], Any]:
    """Puts another function in the place of one, and leaves the others as they are."""
    return lambda part: new if part is old else part


def _as_it_is(function: FunctionType) -> object:
    return function


def _standing_for(
    called: Any, name: str, module_globals: dict[str, Any]
) -> tuple[FunctionType, FunctionType]:
    """A function that calls another callable, and one that shows its signature and kind."""
    if isinstance(called, FunctionType):
        function = clone(called)
        function.__code__ = trampoline(called.__code__, called, matched=False)
        stack = registry.stacks.get(id(called))
        return function, getattr(stack, "original", called)
    bare = as_function(called)
    function = FunctionType(bare.__code__, module_globals, name, None, bare.__closure__)
    # Whatever it answers to its own attributes (a mock answers a mock).
    said = {part: getattr(called, part, None) for part in ("__qualname__", "__module__", "__doc__")}
    said = {part: text if isinstance(text, str) else None for part, text in said.items()}
    function.__qualname__ = said["__qualname__"] or name
    function.__module__ = said["__module__"] or module_globals.get("__name__", "")
    function.__doc__ = said["__doc__"]
    return function, function


def _globals_of(holder: object, called: object) -> dict[str, Any]:
    """The names that new code sees in this place: those of the holder's module."""
    module = holder if isinstance(holder, ModuleType) else None
    if module is None:
        name = getattr(holder, "__module__", None) or getattr(called, "__module__", None)
        module = sys.modules.get(name or "")
    return vars(module) if module is not None else {}


def _name(name: object) -> str:
    return name if isinstance(name, str) and name.isidentifier() else "function"


def _refuse_descriptor(asked: str, path: str, value: object) -> NoReturn:
    raise PatchRefused(
        asked,
        f"{path} is {what_is(value)}, and livepatch cannot tell which function it runs",
        f"change its class's __get__: {type(value).__module__}.{type(value).__qualname__}.__get__",
    )


def as_function(called: Callable[..., Any]) -> Any:  # a FunctionType, which mypy does not see
    """A function that calls any callable: a builtin, a partial, a bound method, an instance."""
    underlying: Any = called
    while isinstance(underlying, functools.partial):
        underlying = underlying.func
    if not inspect.isroutine(underlying):
        underlying = type(underlying).__call__
    if inspect.iscoroutinefunction(underlying):

        async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
            return await called(*args, **kwargs)

        return call_coroutine
    if inspect.isasyncgenfunction(underlying):

        async def call_async_generator(*args: Any, **kwargs: Any) -> Any:
            async for item in called(*args, **kwargs):
                yield item

        return call_async_generator
    if inspect.isgeneratorfunction(underlying):

        def call_generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from called(*args, **kwargs))

        return call_generator

    def call(*args: Any, **kwargs: Any) -> Any:
        return called(*args, **kwargs)

    return call
