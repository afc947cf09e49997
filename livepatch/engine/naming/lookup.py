"""Looks a dotted name up; where it leads nowhere, says why and offers the nearest names."""

from __future__ import annotations

import difflib
import inspect
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, NoReturn

from ..errors import TargetNotFound
from ..reading.lazy import is_pending, lazy_source
from ..reading.namespaces import is_a, namespace_of
from ..reading.sources import place
from .following import beginning, follow, full_name, lacks, parts_of_path
from .modules import named_modules
from .slots import ABSENT, Item

if TYPE_CHECKING:
    from .following import Found


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
    if parts_of_path(path) is None:
        raise TargetNotFound(
            asked,
            f"{path!r} is not a dotted name",
            "write it as package.module.function, package.module.Class.method or module.D['key']",
        )
    path = full_name(path)
    found, depth = follow(path)
    if found is None:
        _no_module(asked, path)
    if found.value is ABSENT:
        not_found(asked, beginning(path, depth), found)
    return found


def _no_module(asked: str, path: str) -> NoReturn:
    if not asked:
        raise TargetNotFound(asked, path, "")
    module_name, _, name = path.rpartition(".")
    refuse_unused(asked, module_name)
    loaded = named_modules()
    if not module_name:
        near = _having(path)
        found = f"{path!r} names no module; a target is written package.module.function"
    else:
        first = module_name.partition(".")[0]
        found = f"no module {first!r} is loaded in this webui, and nothing is imported for a patch"
        endings = sorted(m for m in loaded if m.endswith(f".{module_name}"))
        near = [f"{m}.{name}" for m in endings if name in namespace_of(loaded[m])]
        for m in [] if near else endings:
            close = difflib.get_close_matches(name, namespace_of(loaded[m]))
            near += [f"{m}.{n}" for n in close]
        near = near or _having(name) or difflib.get_close_matches(module_name, sorted(loaded))
    raise TargetNotFound(asked, found, _did_you_mean(near, "load the module in the webui first"))


def _having(name: str) -> list[str]:
    """Dotted names in the loaded modules that end in ``name``, where it is defined."""
    found = []
    for module_name, module in sorted(named_modules().items()):
        value = namespace_of(module).get(name)
        is_own = is_a(value, FunctionType, type)
        if is_own and value.__module__ == namespace_of(module).get("__name__"):
            found.append(f"{module_name}.{name}")
    return found


def not_found(asked: str, prefix: str, found: Found) -> NoReturn:
    """Raise that a holder, at the name ``prefix``, has nothing of that name; offer the nearest."""
    if not asked:
        raise TargetNotFound(asked, prefix, "")
    holder, name = found.holder, found.name
    refuse_pending(asked, prefix, holder, str(name))
    if isinstance(found.slot, Item):
        advice = f"look at what it has: list({prefix})"
        raise TargetNotFound(asked, lacks(prefix, found), advice)
    if isinstance(holder, ModuleType) and hasattr(holder, "__path__"):
        refuse_unused(asked, f"{holder.__name__}.{name}")
    said = lacks(prefix, found)
    if not isinstance(holder, (ModuleType, type)):
        holder = type(holder)
    names = [key for key in dir(holder) if not key.startswith("__")]
    near = [f"{prefix}.{n}" for n in difflib.get_close_matches(name, names)] or _having(name)[:3]
    raise TargetNotFound(
        asked,
        said,
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
            f"use {path} once in the webui, which loads it; then name "
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
