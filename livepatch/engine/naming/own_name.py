"""Finds the dotted name of a thing: the one that it gives itself, or one that leads to it.

Names are for people. A function is told from others by identity: several may give themselves the
same name, and a name may lead to another one by now.
"""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ..reading.descriptors import called_by, parts_of
from ..reading.namespaces import is_a, namespace_of
from .following import follow
from .modules import is_dotted, module_of_thing, name_of_module
from .slots import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .slots import Slot


def dotted_name(thing: object) -> str:
    """The dotted name of a function or class: its module's, and what it is called there.

    Example:
        >>> dotted_name(dotted_name).rpartition(".")[2]
        'dotted_name'
    """
    thing = getattr(thing, "__func__", thing)
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None) or type(thing).__name__
    if module and not (is_dotted(module) and module in sys.modules):
        home = module_of_thing(thing)  # its name may be a path, or no name of a loaded module
        module = module if home is None else name_of_module(home)
    return f"{module}.{name}" if module else str(name)


def in_words(target: object) -> str:
    """A target in words, as the user gave it."""
    if isinstance(target, str):
        return target
    if isinstance(target, ModuleType):
        return name_of_module(target)
    return dotted_name(target) if callable(target) else repr(target)


def leads_to(path: str, function: FunctionType) -> bool:
    """Whether a dotted name leads to this function now."""
    found, _ = follow(path)
    return found is not None and found.unwrapped().innermost is function


def leads_to_place(path: str, slot: Slot) -> bool:
    """Whether a dotted name leads to this place now: its holder may be another by then."""
    found, _ = follow(path)
    return found is not None and found.value is not ABSENT and found.slot.key == slot.key


def name_leading_to(function: FunctionType) -> tuple[str, bool]:
    """A function's name, and whether it leads to the function: else it is only a label.

    Example:
        >>> name_leading_to(dotted_name)[1]
        True
    """
    own_name = dotted_name(function)
    if leads_to(own_name, function):
        return own_name, True
    for module in _modules_of(function):
        for name in _names_in(module, function):
            return f"{name_of_module(module)}.{name}", True
    return own_name, False


def name_of_instance(instance: object) -> str | None:
    """The name by which the module of its class has an instance; None where it has none.

    Example:
        >>> import os
        >>> name_of_instance(os.environ)
        'os.environ'
    """
    module = module_of_thing(type(instance))
    if module is None:
        return None
    for name, value in namespace_of(module).copy().items():
        if value is instance:
            return f"{name_of_module(module)}.{name}"
    return None


def _modules_of(function: FunctionType) -> Iterator[ModuleType]:
    names = dict.fromkeys((function.__module__, function.__globals__.get("__name__")))
    modules = [sys.modules.get(name or "") for name in names] + [module_of_thing(function)]
    for module in {id(module): module for module in modules}.values():
        if isinstance(module, ModuleType):
            yield module


def _names_in(module: ModuleType, function: FunctionType) -> Iterator[str]:
    """The names that lead to a function in a module, and in the classes that it defines."""
    for name, value in namespace_of(module).copy().items():
        if value is function:
            yield name
        elif is_a(value, type) and value.__module__ == module.__name__:
            yield from (f"{name}.{inner}" for inner in _names_in_class(value, function))


def _names_in_class(cls: Any, function: FunctionType) -> Iterator[str]:
    for name, value in namespace_of(cls).items():
        if value is function or called_by(value) is function:
            yield name
        else:
            yield from (
                f"{name}.{part}" for part, held in parts_of(value).items() if held is function
            )
