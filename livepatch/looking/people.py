"""Remembers the owners of functions during one look at all modules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from livepatch.engine.reading.namespaces import ancestors, attribute_of_class, namespace_of

from .homes import Home
from .namespaces import closed_over, is_function
from .origins import Origin, Rank, main_program, origin_of

if TYPE_CHECKING:
    from types import FunctionType, ModuleType

_STANDARD = Rank.STANDARD_LIBRARY  # on 3.11 an enum's member is looked up by a function
US = Origin(Rank.PACKAGE, __name__.partition(".")[0])


class People:
    """The owners of what one look comes by.

    A module's own people are those of its origin, and whoever may put functions anywhere unnoticed:
    we, whose layers are known, and the standard library. That patches itself by design
    (``warnings.showwarning``), and what others make of its functions shows in what they wrap.
    """

    def __init__(self) -> None:
        self._main = main_program()
        self._origins: dict[int, Origin] = {}  # by the identity of a namespace
        # Of the modules of an origin: whether a namespace, or the module of a name, is their own.
        self._own: dict[Origin, dict[int | str, bool]] = {}

    def origin(self, namespace: dict[str, Any]) -> Origin:
        """Whose code has these globals."""
        origin = self._origins.get(id(namespace))
        if origin is None:
            origin = self._origins[id(namespace)] = origin_of(namespace, self._main)
        return origin

    def is_own(self, home: Home, origin: Origin) -> bool:
        """Whether what is of an origin is of the module's own people."""
        return origin == home.origin or origin.rank is _STANDARD or origin == US

    def home(self, name: str, module: ModuleType) -> Home:
        """A module to be looked at, with what is known of its own people."""
        namespace = namespace_of(module)
        origin = self.origin(namespace)
        return Home(name, module, namespace, origin, self._own.setdefault(origin, {}))

    def owns(self, home: Home, namespace: dict[str, Any]) -> bool:
        """Whether a namespace is of the module's own people, and remembers it."""
        is_own = home.own_people[id(namespace)] = self.is_own(home, self.origin(namespace))
        return is_own

    def owns_module(self, home: Home, name: str) -> bool:
        """Whether a module of a name is of the module's own people or not there."""
        is_own = home.own_people.get(name)
        if is_own is None:
            module = sys.modules.get(name)
            is_own = module is None or self.is_own(home, self.origin(namespace_of(module)))
            home.own_people[name] = is_own
        return is_own

    def stranger(self, home: Home, author: FunctionType) -> Origin | None:
        """Whose function it is; None where it is of the module's own people or nobody's."""
        origin = self.origin(author.__globals__)
        is_generated = "__file__" not in author.__globals__ and origin.rank is not Rank.NOTEBOOK
        return None if is_generated or self.is_own(home, origin) else origin

    def guest(self, home: Home, tool: FunctionType) -> FunctionType | None:
        """The function that a webui's own tool has put there for an extension (CondFunc)."""
        for value in closed_over(tool) if tool.__closure__ else ():
            if is_function(value) and self.origin(value.__globals__).rank > home.origin.rank:
                return value
        return None

    def comes_with(self, cls: type, origin: Origin) -> bool:
        """Whether a base or metaclass is of the same people: those may put methods into it."""
        for relative in (*ancestors(cls)[1:], *ancestors(type(cls))):
            name = attribute_of_class(relative, "__module__")
            module = sys.modules.get(name) if type(name) is str else None
            if module is not None and self.origin(namespace_of(module)) == origin:
                return True
        return False
