"""Stores: the data in which a webui keeps what it calls at one hook point.

An adapter describes its webui's data by these classes, or by subclasses of them. They know nothing
of layers, owners or undo.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import is_
from types import ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.naming.slots import ABSENT, Attribute
from livepatch.engine.reading.descriptors import rebuilt
from livepatch.looking.callables import file_of, name_of, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, MutableMapping, Sequence

    from .registering import Registering

EVERYTHING = frozenset({"add", "replace", "mute", "move", "remove"})


class Store(ABC):
    """What the webui calls at one point.

    An *item* is what stands in the webui's data for one callable; the webui's own items are put
    back as the very objects they were.

    Attributes:
        event: the name of the event or hook.
        path: what it is, in words: ``callbacks of step``.
        key: tells it from all other stores for as long as the webui's data lives.
        verbs: what can be done there.
        note: what has to be said of how it is called.
        folded: whether a table of all events only counts its registrations.
    """

    verbs: frozenset[str] = EVERYTHING
    note: str = ""
    folded: bool = False

    def __init__(self, event: str, path: str, key: Hashable) -> None:
        self.event = event
        self.path = path
        self.key = key

    @abstractmethod
    def read(self) -> list[Any]:
        """The items in the order in which the webui calls them."""

    @abstractmethod
    def write(self, items: Sequence[Any]) -> None:
        """Make the webui call these items, in this order, from its next call on."""

    @abstractmethod
    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:
        """A new item.

        Args:
            callback: what shall be called.
            name: what the webui shall call it.
            like: the item it takes the place of, or the holder it is for, or None.
        """

    def exchanged(self, item: Any, around: Callable[[Any], Any]) -> Any:
        """An item that differs from another in what is called only.

        Args:
            item: the other one.
            around: makes what is called of what the other one calls.
        """
        return self.make(around(self.callback_of(item)), self.name_of(item), item)

    def identity(self, item: Any) -> Hashable:
        """Tells an item from others; the item lives for as long as it is compared."""
        return id(item)

    def own_items(self) -> list[Any] | None:
        """The items as they would be without us, where the webui has made its data anew.

        None: it has not since :meth:`settle`; what is there is ours, and what others did to it.
        """
        return None

    def settle(self) -> None:  # noqa: B027 - most have nothing to forget
        """What the webui has now is taken in: forget what it has let go of."""

    def is_registering(self) -> bool:
        """Whether the webui has begun to make its data anew, and has not finished."""
        return False

    def take_as_it_is(self) -> None:  # noqa: B027 - most never wait for the webui
        """What is there now is whole: it was we who took out the rest."""

    def again(self, item: Any) -> Hashable:
        """What an item of the webui's is known by when the webui registers it anew."""
        return self.name_of(item), name_of(self.callback_of(item)), self.file_of(item)

    def follows(self, old: Any, new: Any) -> bool:  # noqa: ARG002
        """Whether an item that is known by the same is the webui's again, not somebody else's."""
        return True

    def renewed(self, item: Any, name: str) -> Any:  # noqa: ARG002
        """An item of ours for data that the webui has made anew."""
        return item

    def missing(self, item: Any) -> str:  # noqa: ARG002
        """Why an item of the webui's that we changed is not there."""
        return "the webui has not registered it again"

    def homeless(self, item: Any) -> str:  # noqa: ARG002
        """Why the webui has no place for an item of ours now; empty where it has one."""
        return ""

    def in_the_way(self, item: Any, own: Any) -> str:  # noqa: ARG002
        """Why an item of ours cannot be there beside one of the webui's; empty where it can."""
        return ""

    def callback_of(self, item: Any) -> Any:
        """What is called."""
        return item

    def name_of(self, item: Any) -> str:
        """What the webui calls it."""
        return name_of(self.callback_of(item))

    def file_of(self, item: Any) -> str | None:
        """The file that registered it."""
        return file_of(self.callback_of(item))

    def holders(self) -> dict[str, Any]:
        """What can have such a hook, by name; empty where the webui keeps a list."""
        return {}


