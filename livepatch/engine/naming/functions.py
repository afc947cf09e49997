"""A function as the target of a change, where it is defined in the place that the user names."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from ..changing.registry import registry
from ..errors import PatchRefused, TargetNotFound
from ..reading.descriptors import parts_of
from ..reading.namespaces import is_a, namespace_of
from .following import beginning, follow, lacks
from .own_name import dotted_name, leads_to
from .slots import ABSENT
from .unwrapping import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from .overrides import Override
    from .slots import Slot
    from .unwrapping import Unwrapped


@dataclass(eq=False)  # not frozen: that makes making one three times as long
class Target:
    """The one function that a change is about.

    Attributes:
        path: its dotted name, as answers show it.
        function: the function object, below all descriptors and decorators.
        owner_class: the class in whose body it was written, if any.
        facts: what the answer has to say of the way to it: decorators that stay, another name.
        caches: empties the caches around it.
        override: where the function is ours and put into a place while layers lie on it.
        is_named: whether that name was followed and led to the function; if False, nobody has
            looked, and the name may lead there all the same.
        kind: the descriptor that it lies in, where that is a static or class method.
    """

    path: str
    function: FunctionType
    owner_class: type | None = None
    facts: tuple[str, ...] = ()
    caches: tuple[Callable[[], None], ...] = ()
    override: Override | None = None
    is_named: bool = False
    kind: type | None = None


def own_function(asked: str, path: str) -> Target:
    """The function that is written in the place of a dotted name: in a module, or in a class.

    For who knows that it is one; ``targets.find`` tells of everything that a name can lead to.

    Raises:
        TargetNotFound: there is no such name.
        PatchRefused: something else stands there.

    Example:
        >>> import textwrap
        >>> own_function("replace textwrap.dedent", "textwrap.dedent").function is textwrap.dedent
        True
    """
    found, depth = follow(path)
    if found is None:
        raise TargetNotFound(asked, f"no module of {path} is loaded", "load it first")
    prefix = beginning(path, depth)
    if found.value is ABSENT:
        raise TargetNotFound(asked, lacks(prefix, found), f"look at what it has: dir({prefix})")
    unwrapped = found.unwrapped()
    is_own = is_a(found.holder, ModuleType, type) and found.owner is found.holder
    if not is_own or not is_a(unwrapped.innermost, FunctionType) or is_given(found.slot):
        found_there = f"{path} is not a function that is defined there"
        raise PatchRefused(asked, found_there, "name the place where it is defined")
    function: Any = unwrapped.innermost
    cls = class_of(function) or (found.holder if is_a(found.holder, type) else None)
    return Target(path, function, cls, caches=unwrapped.caches, is_named=True)


def function_target(
    path: str,
    unwrapped: Unwrapped,
    owner_class: type | None = None,
    *,
    is_named: bool = False,
    kind: type | None = None,
) -> Target:
    """The target that a function is, below the descriptors and decorators that a name leads to.

    Args:
        path: the name, as answers show it.
        unwrapped: what it leads to.
        owner_class: the class that has it, if any.
        is_named: whether the name was followed.
        kind: the static or class method that it lies in.
    """
    function, facts = unwrapped.innermost, unwrapped.facts
    assert isinstance(function, FunctionType)
    own_name = dotted_name(function)
    if own_name != path and not facts and leads_to(own_name, function):
        facts = (f"it is {own_name}",)
    owner_class = class_of(function) or owner_class
    return Target(path, function, owner_class, facts, unwrapped.caches, None, is_named, kind)


def kind_of_method(value: object) -> type | None:
    """Of a static or class method, which of them it is."""
    if type(value) is FunctionType:
        return None
    if is_a(value, MethodType):
        return classmethod if is_a(value.__self__, type) else None  # type: ignore[attr-defined]
    if is_a(value, staticmethod):
        return staticmethod
    return classmethod if is_a(value, classmethod) else None


def is_given(slot: Slot) -> bool:
    """Whether a layer of ours has put a value there, in place of another value."""
    stack = registry.stacks.get(slot.key)
    return stack is not None and stack.override is None and bool(stack.placements)


def class_of(function: FunctionType) -> type | None:
    """The class in whose body a function was written: its own name leads there."""
    *classes, name = function.__qualname__.split(".")
    if not classes:
        return None
    holder: Any = sys.modules.get(function.__module__ or "")
    for part in classes:
        holder = namespace_of(holder).get(part)
    if not isinstance(holder, type):
        return None
    value = namespace_of(holder).get(name)
    is_there = value is function or function in parts_of(value).values()
    return holder if is_there or unwrap(value, name, holder).innermost is function else None
