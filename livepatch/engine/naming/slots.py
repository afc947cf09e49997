"""Places that hold a value: an attribute, an entry of a dictionary or list, a partial's function.

Where there is no Python code to change, the value itself is exchanged, in one place that has a
name. Who took the value from there earlier keeps the old one, and the answer says so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, MutableSequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..reading.lazy import lazy_importers
from .constructors import forget_new, is_stand_in

if TYPE_CHECKING:
    import functools

# Type flags of Include/object.h: attributes can be set of a class that has HEAP_TYPE and has not
# IMMUTABLE_TYPE.
HEAP_TYPE = 1 << 9
_IMMUTABLE_TYPE = 1 << 8


_PLAIN = (bool, bytes, complex, float, int, str)


class Absent:
    """What stands in a slot that holds nothing of its own."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


class Barred(Exception):
    """A place does not take what is put there; the text says why."""


class Slot(ABC):
    """A place that holds a value.

    Attributes:
        key: tells it from all other slots while its holder lives.
        name: the attribute's name, or the entry's key.
        what_stays: who else may hold the old value, for the answer line.
    """

    name: Any
    key: tuple[str, int, Any]
    what_stays: str

    @abstractmethod
    def read(self) -> object:
        """The value that stands there, not computed; ``ABSENT`` where there is none."""

    @abstractmethod
    def write(self, value: object) -> None:
        """Put a value there; ``ABSENT`` takes away what stands there."""

    def put(self, value: object) -> None:
        """Write a value, unless it stands there.

        Raises:
            Barred: the holder refuses it, or keeps what it has.
        """
        if self.holds(value):
            return
        before = self.read()
        try:
            self.write(value)
        except Exception as error:  # it is the holder's own code that refuses
            raise Barred(f"{type(error).__name__}: {error}") from error
        if before is not ABSENT and self.read() is before and not self.holds(value):
            raise Barred(f"its {type(before).__name__} stays there")

    def holds(self, value: object) -> bool:
        """Whether this very value stands there, or of text and numbers an equal one.

        A holder may make them anew each time that they are read (``os.environ``).
        """
        now = self.read()
        if now is value:
            return True
        return type(now) is type(value) and type(now) in _PLAIN and bool(now == value)

    def obstacle(self) -> str | None:
        """Why nothing can be written there, in words, or None."""
        return None


class Attribute(Slot):
    """An attribute of a module, a class or one instance.

    Example:
        >>> import textwrap
        >>> Attribute(textwrap, "dedent").read() is textwrap.dedent
        True
    """

    def __init__(self, holder: Any, name: str) -> None:
        self.holder = holder
        self.name = name
        self.key = ("attribute", id(holder), name)

    @property
    def what_stays(self) -> str:  # type: ignore[override]
        """Who else may hold the old value, or come to hold the new one for good."""
        is_module = isinstance(self.holder, ModuleType)
        lazy = lazy_importers(self.holder.__name__, self.name) if is_module else []
        used = f" · lazy imports used meanwhile keep it: {', '.join(lazy)}" if lazy else ""
        return f"not reached: from-imports and other copies{used}"

    def read(self) -> object:
        """What stands in the holder's own namespace."""
        own = getattr(self.holder, "__dict__", None)
        if own is not None and self.name in own:
            value = own[self.name]
            return ABSENT if is_stand_in(value) else value
        if isinstance(self.holder, (ModuleType, type)):
            return ABSENT
        member = getattr(type(self.holder), self.name, None)  # a slot of a class with __slots__
        try:
            return member.__get__(self.holder) if _is_member(member) else ABSENT  # type: ignore[union-attr]
        except AttributeError:
            return ABSENT

    def write(self, value: object) -> None:
        """Set or delete the attribute.

        A function of ours goes past an instance's own ``__setattr__``, which may register what it
        is given (torch.nn.Module does).
        """
        is_instance = not isinstance(self.holder, (ModuleType, type))
        if is_instance and (value is ABSENT or callable(value)) and self._own() is not None:
            own = self._own()
            assert own is not None
            if value is ABSENT:
                own.pop(self.name, None)
            else:
                own[self.name] = value
        elif value is not ABSENT:
            setattr(self.holder, self.name, value)
        elif self.read() is not ABSENT:
            if self.name == "__new__" and isinstance(self.holder, type):
                forget_new(self.holder)
            else:
                delattr(self.holder, self.name)

    def obstacle(self) -> str | None:
        """A class written in C and an instance without a namespace take no attributes."""
        holder = self.holder
        if isinstance(holder, type):
            flags = holder.__flags__
            if not flags & HEAP_TYPE or flags & _IMMUTABLE_TYPE:
                return f"{holder.__name__} is a class written in C: its attributes cannot be set"
        elif not isinstance(holder, ModuleType) and self._own() is None and self.read() is ABSENT:
            return f"an instance of {type(holder).__name__} has no attributes of its own"
        return None

    def _own(self) -> dict[str, Any] | None:
        own = getattr(self.holder, "__dict__", None)
        return own if isinstance(own, dict) else None


class Item(Slot):
    """An entry of a dictionary or a list, ``mod.D['key']``.

    Example:
        >>> Item({"steps": 20}, "steps").read()
        20
    """

    def __init__(self, container: Any, key: Any) -> None:
        self.container = container
        self.name = key
        self.key = ("item", id(container), key)
        self.what_stays = "not reached: from-imports and other copies"

    def read(self) -> object:
        """The entry; one that would only be made by asking for it does not count."""
        try:
            if isinstance(self.container, Mapping) and self.name not in self.container:
                return ABSENT
            return self.container[self.name]
        except (LookupError, TypeError):
            return ABSENT

    def write(self, value: object) -> None:
        """Set the entry; of a mapping, ``ABSENT`` deletes it."""
        if value is not ABSENT:
            self.container[self.name] = value
        elif self.read() is not ABSENT:
            del self.container[self.name]

    def obstacle(self) -> str | None:
        """Only what can be changed in place has entries that can be set."""
        if isinstance(self.container, (MutableMapping, MutableSequence)):
            return None
        return f"entries of a {type(self.container).__name__} cannot be set"


class PartialCall(Slot):
    """What a ``functools.partial`` object does: its function, arguments and keywords.

    The object itself is changed by ``__setstate__``, in one step, so that everyone who holds it is
    reached.
    """

    def __init__(self, partial: functools.partial[Any]) -> None:
        self.partial = partial
        self.name = ""
        self.key = ("partial", id(partial), None)
        self.what_stays = ""

    def read(self) -> tuple[Any, ...]:
        """Its state: function, arguments, keywords, attributes."""
        return self.partial.__reduce__()[2]  # type: ignore[return-value]

    def write(self, value: object) -> None:
        """Set its state."""
        self.partial.__setstate__(value)  # type: ignore[attr-defined]

    def holds(self, value: object) -> bool:
        """Whether its state is made of the same things."""
        assert isinstance(value, tuple)
        function, arguments, keywords, _ = self.read()
        return (
            function is value[0]
            and len(arguments) == len(value[1])
            and all(mine is theirs for mine, theirs in zip(arguments, value[1], strict=True))
            and keywords.keys() == value[2].keys()
            and all(keywords[name] is value[2][name] for name in keywords)
        )


def _is_member(value: Any) -> bool:
    """Whether it is of a class's own ``__slots__``: those of C types cannot be set."""
    is_member = type(value).__name__ == "member_descriptor"
    return is_member and bool(value.__objclass__.__flags__ & HEAP_TYPE)
