"""Unwraps descriptors, caches and decorators down to the function whose code really runs.

``__wrapped__`` is a claim: ``functools.wraps`` writes down whatever it is given, and a function may
borrow the name and the doc of another one. So a decorator is looked below only where the function
there is the *definition of that very name*, and where the decorator really holds it: in its
closure, in its attributes, or in the memory of a type written in C. Anything else is its own
target.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..reading.cells import content
from ..reading.descriptors import KINDS, called_by, descriptor_kind, parts_of
from ..reading.namespaces import ancestors, is_a, namespace_of
from ..reading.sources import place

if TYPE_CHECKING:
    from collections.abc import Iterable

Test = Callable[[object], bool]

# How far a decorator is looked into for what it holds: `singledispatch` keeps the function in a
# dictionary in a closure of a closure.
_DEEPEST = 4
_MOST = 200
_CONTAINERS = (dict, list, tuple)


class Unwrapped(NamedTuple):
    """What was found below.

    Attributes:
        innermost: the innermost object that could be reached.
        facts: what stays around it, for the answer line.
        caches: empties the caches that were passed on the way.
    """

    innermost: object
    facts: tuple[str, ...]
    caches: tuple[Callable[[], None], ...]


def unwrap(value: object, name: str | None, holder: object = None) -> Unwrapped:
    """Look below descriptors and decorators.

    Args:
        value: what a name leads to, not computed.
        name: that name.
        holder: the module or class that has it; where that is not known, a function is taken for
            the definition where its own name leads to the value.

    Example:
        >>> import fnmatch
        >>> cached = fnmatch._compile_pattern
        >>> unwrap(cached, "_compile_pattern", fnmatch).innermost is cached.__wrapped__
        True
        >>> claims = functools.wraps(len)(lambda value: 0)  # it never calls len
        >>> unwrap(claims, "claims").innermost is claims
        True
    """
    passed = [value]
    if not is_a(value, FunctionType):
        passed += _below_descriptors(value)
    if _may_decorate(passed[-1], name):
        passed += _to_definition(passed[-1], lambda one: _is_definition(one, name, holder, passed))
    if len(passed) == 1:
        return Unwrapped(value, (), ())
    facts: list[str] = []
    caches: list[Callable[[], None]] = []
    for wrapper in passed[:-1]:
        empty = _cache_clear(wrapper)
        if empty is not None:
            caches.append(empty)
            facts.append("its cache is emptied")
        elif is_a(wrapper, functools.cached_property):
            facts.append("values computed before stay")
        elif type(wrapper) not in KINDS:
            decorator = wrapper if is_a(wrapper, FunctionType) else type(wrapper)
            facts.append(f"the decorator at {place(decorator)} stays around it")
    return Unwrapped(passed[-1], tuple(facts), tuple(caches))


def is_made_around(function: FunctionType) -> object | None:
    """What a library's own code was made around: an attribute keeps it, and it has the same name.

    SQLAlchemy's ``__init__`` of a mapped class keeps the function that was there.
    """
    if not function.__dict__ or not is_generated(function):
        return None
    kept = (one for one in _attributes(function) if is_a(one, FunctionType, type(object.__init__)))
    return next((one for one in kept if one.__name__ == function.__name__), None)  # type: ignore[attr-defined]


def is_generated(function: FunctionType) -> bool:
    """Whether a function's globals are no module's: its text was made up and executed."""
    names = function.__globals__
    module = sys.modules.get(names.get("__name__", ""))
    is_modules = module is not None and namespace_of(module) is names
    # Of a module that was loaded anew the older functions have globals that are no module's either.
    is_made_up = "__spec__" not in names or function.__code__.co_filename.startswith("<")
    return is_made_up and not is_modules


def _below_descriptors(value: object) -> Iterator[object]:
    while not is_a(value, FunctionType) and descriptor_kind(value) is not None:
        value = called_by(value)
        yield value


def _may_decorate(value: object, name: str | None) -> bool:
    """Whether something can be a decorator's work: most values are not, and are not looked into."""
    if is_a(value, FunctionType):
        assert isinstance(value, FunctionType)
        # A function of its own name that claims nothing is the definition.
        return (
            "__wrapped__" in value.__dict__
            or (bool(value.__closure__) and name is not None and value.__name__ != name)
            or (bool(value.__dict__) and is_generated(value))
        )
    return callable(value) and not is_a(value, type, ModuleType, functools.partial)


