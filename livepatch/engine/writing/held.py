"""Finds where new code holds its own target, so that it gets the webui's code there.

A closure cell, a default value, a partial, a cache may lead from the new code to the very function
that it is for, and the webui's next call would run in a circle. So what the new code holds is
looked through, and what leads there is made again around the webui's own code. A list, a
dictionary or an object belongs to others as well, who may change it: it is not copied behind their
back but refused, with the way on which the target was found.

What code looks up by a name as it runs is not held: an attribute of a module or a class, a name of
the target's own module. There the new code is meant, as everywhere in the webui; where it could
only go round in a circle, ``endless`` refuses it.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from itertools import islice
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import PatchRefused
from ..naming.slots import PartialCall
from ..reading.cells import content
from ..reading.namespaces import ancestors, is_a, namespace_of
from ..switching.codes import global_names, names_in
from ..switching.state import clone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

    from ..naming.targets import Target

_MOST = 1_000  # things that are looked into
_MOST_ITEMS = 200
_CONTAINERS = (list, dict, set, frozenset)
_PLAIN = frozenset(
    (int, float, str, bytes, bool, type(None), ModuleType, type, BuiltinFunctionType)
)
_Cache: Any = type(functools.cache(lambda: None))
_BARE = _PLAIN | {*_CONTAINERS, tuple, MethodType}  # none of their attributes is of interest
_EMPTY = object()


class _Held(NamedTuple):
    """What something holds.

    Attributes:
        value: the thing.
        written: how one would write that, with braces for what holds it.
        is_fixed: whether nothing else can be put there.
    """

    value: Any
    written: str
    is_fixed: bool = False


class Below:
    """Makes what holds a target again, around the webui's own code.

    Args:
        asked: the user's request in words.
        target: the function that the new code is for.
        original: a function with the webui's own code of it.
    """

    def __init__(self, asked: str, target: Target, original: FunctionType) -> None:
        self.asked = asked
        self.path = target.path
        self.original = original
        self._targets = {id(target.function)}
        if target.override is not None and isinstance(target.override.slot, PartialCall):
            self._targets.add(id(target.override.value))  # it stays the object that it is
        # By identity, of things that are kept here so that nothing else gets the same.
        self._seen: dict[int, Any] = {}
        self._holders: dict[int, list[int]] = {}
        self._leading = set(self._targets)
        self._made: dict[int, Any] = {}

    def meaning(self, value: Any, written: str = "the new code") -> Any:
        """What a value means in the new code: itself, where it does not lead to the target.

        Args:
            value: the new code, or what one of its names stands for.
            written: how one would write it.

        Raises:
            PatchRefused: it holds the target where nothing else can be put.
        """
        return self._again(value, written) if self._leads_there(value) else value

    def names_of(self, function: FunctionType) -> set[str]:
        """The global names of a function that lead to the target, where they are not the module's.

        Raises:
            PatchRefused: as for ``meaning``.
        """
        own = function.__globals__
        if own is self.original.__globals__:
            return set()
        names = [n for n in names_in(function.__code__) if type(own.get(n)) not in _PLAIN]
        found = self.names_among(own, names, function.__code__) if names else set()
        # Reading the instructions takes a while, and most names are attributes.
        return found & global_names(function.__code__) if found else found

    def names_among(
        self, namespace: dict[str, Any], names: Iterable[str], code: CodeType
    ) -> set[str]:
        """Those of some names that lead to the target.

        Args:
            namespace: what they stand for.
            names: the names.
            code: what uses them, to see which of their attributes it asks for.

        Raises:
            PatchRefused: as for ``meaning``.
        """
        leading, asked = set(), set(names_in(code))
        for name in names:
            for held in _with_attributes(namespace[name], name, asked):
                if self._leads_there(held.value):
                    if held.is_fixed:
                        self.refuse(held.value, held.written)
                    self.meaning(held.value, held.written)
                    leading.add(name)
        return leading

    def _leads_there(self, value: Any) -> bool:
        """Whether something is the target, or holds it, however deep and in whatever circle."""
        if type(value) in _PLAIN or _holds_nothing(value):
            return id(value) in self._targets
        todo = deque([value])
        while todo and len(self._seen) < _MOST:
            holder = todo.popleft()
            if id(holder) in self._seen or id(holder) in self._targets:
                continue
            self._seen[id(holder)] = holder
            for held in _held_by(holder):
                if type(held.value) in _PLAIN:
                    continue
                self._holders.setdefault(id(held.value), []).append(id(holder))
                if id(held.value) in self._leading:
                    self._note_leading(id(holder))
                todo.append(held.value)
        return self._is_known_to_lead(value)

    def _note_leading(self, holder: int) -> None:
        """What leads there, and with it all that hold it."""
        todo = [holder]
        while todo:
            one = todo.pop()
            if one not in self._leading:
                self._leading.add(one)
                todo.extend(self._holders.get(one, ()))

    def _is_known_to_lead(self, value: Any) -> bool:
        return id(value) in self._leading

    def _again(self, value: Any, written: str) -> Any:
        if id(value) in self._targets:
            return self.original
        if not self._is_known_to_lead(value):
            return value
        if id(value) in self._made:
            return self._made[id(value)]
        for held in _held_by(value):
            if held.is_fixed and self._is_known_to_lead(held.value):
                self.refuse(held.value, held.written.replace("{}", written))
        made: Any
        kind = type(value)
        if kind is FunctionType:
            made = self._function(value)
        elif kind is functools.partial:
            keywords = {k: self._again(v, f"{written}.keywords") for k, v in value.keywords.items()}
            arguments = [self._again(item, f"{written}.args") for item in value.args]
            func = self._again(value.func, f"{written}.func")
            made = functools.partial(func, *arguments, **keywords)
        elif kind is _Cache:
            inner = self._again(value.__wrapped__, written)
            made = functools.lru_cache(**value.cache_parameters())(inner)
        elif kind is tuple:
            made = tuple([self._again(item, f"{written}[…]") for item in value])
        elif kind is MethodType:
            made = MethodType(self._again(value.__func__, written), value.__self__)
        else:
            made = MethodType(self._again(_call_of(value), f"{written}.__call__"), value)
        self._made[id(value)] = made
        return made

    def _function(self, function: FunctionType) -> FunctionType:
        """A copy of a function that holds the original instead."""
        own = function.__closure__ or ()
        cells = [CellType() if self._is_known_to_lead(content(c)) else c for c in own]
        copy = self._made[id(function)] = clone(function, tuple(cells) if own else None)
        for name, old, new in zip(function.__code__.co_freevars, own, cells, strict=True):
            if old is not new:
                new.cell_contents = self._again(old.cell_contents, name)
        for defaults in filter(self._any_leads, [function.__defaults__ or ()]):
            copy.__defaults__ = tuple([self._again(d, "a default value") for d in defaults])
        named = function.__kwdefaults__ or {}
        if self._any_leads(named.values()):
            copy.__kwdefaults__ = {name: self._again(d, name) for name, d in named.items()}
        constants = function.__code__.co_consts
        if self._any_leads(c for c in constants if type(c) is FunctionType):
            again = [self._again(c, "it") if type(c) is FunctionType else c for c in constants]
            copy.__code__ = function.__code__.replace(co_consts=tuple(again))
        return copy

    def _any_leads(self, values: Iterable[Any]) -> bool:
        return any(map(self._is_known_to_lead, values))

    def refuse(self, value: Any, written: str) -> NoReturn:
        """Say where the target is found: the shortest way to it.

        Args:
            value: what is, or leads to, the target.
            written: how one would write it.

        Raises:
            PatchRefused: always.
        """
        ways, seen = deque([(value, written)]), {id(value)}
        while ways:
            value, written = ways.popleft()
            if id(value) in self._targets:
                break
            for held in _held_by(value):
                if self._is_known_to_lead(held.value) and id(held.value) not in seen:
                    seen.add(id(held.value))
                    inside = f"{written}, there in {held.written}"  # a variable of a function
                    inside = held.written.replace("{}", written) if "{}" in held.written else inside
                    ways.append((held.value, inside))
        raise PatchRefused(
            self.asked,
            f"the new code holds {self.path} itself, in {written}: it would call itself "
            "without end",
            "use lp.wrap instead, whose `original` is the webui's code, or put the function into a "
            "variable of its own",
        )


def _holds_nothing(value: Any) -> bool:
    """Whether it is a function that has nothing but its code, as most new code is."""
    return (
        type(value) is FunctionType
        and not (value.__closure__ or value.__defaults__ or value.__kwdefaults__)
        and FunctionType not in map(type, value.__code__.co_consts)
    )


def _held_by(value: Any) -> Iterator[_Held]:
    """What something holds that a call of it may run."""
    kind = type(value)
    if kind is FunctionType:
        yield from _held_by_function(value)
    elif kind is functools.partial:
        yield _Held(value.func, "{}.func")
        yield from (_Held(item, f"{{}}.args[{n}]") for n, item in enumerate(value.args))
        yield from (_Held(item, f"{{}}.keywords[{k!r}]") for k, item in value.keywords.items())
    elif kind is _Cache:
        yield _Held(value.__wrapped__, "{}.__wrapped__")
    elif kind is tuple:
        yield from (_Held(item, f"{{}}[{n}]") for n, item in enumerate(value))
    elif kind is dict:
        for key, item in islice(value.copy().items(), _MOST_ITEMS):
            shown = key if type(key) in (str, int) else "…"
            yield _Held(item, f"{{}}[{shown!r}]", is_fixed=True)
    elif kind in _CONTAINERS:
        items = islice(tuple(value), _MOST_ITEMS)
        yield from (_Held(item, f"{{}}[{n}]", is_fixed=True) for n, item in enumerate(items))
    elif not is_a(value, type):
        call, bound_to = _call_of(value), value
        if kind is MethodType:
            call, bound_to = value.__func__, value.__self__
        if type(call) is FunctionType:
            yield _Held(call, "{}")
            asked = set(names_in(call.__code__))
            attributes = _with_attributes(bound_to, "{}", asked)
            yield from (held for held in attributes if held.is_fixed)


def _held_by_function(function: FunctionType) -> Iterator[_Held]:
    code, closure, defaults = function.__code__, function.__closure__, function.__defaults__
    variables = {}
    if closure:
        variables = dict(zip(code.co_freevars, map(content, closure), strict=True))
    if defaults:
        first = code.co_argcount - len(defaults)
        variables.update(zip(code.co_varnames[first : code.co_argcount], defaults, strict=True))
    variables.update(function.__kwdefaults__ or ())
    asked: set[str] | None = None  # most hold nothing that could lead anywhere
    for name, value in variables.items():
        if type(value) not in _PLAIN:
            asked = asked or set(names_in(code))
            yield from _with_attributes(value, name, asked)
    for constant in code.co_consts:
        if type(constant) is FunctionType:  # it is a trampoline, and runs that
            yield _Held(constant, "{}")


def _with_attributes(value: Any, written: str, asked: set[str], depth: int = 0) -> Iterator[_Held]:
    """A value that code has under a name, and those attributes of it that the code names."""
    yield _Held(value, written, is_fixed=depth > 0)
    if depth > 1 or type(value) in _BARE or is_a(value, type, ModuleType):
        return
    own = namespace_of(value)
    if type(value) is FunctionType and not own:
        return
    members = {name: _of_class(value, name) for name in asked if name not in own}
    # Its methods ask for more.
    methods = [member for member in members.values() if type(member) is FunctionType]
    more = {name for method in methods for name in names_in(method.__code__)} - asked
    members.update((name, _of_class(value, name)) for name in more if name not in own)
    for name in asked | more:
        attribute = own.get(name, _EMPTY)
        if type(members.get(name)) is MemberDescriptorType:
            with contextlib.suppress(AttributeError):  # a slot that is empty
                attribute = members[name].__get__(value)
        if attribute is not _EMPTY:
            yield from _with_attributes(attribute, f"{written}.{name}", asked, depth + 1)


def _of_class(value: Any, name: str) -> Any:
    """What the class of an object has under a name."""
    for cls in ancestors(type(value)):
        own = namespace_of(cls)
        if name in own:
            return own[name]
    return None


def _call_of(value: Any) -> Any:
    """What a call of an object runs."""
    return _of_class(value, "__call__")
