"""From a dotted name to what stands there, among the modules that the webui has loaded.

Nothing is imported, and no attribute is computed: a property is seen as a property.
"""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import re
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, NoReturn

from ..changing.events import modules_named
from ..errors import TargetNotFound
from ..reading.lazy import is_pending, lazy_source, loaded_value
from ..reading.namespaces import is_a
from ..reading.sources import place
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


def look_up(asked: str, path: str) -> Found:
    """What a dotted name leads to.

    Args:
        asked: the user's request in words; empty: the nearest names are not looked for.
        path: ``package.module.Class.method``, ``module.D['key']``, ``module.Class.prop.fset``.

    Raises:
        TargetNotFound: it leads nowhere; the nearest names are offered.

    Example:
        >>> import textwrap
        >>> look_up("replace textwrap.dedent", "textwrap.dedent").value is textwrap.dedent
        True
    """
    parts = _parts(path)
    if parts is None:
        raise TargetNotFound(
            asked,
            f"{path!r} is not a dotted name",
            "write it as package.module.function, package.module.Class.method or module.D['key']",
        )
    module, length = _module_in(path)
    if module is None:
        _no_module(asked, path)
    holder: Any = module
    for position in range(length, len(parts)):
        name, is_key = parts[position]
        found = _entry(holder, name) if is_key else attribute_of(holder, name)
        if found.value is ABSENT:
            not_found(asked, _shown(parts[:position]), found)
        holder = found.value
    return found


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
    parts = _parts(path) or []
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


def loaded_module(name: str) -> ModuleType | None:
    """The loaded module of a name; ``server`` finds a ``server.py`` that runs as ``__main__``.

    A webui may load scripts that do not become entries of ``sys.modules``: it is asked for them.
    """
    module = sys.modules.get(name)
    if module is None:
        main = sys.modules.get("__main__")
        main_file = getattr(main, "__file__", None)
        if main_file and Path(main_file).stem == name:
            module = main
    if module is None:
        module = modules_named(name).get(name)
    return module if isinstance(module, ModuleType) else None


@functools.lru_cache(maxsize=1024)
def _parts(path: str) -> list[tuple[Any, bool]] | None:
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
    parts = _parts(path) or []
    leading = next((i for i, (_, is_key) in enumerate(parts) if is_key), len(parts))
    lengths = range(min(leading, len(parts) - 1), 0, -1)
    return tuple([(".".join(name for name, _ in parts[:length]), length) for length in lengths])


def _shown(parts: list[tuple[Any, bool]]) -> str:
    text = "".join(f"[{part!r}]" if is_key else f".{part}" for part, is_key in parts)
    return text.removeprefix(".")


def _no_module(asked: str, path: str) -> NoReturn:
    if not asked:
        raise TargetNotFound(asked, path, "")
    module_name, _, name = path.rpartition(".")
    refuse_unused(asked, module_name)
    loaded = {**modules_named(), **sys.modules.copy()}  # a copy: others import meanwhile
    if not module_name:
        near = _having(path)
        found = f"{path!r} names no module; a target is written package.module.function"
    else:
        first = module_name.partition(".")[0]
        found = f"no module {first!r} is loaded in this webui, and nothing is imported for a patch"
        endings = sorted(m for m in loaded if m.endswith(f".{module_name}"))
        near = [f"{m}.{name}" for m in endings if name in getattr(loaded[m], "__dict__", ())]
        near = near or _having(name) or difflib.get_close_matches(module_name, sorted(loaded))
    raise TargetNotFound(asked, found, _did_you_mean(near, "load the module in the webui first"))


def _having(name: str) -> list[str]:
    """Dotted names in the loaded modules that end in ``name``, where it is defined."""
    found = []
    for module_name, module in sorted(sys.modules.copy().items()):  # others import meanwhile
        value = getattr(module, "__dict__", {}).get(name)
        if is_a(value, FunctionType, type) and value.__module__ == module_name:
            found.append(f"{module_name}.{name}")
    return found


def not_found(asked: str, prefix: str, found: Found) -> NoReturn:
    """Raise that a holder, at the name ``prefix``, has nothing of that name; offer the nearest."""
    if not asked:
        raise TargetNotFound(asked, prefix, "")
    holder, name = found.holder, found.name
    refuse_pending(asked, prefix, holder, str(name))
    if isinstance(found.slot, Item):
        raise TargetNotFound(
            asked,
            f"{prefix} (a {type(holder).__name__}) has no entry {name!r}",
            f"look at what it has: list({prefix})",
        )
    if isinstance(holder, ModuleType) and hasattr(holder, "__path__"):
        refuse_unused(asked, f"{holder.__name__}.{name}")
    kind = "module" if isinstance(holder, ModuleType) else "class"
    if not isinstance(holder, (ModuleType, type)):
        kind, holder = "the instance", type(holder)
    names = [key for key in dir(holder) if not key.startswith("__")]
    near = [f"{prefix}.{n}" for n in difflib.get_close_matches(name, names)] or _having(name)[:3]
    raise TargetNotFound(
        asked,
        f"{kind} {prefix} ({place(holder)}) has no {name!r}",
        _did_you_mean(near, f"look at what it has: dir({prefix})"),
    )


def refuse_unused(asked: str, path: str) -> None:
    """Raise where a module of a dotted name waits to be imported by its first use."""
    parts = path.split(".")
    names = (".".join(parts[: length + 1]) for length in range(len(parts)))
    pending = next(filter(is_pending, names), None)
    if pending is not None:
        raise TargetNotFound(
            asked,
            f"module {pending!r} is a lazy import that nothing has used yet, and nothing is "
            "imported for a patch",
            f"import it in the webui first: import {pending}",
        )


def refuse_pending(asked: str, path: str, value: object, further: str = "") -> None:
    """Raise where a name is a lazy import that nothing has used yet: what it is cannot be told."""
    source = lazy_source(value)
    if source is not None:
        raise TargetNotFound(
            asked,
            f"{path} is a lazy import of {source}, which is not loaded yet, and nothing is "
            "imported for a patch",
            f"load it in the webui, by a use of {path}; then name "
            f"{source}{f'.{further}' if further else ''}",
        )


def _did_you_mean(near: list[str], otherwise: str) -> str:
    return f"did you mean {' or '.join(near[:3])}?" if near else otherwise


def what_is(value: object) -> str:
    """A value in words: what it is, and where it comes from.

    Example:
        >>> what_is(3)
        'a value of type int (3)'
    """
    source = lazy_source(value)
    if source is not None:
        return f"a lazy import of {source}"
    if inspect.isbuiltin(value) or inspect.ismethoddescriptor(value):
        return "built in (written in C)"
    if isinstance(value, type):
        return f"a class ({place(value)})"
    if isinstance(value, ModuleType):
        return f"a module ({place(value)})"
    if isinstance(value, FunctionType):
        return f"a function ({place(value)})"
    if callable(value):
        return f"a callable instance of {type(value).__qualname__} ({place(type(value))})"
    # No repr of a stranger: it may be slow, or raise, or print a model's weights.
    simple = type(value).__repr__ in _PLAIN_REPRS
    text = repr(value) if simple else ""
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    return f"a value of type {type(value).__name__}{f' ({shown})' if shown else ''}"


_PLAIN_REPRS = {t.__repr__ for t in (int, float, complex, str, bytes, bool, type(None))}