def _to_definition(value: object, is_definition: Test) -> list[object]:
    """What is passed on the way from a decorator's work to the definition below, that last.

    Nothing where there is none.
    """
    passed: list[object] = []
    seen = {id(value)}
    while True:
        below = _decorated_by(value, is_definition)
        if below is None or id(below) in seen:
            break
        seen.add(id(below))
        passed += [below, *_below_descriptors(below)]
        value = passed[-1]
    while passed and not is_definition(passed[-1]):
        passed.pop()
    return passed


def _decorated_by(value: object, is_definition: Test) -> object | None:
    """What a decorator has got: what it names, where it holds that, or else the definition."""
    claimed: object = namespace_of(value).get("__wrapped__")
    if callable(claimed) and _held(value, lambda one: one is claimed) is not None:
        return claimed
    return _held(value, is_definition)


def _is_definition(value: object, name: str | None, holder: Any, passed: Iterable[object]) -> bool:
    """Whether a function is the definition of a name: written in its place, or led to by its own.

    Args:
        value: the function.
        name: the name.
        holder: the module or class that has it.
        passed: what the name leads to.
    """
    if not is_a(value, FunctionType):
        return False
    assert isinstance(value, FunctionType)
    if is_a(holder, ModuleType):
        is_here = value.__globals__ is holder.__dict__ and value.__qualname__ == name
    elif is_a(holder, type):
        own_name = f"{holder.__qualname__}.{name}"
        is_here = value.__module__ == holder.__module__ and value.__qualname__ == own_name
    else:
        is_here = False
    return is_here or any(one is there for one in passed for there in _at_own_name(value))


def _at_own_name(function: FunctionType) -> list[object]:
    """What the name that a function gives itself leads to."""
    found: Any = sys.modules.get(function.__module__ or "")
    for part in function.__qualname__.split("."):
        found = namespace_of(found).get(part)
    return [found, *parts_of(found).values()]


def is_held(thing: object, holder: object) -> bool:
    """Whether something really holds a thing, as a wrapper holds what it calls on.

    Example:
        >>> is_held(len, functools.partial(len)), is_held(len, functools.partial(max))
        (True, False)
    """
    return _held(holder, lambda one: one is thing) is not None


def _held(holder: object, is_wanted: Test) -> object | None:
    """The nearest thing of a kind that something really holds; None where there is none."""
    level, seen = [holder], {id(holder)}
    for _ in range(_DEEPEST):
        below = []
        for held in (held for one in level for held in _held_by(one)):
            if id(held) in seen or len(seen) > _MOST:
                continue
            if is_wanted(held):
                return held
            seen.add(id(held))
            below.append(held)
        level = below
    return None


def _held_by(value: Any) -> Iterable[object]:
    """What something holds for itself, without what it only names."""
    kind = type(value)
    if kind is FunctionType:
        held = [content(cell) for cell in value.__closure__ or ()]
        keyword_defaults = (value.__kwdefaults__ or {}).values()
        return [*held, *(value.__defaults__ or ()), *keyword_defaults, *_attributes(value)]
    if kind in _CONTAINERS:
        return list(islice(value.values() if kind is dict else value, _MOST))
    if is_a(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if is_a(value, type, ModuleType):
        return ()
    parts = parts_of(value)
    if parts:
        return list(parts.values())
    if not callable(value) or _is_called_in_python(kind):
        return _attributes(value)
    # Written in C: what its memory refers to.
    return [one for one in gc.get_referents(value) if callable(one) and not is_a(one, type)]


def _is_called_in_python(kind: type) -> bool:
    calls = (namespace_of(cls).get("__call__") for cls in ancestors(kind))
    return is_a(next(filter(None, calls), None), FunctionType)


def _attributes(value: object) -> list[object]:
    """The values of a thing's own attributes but for what it only claims."""
    return [one for name, one in namespace_of(value).copy().items() if name != "__wrapped__"]


def _cache_clear(value: object) -> Callable[[], None] | None:
    is_cache = is_a(value, functools._lru_cache_wrapper)
    return value.cache_clear if is_cache else None  # type: ignore[attr-defined]