class ListStore(Store):
    """A list in a dictionary or namespace: ``callback_map["callbacks_step"]``.

    Args:
        event: the name of the event.
        path: what it is, in words.
        mapping: the dictionary that has the list.
        key: the list's key there.
        backwards: whether the webui calls the last one first.
        walked: whether the webui walks along the list itself while it calls. Then a new list takes
            its place, so that calls under way go on along the old one; otherwise the list is
            changed in place, for whoever else holds it.
        registering: of a webui that drops everything and registers anew, what tells of it.
    """

    def __init__(
        self,
        event: str,
        path: str,
        mapping: MutableMapping[Any, Any],
        key: Any,
        *,
        backwards: bool = False,
        walked: bool = False,
        registering: Registering | None = None,
    ) -> None:
        super().__init__(event, path, ("list", id(mapping), key))
        self.mapping = mapping
        self.list_key = key
        self.backwards = backwards
        self.walked = walked
        self.registering = registering
        self._times = registering.times if registering is not None else 0
        self.own: list[Any] | None = None
        if backwards:
            self.note = "the last one registered is called first"

    def read(self) -> list[Any]:
        """The list, turned round where the webui does so."""
        return self.turned(self.mapping.get(self.list_key) or ())

    def write(self, items: Sequence[Any]) -> None:
        """Put another list there, or change the list in place."""
        wanted, present = self.turned(items), self.mapping.get(self.list_key)
        if not self.walked and present is not None:
            present[:] = wanted
            return
        if self.own is None or present is not self.last_put:
            self.own = present if present is not None else []
        # Back at what the webui had: its own list, not a copy, for whoever holds it.
        same = len(self.own) == len(wanted) and all(map(is_, self.own, wanted))
        self.last_put = self.own if same else wanted
        self.mapping[self.list_key] = self.last_put

    def is_registering(self) -> bool:
        """Whether the webui has dropped everything and not registered all of it yet."""
        return self.registering is not None and self.registering.is_under_way()

    def take_as_it_is(self) -> None:
        """It was we who took out the rest: the webui is not about to register it."""
        if self.registering is not None:
            self.registering.take_as_it_is()

    def own_items(self) -> list[Any] | None:
        """What it has registered anew: none of ours is among that."""
        is_anew = self.registering is not None and self.registering.times != self._times
        return self.read() if is_anew else None

    def settle(self) -> None:
        """What it has registered anew is taken in."""
        if self.registering is not None:
            self._times = self.registering.times

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:  # noqa: ARG002
        """The callable itself."""
        return callback

    def turned(self, items: Sequence[Any]) -> list[Any]:
        """Items from the webui's order to the order of calls, or the other way."""
        return list(reversed(items)) if self.backwards else list(items)

    last_put: Any = None


class UnknownStore(Store):
    """What stands where a registry was expected: its callables are shown, nothing is changed.

    Args:
        event: the name of the event.
        path: what it is, in words.
        thing: what stands there.
    """

    verbs = frozenset()

    def __init__(self, event: str, path: str, thing: object) -> None:
        super().__init__(event, path, ("unknown", id(thing), event))
        self.thing = thing
        self.note = f"of an unknown shape ({type(thing).__name__}): livepatch can only show it"

    def read(self) -> list[Any]:
        """The callables in it, where it can be walked along."""
        thing: Any = self.thing
        values = thing.values() if isinstance(thing, Mapping) else thing
        if isinstance(values, str) or not isinstance(values, Iterable):
            return []
        return [item for item in list(values) if callable(self.callback_of(item))]

    def write(self, items: Sequence[Any]) -> None:
        """Nothing: what it would do there is not known."""

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:  # noqa: ARG002
        """The callable itself."""
        return callback

    def callback_of(self, item: Any) -> Any:
        """What the item has as its callback, else the item."""
        return getattr(item, "callback", item)


@dataclass(frozen=True, eq=False)
class Entry:
    """An item of a dictionary."""

    key: Any
    value: Any


