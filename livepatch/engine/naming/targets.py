"""Targets: the one thing that a change is about.

Most often a function, whose code changes. An inherited method, a method of one instance, and what
has no Python code to change, are given a function of ours in the place that was named. A class is
changed method by method, a plain value by assignment.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, NoReturn

from ..errors import PatchRefused
from ..reading.namespaces import is_a, namespace_of
from ..reading.sources import place
from .following import Found, attribute_of, follow, full_name
from .functions import Target, function_target, is_given, kind_of_method
from .lookup import look_up, not_found, refuse_pending, what_is
from .modules import loaded_module, name_of_module
from .overrides import (
    Override,
    override_at,
    override_of_instance,
    override_of_partial,
    patched_in_place,
)
from .own_name import (
    dotted_name,
    in_words,
    leads_to,
    leads_to_place,
    name_leading_to,
    name_of_instance,
)
from .sharing import sharers
from .slots import ABSENT, Item
from .unwrapping import Unwrapped, unwrap

if TYPE_CHECKING:
    from .slots import Slot

__all__ = [
    "LAYOUT",
    "ClassTarget",
    "Target",
    "ValueTarget",
    "dotted_name",
    "find",
    "find_function",
    "full_name",
    "in_words",
    "is_given",
    "leads_to",
    "leads_to_place",
    "loaded_module",
]


@dataclass(frozen=True, eq=False)
class ValueTarget:
    """A plain value: a constant, a setting, an entry of a dictionary."""

    path: str
    slot: Slot


@dataclass(frozen=True, eq=False)
class ClassTarget:
    """A class, changed method by method so that its instances change."""

    path: str
    cls: type


# Attributes of a class that stand for a part of its instances' memory.
LAYOUT = ("member_descriptor", "getset_descriptor", "_tuplegetter")

AnyTarget = Target | ValueTarget | ClassTarget


def find(asked: str, target: object, attribute: object = None) -> AnyTarget:
    """The thing that a user means.

    Args:
        asked: the user's request in words, the first line of an error.
        target: a dotted name; or the function, class or method itself; or a module or class.
        attribute: with a module or class as target: its function, or the function's name.

    Raises:
        TargetNotFound: no such name.
        PatchRefused: what has that name cannot be changed.

    Example:
        >>> import textwrap
        >>> find("replace textwrap.dedent", "textwrap.dedent").function is textwrap.dedent
        True
    """
    if attribute is not None:
        return _of_pair(asked, target, attribute)
    if isinstance(target, str):
        path = full_name(target)
        return _of_found(asked, path, look_up(asked, path), is_named=True)
    if isinstance(target, MethodType) and not isinstance(target.__self__, type):
        return _of_bound_method(asked, target)
    return _of_object(asked, target)


def find_function(asked: str, target: object, attribute: object = None) -> Target:
    """The function that a user means; everything else is refused.

    Raises:
        TargetNotFound: no such name.
        PatchRefused: what has that name is not a function.
    """
    found = find(asked, target, attribute)
    if isinstance(found, Target):
        return found
    if isinstance(found, ClassTarget):
        _refuse(asked, found.path, found.cls)
    return _refuse(asked, found.path, found.slot.read())


def _of_pair(asked: str, holder: object, attribute: object) -> AnyTarget:
    if not isinstance(holder, (ModuleType, type)):
        raise PatchRefused(
            asked,
            f"the first of two arguments is a {type(holder).__name__}, not a module or class",
            "give a dotted name, or module and function",
        )
    prefix = in_words(holder)
    if isinstance(attribute, str):
        found = attribute_of(holder, attribute)
        if found.value is ABSENT:
            not_found(asked, prefix, found)
        return _of_found(asked, f"{prefix}.{attribute}", found)
    name = _name_in(holder, attribute)
    if name is not None:
        return _of_found(asked, f"{prefix}.{name}", attribute_of(holder, name))
    return _of_object(asked, attribute)


def _name_in(holder: ModuleType | type, attribute: object) -> str | None:
    """The name by which a module or class has something; its own where there are several."""
    own_name: str | None = getattr(attribute, "__name__", None)
    given = unwrap(attribute, own_name, holder).innermost
    names = [own_name] if own_name else []
    names += [name for name, value in namespace_of(holder).copy().items() if value is attribute]
    for name in names:
        found = attribute_of(holder, name)
        if found.value is attribute or found.unwrapped().innermost is given:
            return name
    return None


def _of_found(asked: str, path: str, found: Found, *, is_named: bool = False) -> AnyTarget:
    value, holder = found.value, found.holder
    refuse_pending(asked, path, value)
    if is_a(value, ModuleType):
        _refuse(asked, path, value)
    if is_a(value, type):
        return ClassTarget(path, value)
    unwrapped = found.unwrapped()
    # A container is no instance: what its entries are called is nobody's method.
    is_instance = not is_a(holder, ModuleType, type) and not isinstance(found.slot, Item)
    is_function = is_a(unwrapped.innermost, FunctionType)
    if (is_instance or not is_function) and is_given(found.slot):
        return _value(asked, path, found.slot)
    if is_instance and found.owner is not None and _is_callable(unwrapped):
        return _overridden(path, override_of_instance(asked, path, found), "this instance only")
    if isinstance(holder, type) and found.owner is not None:
        overridden = _in_class(asked, path, found, unwrapped)
        if overridden is not None:
            return overridden
    if is_function:
        cls = holder if isinstance(holder, type) else None
        return function_target(path, unwrapped, cls, is_named=is_named, kind=kind_of_method(value))
    if is_a(unwrapped.innermost, functools.partial):
        return _overridden(path, override_of_partial(path, unwrapped.innermost))  # type: ignore[arg-type]
    if found.owner is not None and _is_callable(unwrapped):
        override = override_at(asked, path, found)
        return _overridden(
            path,
            override,
            f"{what_is(unwrapped.innermost)}: replaced in this place only, {found.slot.what_stays}",
        )
    if found.owner is None or type(value).__name__ in LAYOUT:
        _refuse(asked, path, value)
    return _value(asked, path, found.slot)


def _in_class(asked: str, path: str, found: Found, unwrapped: Unwrapped) -> AnyTarget | None:
    """What a class inherits, or shares with others; None where it is the class's own."""
    cls, function = found.holder, unwrapped.innermost
    if issubclass(found.owner, type) and found.owner not in cls.__mro__:
        owner = dotted_name(found.owner)
        raise PatchRefused(
            asked,
            f"{found.name} is of the metaclass {owner} ({place(found.owner)})",
            f"name it on the metaclass, for all of its classes: {owner}.{found.name}",
        )
    if found.owner is not cls:
        if not _is_callable(unwrapped):
            return _value(asked, path, found.slot)
        override = override_at(asked, path, found)
        return _overridden(path, override, f"inherited from {dotted_name(found.owner)}")
    if not is_a(function, FunctionType) or patched_in_place(found.slot):
        return None
    others = sharers(cls, found.value, function)  # type: ignore[arg-type]
    if others is None:
        return None
    override = override_at(asked, path, found, is_shared=True)
    fact = f"shared with {others}: replaced in this place only, {found.slot.what_stays}"
    return _overridden(path, override, fact)


