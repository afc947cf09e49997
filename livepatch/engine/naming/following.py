"""Follows a dotted name to its thing, among the modules that the webui has loaded.

Nothing is imported, and no attribute is computed: a property is seen as a property.
"""

from __future__ import annotations

import ast
import functools
import re
from types import ModuleType
from typing import Any, NamedTuple

from ..reading.lazy import loaded_value
from ..reading.sources import place
from .modules import loaded_module, short_for
from .slots import ABSENT, HEAP_TYPE, Attribute, Item, Slot
from .unwrapping import Unwrapped, unwrap

_PART = re.compile(r"(?:\A|\.)(\w+)|\[([^\]]+)\]")


class Found(NamedTuple):
    """What a name led to.

    Attributes:
        holder: the module, class or instance, or the container, that was asked.
        name: the attribute's name, or the entry's key.
        value: what stands there.
        owner: where it stands: the holder itself, or a class that it inherits from; None where it
            is a part of a built-in object, such as a property's setter.
        slot: the place in the holder itself.
    """

    holder: Any
    name: Any
    value: Any
    owner: Any
    slot: Slot

    def unwrapped(self) -> Unwrapped:
        """What lies below descriptors and decorators there."""
        return unwrap(self.value, self.name, self.owner)


def follow(path: str) -> tuple[Found | None, int]:
    """What a dotted name leads to, and how many of its parts lead to what was asked last.

    Nothing is found where it is not a dotted name, or no module of it is loaded; where something
    lacks a part, the value is ``ABSENT``.

    Example:
        >>> import textwrap
        >>> found, depth = follow("textwrap.TextWrapper.wrap")
        >>> found.holder is textwrap.TextWrapper, depth
        (True, 2)
    """
    parts = parts_of_path(path)
    module, length = _module_in(path)
    if module is None or parts is None:
        return None, 0
    holder: Any = module
    for position in range(length, len(parts)):
        name, is_key = parts[position]
        found = _entry(holder, name) if is_key else attribute_of(holder, name)
        if found.value is ABSENT:
            break
        holder = found.value
    return found, position


def beginning(path: str, depth: int) -> str:
    """The first parts of a dotted name.

    Example:
        >>> beginning("textwrap.TextWrapper.wrap", 2)
        'textwrap.TextWrapper'
    """
    parts = (parts_of_path(path) or [])[:depth]
    text = "".join(f"[{part!r}]" if is_key else f".{part}" for part, is_key in parts)
    return text.removeprefix(".")


def lacks(prefix: str, found: Found) -> str:
    """What has nothing of a name, in words."""
    holder, name = found.holder, found.name
    if isinstance(found.slot, Item):
        return f"{prefix} (a {type(holder).__name__}) has no entry {name!r}"
    kind = "module" if isinstance(holder, ModuleType) else "class"
    if not isinstance(holder, (ModuleType, type)):
        kind, holder = "the instance", type(holder)
    return f"{kind} {prefix} ({place(holder)}) has no {name!r}"


def full_name(path: str) -> str:
    """A dotted name as it leads to its thing: one may begin with the own name of an extension.

    Returns:
        The name itself where it begins with a loaded module, or where it leads nowhere; or where
        it is short for several things.

    Example:
        >>> full_name("textwrap.dedent")
        'textwrap.dedent'
    """
    if module_of(path) is not None or parts_of_path(path) is None:
        return path
    leading = {full: follow(full)[0] for full in short_for(path)}
    things = {full: found for full, found in leading.items() if found is not None}
    there = {full: found.value for full, found in things.items() if found.value is not ABSENT}
    values = {id(value) for value in there.values()}
    return next(iter(there)) if len(values) == 1 else path


def module_of(path: str) -> ModuleType | None:
    """The loaded module that a dotted name begins with.

    Example:
        >>> module_of("textwrap.TextWrapper.wrap").__name__
        'textwrap'
    """
    return _module_in(path)[0]


def path_parts(path: str) -> list[Any]:
    """The names and keys of a dotted name behind its module.

    Example:
        >>> path_parts("textwrap.TextWrapper.wrap")
        ['TextWrapper', 'wrap']
    """
    parts = parts_of_path(path) or []
    return [name for name, _ in parts[_module_in(path)[1] :]]


def _module_in(path: str) -> tuple[ModuleType | None, int]:
    """The module that a path begins with, and how many of its parts name it."""
    for name, length in _module_names(path):
        module = loaded_module(name)
        if module is not None:
            return module, length
    return None, 0


def attribute_of(holder: Any, name: str) -> Found:
    """An attribute as it stands in a namespace, and where it stands."""
    slot = Attribute(holder, name)
    own = slot.read()
    if own is not ABSENT:
        return Found(holder, name, loaded_value(name, own), holder, slot)
    if isinstance(holder, ModuleType):
        return Found(holder, name, ABSENT, None, slot)
    if isinstance(holder, type):
        found = _inherited(holder, holder, name, slot)
        return _of_metaclass(found) if found.value is ABSENT else found
    found = _inherited(holder, type(holder), name, slot)
    if type(found.value).__name__ in ("member_descriptor", "getset_descriptor"):
        # A part of a built-in object, such as property.fset: read only, and safe to read.
        return Found(holder, name, found.value.__get__(holder), None, slot)
    return found


def _inherited(holder: Any, cls: type, name: str, slot: Slot) -> Found:
    for ancestor in cls.__mro__:
        if name in ancestor.__dict__:
            return Found(holder, name, ancestor.__dict__[name], ancestor, slot)
    return Found(holder, name, ABSENT, None, slot)


def _of_metaclass(found: Found) -> Found:
    """What a class has from a metaclass of somebody's, and not from the interpreter."""
    for metaclass in type(found.holder).__mro__:
        if metaclass.__flags__ & HEAP_TYPE and found.name in metaclass.__dict__:
            return found._replace(value=metaclass.__dict__[found.name], owner=metaclass)
    return found


def _entry(container: Any, key: Any) -> Found:
    slot = Item(container, key)
    readable = isinstance(container, (dict, list, tuple)) or hasattr(container, "__getitem__")
    value = slot.read() if readable else ABSENT
    return Found(container, key, value, container, slot)


@functools.lru_cache(maxsize=1024)
def parts_of_path(path: str) -> list[tuple[Any, bool]] | None:
    """The names and keys of a path, each with whether it is a key in brackets."""
    parts: list[tuple[Any, bool]] = []
    position = 0
    for match in _PART.finditer(path):
        if match.start() != position:
            return None
        position = match.end()
        name, key = match.groups()
        try:
            parts.append((name, False) if name else (ast.literal_eval(key), True))
        except (ValueError, SyntaxError):
            return None
    names = [name for name, is_key in parts if not is_key]
    well_formed = position == len(path) and parts and all(name.isidentifier() for name in names)
    return parts if well_formed else None


@functools.lru_cache(maxsize=1024)
def _module_names(path: str) -> tuple[tuple[str, int], ...]:
    """What the module that a path begins with may be called, the longest first.

    Each with how many of the parts it has.
    """
    parts = parts_of_path(path) or []
    leading = next((i for i, (_, is_key) in enumerate(parts) if is_key), len(parts))
    lengths = range(min(leading, len(parts) - 1), 0, -1)
    return tuple([(".".join(name for name, _ in parts[:length]), length) for length in lengths])
