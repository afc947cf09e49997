"""What loading an extension puts into a webui's own data, and the way back out of it.

The data are lists, dictionaries and sets of the webui, and the attributes of modules and classes
that an extension assigns functions of its own to. All of it is compared before and after.

A comparison looks at types and at ``__dict__`` alone: an attribute of a module or of an object of
somebody's may import something or warn as soon as it is read.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from types import FunctionType, ModuleType
from typing import Any

from livepatch.engine.naming.slots import ABSENT, Attribute
from livepatch.engine.reading.descriptors import called_by
from livepatch.looking.callables import file_of

Container = Any  # a list, a dictionary or a set
Contents = Mapping[str, Container]
"""The webui's containers by words for them, as they are at a moment: a reload of its page may make
others. So what was put somewhere is known by the words, and looked for where they lead then."""

ASSIGNED = (FunctionType, classmethod, staticmethod, property)


class Put(ABC):
    """One thing that was put somewhere; taking it out and putting it back are idempotent.

    Attributes:
        where: what it was put into, in words.
        item: the thing.
    """

    where: str
    item: Any

    @abstractmethod
    def is_in(self, contents: Contents) -> bool:
        """Whether that very thing is there now."""

    @abstractmethod
    def take_out(self, contents: Contents) -> None:
        """Make it as it was before, unless someone else has changed it since."""

    @abstractmethod
    def put_back(self, contents: Contents) -> None:
        """Put the thing there again."""


@dataclass(eq=False)
class InList(Put):
    """An item of a list."""

    where: str
    item: Any
    previous: Any = ABSENT

    def is_in(self, contents: Contents) -> bool:
        """Whether the list has that very item."""
        return any(item is self.item for item in contents.get(self.where) or ())

    def take_out(self, contents: Contents) -> None:
        """Remove that very item."""
        if self.is_in(contents):
            container = contents[self.where]
            container[:] = [item for item in container if item is not self.item]

    def put_back(self, contents: Contents) -> None:
        """Behind the one that it stood behind, else at the end."""
        container = contents.get(self.where)
        if container is None or self.is_in(contents):
            return
        for position, item in enumerate(container):
            if item is self.previous:
                container.insert(position + 1, self.item)
                return
        container.insert(0 if self.previous is ABSENT else len(container), self.item)


@dataclass(eq=False)
class InDict(Put):
    """A value under a key that was not there, or had another one."""

    where: str
    item: Any
    key: Any
    old: Any = ABSENT

    def is_in(self, contents: Contents) -> bool:
        """Whether that very value is under the key."""
        return (contents.get(self.where) or {}).get(self.key, ABSENT) is self.item

    def take_out(self, contents: Contents) -> None:
        """The old value again, or none."""
        if not self.is_in(contents):
            return  # someone else's by now
        if self.old is ABSENT:
            del contents[self.where][self.key]
        else:
            contents[self.where][self.key] = self.old

    def put_back(self, contents: Contents) -> None:
        """The value under its key."""
        container = contents.get(self.where)
        if container is not None:
            container[self.key] = self.item


@dataclass(eq=False)
class InSet(Put):
    """A member of a set."""

    where: str
    item: Any

    def is_in(self, contents: Contents) -> bool:
        """Whether it is a member."""
        return self.item in (contents.get(self.where) or ())

    def take_out(self, contents: Contents) -> None:
        """Discard it."""
        if self.is_in(contents):
            contents[self.where].discard(self.item)

    def put_back(self, contents: Contents) -> None:
        """Add it."""
        container = contents.get(self.where)
        if container is not None:
            container.add(self.item)


@dataclass(eq=False)
class InAttribute(Put):
    """A function of an extension's that was assigned to a name of the webui's."""

    where: str
    item: Any
    holder: Any
    name: str
    old: Any

    def is_in(self, contents: Contents) -> bool:  # noqa: ARG002 - it is in no container
        """Whether the name has that very function."""
        return names_of(self.holder).get(self.name, ABSENT) is self.item

    def take_out(self, contents: Contents) -> None:
        """What the name had before; where someone else wrapped the function meanwhile, nothing."""
        if self.is_in(contents):
            Attribute(self.holder, self.name).write(self.old)

    def put_back(self, contents: Contents) -> None:  # noqa: ARG002
        """Assign it again."""
        Attribute(self.holder, self.name).write(self.item)


@dataclass
class Snapshot:
    """How some containers, and the names of loaded modules, were at a moment.

    Args:
        contents: lists, dictionaries and sets of the webui, by words for them.
        with_names: whether the names of modules and classes are looked at as well.
    """

    contents: Contents
    with_names: bool = True
    copies: dict[str, Any] = field(default_factory=dict)
    names: dict[int, tuple[Any, dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.copies = {where: _copy(found) for where, found in self.contents.items()}
        if self.with_names:
            self.names = {id(h): (h, {**names_of(h)}) for h in _holders()}

    def differences(self, belongs: Callable[[str], bool], contents: Contents) -> list[Put]:
        """What was put there since.

        Args:
            belongs: whether a file is the extension's: of modules and of assigned functions, which
                others may bring in meanwhile, only the extension's count.
            contents: the containers as they are now.
        """
        puts: list[Put] = []
        for where, before in self.copies.items():
            container = contents.get(where, before)
            found = _put_into(where, container, before)
            if container is sys.modules:
                found = [put for put in found if is_module_of(put.item, belongs)]
            puts += found
        for holder, names in self.names.values():
            puts += _assigned(holder, names, belongs)
        return puts


def in_place_of(
    old: Iterable[Put], new: Iterable[Put], before: Contents, contents: Contents
) -> None:
    """Put what an extension has in lists where what it had stood: the first in the first's place.

    Args:
        old: what it had; it is out.
        new: what it has; it is in, wherever.
        before: copies of the lists from when the old was in.
        contents: the lists.
    """
    for where, known in before.items():
        gone = {id(put.item) for put in old if put.where == where}
        mine = [put.item for put in new if put.where == where]
        present = contents.get(where)
        if not (isinstance(known, list) and isinstance(present, list) and gone and mine):
            continue
        ordered = _ordered(known, gone, mine, present)
        if len(ordered) == len(present) and not all(map(is_, ordered, present)):
            present[:] = ordered
        for put in new:
            if isinstance(put, InList) and put.where == where:
                at = next(n for n, item in enumerate(present) if item is put.item)
                put.previous = present[at - 1] if at else ABSENT


def _ordered(
    known: Sequence[Any], gone: set[int], mine: list[Any], present: Sequence[Any]
) -> list[Any]:
    waiting, own = [*mine], {*map(id, mine)}
    theirs = [item for item in present if id(item) not in own]
    still = {*map(id, theirs)}
    places = [position for position, item in enumerate(known) if id(item) in gone]
    ordered: list[Any] = []
    for position, item in enumerate(known):
        if id(item) in gone:
            ordered += [waiting.pop(0)] if waiting else []
            if position == places[-1]:
                ordered += waiting
        elif id(item) in still:
            ordered.append(item)
    placed = {*map(id, ordered)}
    return ordered + [item for item in theirs if id(item) not in placed]


def _copy(container: Container) -> Any:
    if isinstance(container, list):
        return [*container]
    return {**container} if isinstance(container, dict) else set(container)


def _put_into(where: str, container: Container, before: Any) -> Iterable[Put]:
    if isinstance(container, list):
        known = {*map(id, before)}
        for position, item in enumerate(list(container)):
            if id(item) not in known:
                yield InList(where, item, container[position - 1] if position else ABSENT)
    elif isinstance(container, dict):
        for key, item in list(container.items()):
            if before.get(key, ABSENT) is not item:
                yield InDict(where, item, key, before.get(key, ABSENT))
    else:
        for item in set(container) - before:
            yield InSet(where, item)


def is_module_of(module: Any, belongs: Callable[[str], bool]) -> bool:
    """Whether a module was executed from a file that belongs, or is a package of such files only.

    Args:
        module: an entry of ``sys.modules``: a module, or what somebody has put there for one.
        belongs: whether a file does.
    """
    names = names_of(module)
    file = names.get("__file__")
    if isinstance(file, str):
        return belongs(file)
    paths = names.get("__path__")
    # Of a package without a file there may be folders anywhere; it is a list or looks like one.
    return type(paths).__name__ in ("list", "_NamespacePath") and any(
        isinstance(path, str) and belongs(path) for path in paths or ()
    )


def names_of(holder: Any) -> Mapping[str, Any]:
    """The attributes of a module or class, without reading any of them."""
    of = type if issubclass(type(holder), type) else object
    try:
        names: Mapping[str, Any] = of.__getattribute__(holder, "__dict__")
    except AttributeError:
        return {}
    return names


def _assigned(holder: Any, before: dict[str, Any], belongs: Callable[[str], bool]) -> Iterable[Put]:
    present = names_of(holder)
    if len(present) == len(before) and all(
        map(is_, present.values(), before.values())
    ):  # most have not changed; their order is kept then
        return
    for name, item in list(present.items()):
        old = before.get(name, ABSENT)
        if item is old or not issubclass(type(item), ASSIGNED):
            continue
        file = file_of(called_by(item) if isinstance(item, property) else item)
        if file is not None and belongs(file):
            yield InAttribute(f"{_name(holder)}.{name}", item, holder, name, old)


def _holders() -> Iterable[Any]:
    """The loaded modules, and the classes that they define."""
    for module in sys.modules.copy().values():
        # Not isinstance(): that asks a lazy object for its __class__, and torch has some that warn
        # about themselves then (torch.distributed.reduce_op).
        if not issubclass(type(module), ModuleType):
            continue
        yield module
        names = names_of(module)
        own_name = names.get("__name__")
        for thing in list(names.values()):
            if issubclass(type(thing), type) and names_of(thing).get("__module__") == own_name:
                yield thing


def _name(holder: Any) -> str:
    if isinstance(holder, type):
        return f"{holder.__module__}.{holder.__qualname__}"
    return str(holder.__name__)
