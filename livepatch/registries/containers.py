"""What loading an extension puts into a webui's own data, and the way back out of it.

The data are lists, dictionaries and sets of the webui, and the attributes of modules and classes
that an extension assigns functions of its own to. All of it is compared before and after.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from operator import is_
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.naming.slots import ABSENT, Attribute
from livepatch.engine.reading.descriptors import called_by
from livepatch.looking.callables import file_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Put(ABC):
    """One thing that was put somewhere; taking it out and putting it back are idempotent.

    Attributes:
        where: what it was put into, in words.
        item: the thing.
    """

    where: str
    item: Any

    @abstractmethod
    def take_out(self) -> None:
        """Make it as it was before, unless someone else has changed it since."""

    @abstractmethod
    def put_back(self) -> None:
        """Put the thing there again."""


@dataclass(eq=False)
class InList(Put):
    """An item of a list."""

    where: str
    item: Any
    container: list[Any]
    previous: Any = ABSENT

    def take_out(self) -> None:
        """Remove that very item."""
        self.container[:] = [item for item in self.container if item is not self.item]

    def put_back(self) -> None:
        """Behind the one that it stood behind, else at the end."""
        if any(item is self.item for item in self.container):
            return
        for position, item in enumerate(self.container):
            if item is self.previous:
                self.container.insert(position + 1, self.item)
                return
        self.container.insert(0 if self.previous is ABSENT else len(self.container), self.item)


@dataclass(eq=False)
class InDict(Put):
    """A value under a key that was not there, or had another one."""

    where: str
    item: Any
    container: Any
    key: Any
    old: Any = ABSENT

    def take_out(self) -> None:
        """The old value again, or none."""
        if self.container.get(self.key, ABSENT) is not self.item:
            return  # someone else's by now
        if self.old is ABSENT:
            del self.container[self.key]
        else:
            self.container[self.key] = self.old

    def put_back(self) -> None:
        """The value under its key."""
        self.container[self.key] = self.item


@dataclass(eq=False)
class InSet(Put):
    """A member of a set."""

    where: str
    item: Any
    container: set[Any]

    def take_out(self) -> None:
        """Discard it."""
        self.container.discard(self.item)

    def put_back(self) -> None:
        """Add it."""
        self.container.add(self.item)


@dataclass(eq=False)
class InAttribute(Put):
    """A function of an extension's that was assigned to a name of the webui's."""

    where: str
    item: Any
    holder: Any
    name: str
    old: Any

    def take_out(self) -> None:
        """What the name had before; where someone else wrapped the function meanwhile, nothing."""
        if vars(self.holder).get(self.name, ABSENT) is self.item:
            Attribute(self.holder, self.name).write(self.old)

    def put_back(self) -> None:
        """Assign it again."""
        Attribute(self.holder, self.name).write(self.item)


Container = Any  # a list, a dictionary or a set


@dataclass
class Snapshot:
    """How some containers, and the names of loaded modules, were at a moment.

    Args:
        containers: lists, dictionaries and sets of the webui, by words for them.
        with_names: whether the names of modules and classes are looked at as well.
    """

    containers: Mapping[str, Container]
    with_names: bool = True
    copies: dict[str, Any] = field(default_factory=dict)
    names: dict[int, tuple[Any, dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.copies = {where: _copy(found) for where, found in self.containers.items()}
        if self.with_names:
            self.names = {id(h): (h, dict(vars(h))) for h in _holders()}

    def differences(self, belongs: Callable[[str], bool]) -> list[Put]:
        """What was put there since.

        Args:
            belongs: whether a file is the extension's: of modules and of assigned functions, which
                others may bring in meanwhile, only the extension's count.
        """
        puts: list[Put] = []
        for where, container in self.containers.items():
            puts += _put_into(where, container, self.copies[where])
        puts = [put for put in puts if not _is_elses_module(put, belongs)]
        for holder, before in self.names.values():
            puts += _assigned(holder, before, belongs)
        return puts


def _copy(container: Container) -> Any:
    if isinstance(container, list):
        return [*container]
    return {**container} if isinstance(container, dict) else set(container)


def _put_into(where: str, container: Container, before: Any) -> Iterable[Put]:
    if isinstance(container, list):
        known = {*map(id, before)}
        for position, item in enumerate(list(container)):
            if id(item) not in known:
                yield InList(
                    where, item, container, container[position - 1] if position else ABSENT
                )
    elif isinstance(container, dict):
        for key, item in list(container.items()):
            if before.get(key, ABSENT) is not item:
                yield InDict(where, item, container, key, before.get(key, ABSENT))
    else:
        for item in set(container) - before:
            yield InSet(where, item, container)


def _is_elses_module(put: Put, belongs: Callable[[str], bool]) -> bool:
    if not isinstance(put, InDict) or put.container is not sys.modules:
        return False
    file = getattr(put.item, "__file__", None)
    return not (isinstance(file, str) and belongs(file))


def _assigned(holder: Any, before: dict[str, Any], belongs: Callable[[str], bool]) -> Iterable[Put]:
    present = vars(holder)
    if len(present) == len(before) and all(
        map(is_, present.values(), before.values())
    ):  # most have not changed; their order is kept then
        return
    for name, item in list(present.items()):
        old = before.get(name, ABSENT)
        if item is old or not isinstance(item, (FunctionType, classmethod, staticmethod, property)):
            continue
        file = file_of(called_by(item) if isinstance(item, property) else item)
        if file is not None and belongs(file):
            yield InAttribute(f"{_name(holder)}.{name}", item, holder, name, old)


def _holders() -> Iterable[Any]:
    """The loaded modules, and the classes that they define."""
    for module in sys.modules.copy().values():
        if not isinstance(module, ModuleType):
            continue
        yield module
        for thing in list(vars(module).values()):
            if isinstance(thing, type) and thing.__module__ == module.__name__:
                yield thing


def _name(holder: Any) -> str:
    if isinstance(holder, type):
        return f"{holder.__module__}.{holder.__qualname__}"
    return str(holder.__name__)