def _of_object(asked: str, value: object) -> AnyTarget:
    if isinstance(value, type):
        return ClassTarget(dotted_name(value), value)
    unwrapped = unwrap(value, getattr(value, "__name__", None))
    if isinstance(unwrapped.innermost, FunctionType):
        path, is_named = name_leading_to(unwrapped.innermost)
        found = follow(path)[0] if is_named else None
        cls = found.holder if found is not None and isinstance(found.holder, type) else None
        return function_target(path, unwrapped, cls, is_named=is_named, kind=kind_of_method(value))
    path = dotted_name(value)
    if isinstance(unwrapped.innermost, functools.partial):
        return _overridden(path, override_of_partial(path, unwrapped.innermost))
    return _refuse(asked, path, unwrapped.innermost)


def _of_bound_method(asked: str, method: MethodType) -> Target:
    instance, name = method.__self__, method.__name__
    path = f"{dotted_name(type(instance))}.{name}"
    found = attribute_of(instance, name)
    given = unwrap(method, name, found.owner).innermost
    # It may have been taken before a layer of ours came.
    override = patched_in_place(found.slot)
    stands = unwrap(override.value, name, type(instance)) if override else found.unwrapped()
    if given not in (stands.innermost, found.unwrapped().innermost):
        raise PatchRefused(
            asked,
            f"{name!r} of this {type(instance).__name__} is not the given function",
            f"name the function itself to change it for all instances: {path!r}",
        )
    own_name = name_of_instance(instance)
    path = f"{own_name}.{name}" if own_name else f"{path} of one instance"
    return _overridden(path, override_of_instance(asked, path, found), "this instance only")


def _overridden(path: str, override: Override, *facts: str) -> Target:
    kind = kind_of_method(override.value)
    return Target(path, override.function, override.owner_class, facts, (), override, kind=kind)


def _value(asked: str, path: str, slot: Slot) -> ValueTarget:
    obstacle = slot.obstacle()
    if obstacle:
        raise PatchRefused(asked, f"{path}: {obstacle}", "replace the object that holds it")
    return ValueTarget(path, slot)


def _is_callable(unwrapped: Unwrapped) -> bool:
    return callable(unwrapped.innermost) and not is_a(unwrapped.innermost, type)


def _refuse(asked: str, path: str, value: object) -> NoReturn:
    if isinstance(value, type):
        instead = f"name one of its methods: {dotted_name(value)}.method"
    elif isinstance(value, ModuleType):
        instead = f"name one of its functions: {name_of_module(value)}.function"
    elif callable(value) and not inspect.isroutine(value):
        instead = f"change the method that is called: {dotted_name(type(value))}.__call__"
    elif callable(value):
        instead = "name the place whose callers you mean: package.module.name"
    else:
        instead = "name a function or a method"
    raise PatchRefused(asked, f"{path} is {what_is(value)}, not a function", instead)