class DictStore(Store):
    """The values of an ordered dictionary, such as a torch module's ``_forward_hooks``."""

    def __init__(self, event: str, path: str, entries: MutableMapping[Any, Any]) -> None:
        super().__init__(event, path, ("dict", id(entries)))
        self.entries = entries

    def read(self) -> list[Any]:
        """Key and value of each, in the dictionary's order."""
        return [Entry(key, value) for key, value in list(self.entries.items())]

    def write(self, items: Sequence[Any]) -> None:
        """Put the items in, each under its own key, in their order."""
        wanted = {item.key: item.value for item in items}
        for key in list(self.entries):
            if key not in wanted:
                del self.entries[key]
        if list(self.entries) != list(wanted)[: len(self.entries)]:
            self.entries.clear()
        self.entries.update(wanted)

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:  # noqa: ARG002
        """The callable under a key of its own; torch's are numbers that count up from 0."""
        numbers = [key for key in self.entries if isinstance(key, int)]
        return Entry(min([0, *numbers]) - 1, callback)

    def exchanged(self, item: Any, around: Callable[[Any], Any]) -> Any:
        """Another callable under the same key, by which torch knows what more it wants."""
        return Entry(item.key, around(item.value))

    def identity(self, item: Any) -> Hashable:
        """Key and value."""
        return item.key, id(item.value)

    def callback_of(self, item: Any) -> Any:
        """The value."""
        return item.value


@dataclass(frozen=True, eq=False)
class Method:
    """An item of an attribute store: what one holder has under the hook's name."""

    holder: Any
    value: Any


@dataclass(frozen=True, eq=False)
class _Changed:
    """What a holder was given by us; it is kept for as long as that is known by its identity."""

    holder: Any
    slot: Attribute
    before: Any
    written: Any

    def is_as_written(self) -> bool:
        """Whether nobody has assigned something else since."""
        return self.slot.read() is self.written


class AttributeStore(Store):
    """One hook that several holders may have under one name: script classes, extension modules.

    Args:
        event: the name of the hook, which is the attribute's.
        path: what it is, in words.
        holders: who may have it, by name, in the order of the calls.
        nothing: of classes, what the base class has in its place: not a hook.
        key: tells it from the stores of other sets of holders.
    """

    verbs = EVERYTHING - {"move"}

    def __init__(
        self,
        event: str,
        path: str,
        holders: Callable[[], dict[str, Any]],
        key: Hashable,
        nothing: Any = ABSENT,
    ) -> None:
        super().__init__(event, path, ("attribute", key, event))
        self._holders = holders
        self.nothing = nothing
        self._changed: dict[int, _Changed] = {}

    def holders(self) -> dict[str, Any]:
        """Who may have the hook, by name."""
        return self._holders()

    def read(self) -> list[Any]:
        """The holders that have it."""
        found = [(holder, self._value(holder)) for holder in self._holders().values()]
        return [Method(holder, value) for holder, value in found if value is not ABSENT]

    def own_items(self) -> list[Any]:
        """The holders that have it by themselves: each tells what it had before us."""
        found = [(holder, self._own_value(holder)) for holder in self._holders().values()]
        return [Method(holder, value) for holder, value in found if value is not ABSENT]

    def write(self, items: Sequence[Any]) -> None:
        """Give each holder its own, or take it away."""
        wanted = {id(item.holder): item.value for item in items}
        # A class before those that inherit of it: what they need depends on what it has.
        for holder in sorted(self._holders().values(), key=lambda h: len(self._places(h))):
            self._put(holder, wanted.get(id(holder), ABSENT))

    def settle(self) -> None:
        """Give a module that was let go of, or switched off, its own back."""
        present = {id(holder) for holder in self._holders().values()}
        for key in [key for key in self._changed if key not in present]:
            changed = self._changed.pop(key)
            if changed.is_as_written():
                changed.slot.write(changed.before)

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:  # noqa: ARG002
        """The callable for the holder of another item, or for a holder."""
        return Method(like.holder if isinstance(like, Method) else like, callback)

    def exchanged(self, item: Any, around: Callable[[Any], Any]) -> Any:
        """Another function for the same holder; a class method stays one."""
        value = item.value
        if isinstance(value, (classmethod, staticmethod)):
            return Method(item.holder, rebuilt(value, around))
        return Method(item.holder, around(value))

    def again(self, item: Any) -> Hashable:
        """The holder's name: it has one such hook, whatever that is by now."""
        return self.name_of(item)

    def renewed(self, item: Any, name: str) -> Any:
        """The same function for the holder that has the name by now."""
        return Method(self._holders().get(name, item.holder), item.value)

    def follows(self, old: Any, new: Any) -> bool:
        """Of a holder that was made anew anything, of the same one the same function anew."""
        if old.holder is not new.holder:
            return True
        one, other = self.callback_of(old), self.callback_of(new)
        return (name_of(one), file_of(one)) == (name_of(other), file_of(other))

    def missing(self, item: Any) -> str:
        """Whether its holder was let go of, has lost the hook, or was given another."""
        value = ABSENT if self.homeless(item) else self._own_value(item.holder)
        if value is ABSENT:
            return self.homeless(item) or f"it has no {self.event} of its own any more"
        found = self.callback_of(Method(item.holder, value))
        return f"it was given {name_of(found)} ({place_of(found)}) since"

    def homeless(self, item: Any) -> str:
        """Whether its holder is not among those that are called."""
        is_there = any(holder is item.holder for holder in self._holders().values())
        return "" if is_there else "what had it is not loaded now"

    def in_the_way(self, item: Any, own: Any) -> str:
        """Whether the holder has a hook of its own that the item was not made for."""
        if own.holder is not item.holder:
            return ""
        return f"{self.name_of(own)} has its own {self.event} now ({place_of(own.value)})"

    def identity(self, item: Any) -> Hashable:
        """Holder and value."""
        return id(item.holder), id(item.value)

    def callback_of(self, item: Any) -> Any:
        """The function."""
        return item.value

    def name_of(self, item: Any) -> str:
        """The holder's name: there is one such hook of each."""
        names = (name for name, holder in self._holders().items() if holder is item.holder)
        return next(names, None) or name_of(item.holder)

    def attribute_of(self, holder: Any) -> str:  # noqa: ARG002
        """The attribute's name."""
        return self.event

    def _value(self, holder: Any) -> Any:
        return self._seen(holder, self._slot(holder).read())

    def _own_value(self, holder: Any) -> Any:
        own = (self._own(place) for place in self._places(holder))
        found = next((value for value in own if value is not ABSENT), ABSENT)
        return ABSENT if found is self.nothing else found

    def _own(self, holder: Any) -> Any:
        """What a holder itself had under the name, or has been given since by someone else."""
        changed = self._changed.get(id(holder))
        if changed is not None and changed.is_as_written():
            return changed.before
        return self._slot(holder).read()

    def _seen(self, holder: Any, own: Any) -> Any:
        """The hook of a holder that has this by itself; what it inherits counts as well."""
        places = self._places(holder)[1:] if own is ABSENT else ()
        name = self.attribute_of(holder)
        inherited = (p.__dict__[name] for p in places if name in p.__dict__)
        found = next(inherited, own)
        return ABSENT if found is self.nothing else found

    def _put(self, holder: Any, value: Any) -> None:
        slot, before = self._slot(holder), self._own(holder)
        if value is self._seen(holder, before):
            wanted = before  # exactly what it had
        elif value is self._seen(holder, ABSENT):
            wanted = ABSENT  # what a holder inherits needs nothing of its own
        else:
            wanted = self.nothing if value is ABSENT else value  # or it shall not inherit it
        if slot.read() is not wanted:
            slot.write(wanted)
        if wanted is before:
            self._changed.pop(id(holder), None)
        else:
            self._changed[id(holder)] = _Changed(holder, slot, before, wanted)

    def _slot(self, holder: Any) -> Attribute:
        return Attribute(holder, self.attribute_of(holder))

    @staticmethod
    def _places(holder: Any) -> Sequence[Any]:
        if isinstance(holder, ModuleType):
            return (holder,)
        return holder.__mro__ if isinstance(holder, type) else (holder, *type(holder).__mro__)
