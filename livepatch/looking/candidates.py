"""Picks the few values that may be a foreign change, from the objects alone.

Most are data, functions that the module's own source made and nobody touched, and what is imported
from the module's own people. Every value of every module is asked here, so this is the inner loop
of ``foreign()``, and no text is read for it.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.function_stacks import is_over_function
from livepatch.engine.reading.namespaces import attribute_of_class

from .namespaces import behind_the_standard_library, functions_in, may_hold_functions

if TYPE_CHECKING:
    from .homes import Home
    from .people import People

Named = tuple[object, Any]  # others may have put anything there as a name


class _ByIdentity:
    """A set of types that asks no metaclass for a hash: several times as slow as a ``set``."""

    def __init__(self) -> None:
        self._types: dict[int, type] = {}

    def __contains__(self, kind: type) -> bool:
        return id(kind) in self._types

    def add(self, kind: type) -> None:
        self._types[id(kind)] = kind


class Candidates:
    """What is worth a closer look in namespaces.

    Args:
        people: whose the functions are.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._dull: set[type] | _ByIdentity = set()  # types whose values never hold a function
        patched = [
            one.function
            for stack in registry.patched.copy().values()
            if is_over_function(stack)
            for one in stack.functions
        ]
        self._patched = {id(function) for function in patched}
        self._with_layers = {id(function.__globals__) for function in patched}

    def of(self, home: Home, namespace: dict[str, Any]) -> tuple[list[Named], list[Named]]:
        """What in a namespace is worth a closer look, with its names.

        Args:
            home: the module that the namespace belongs to.
            namespace: a copy of its own, or of that of a class of it.

        Returns:
            The functions that others may have put there, in properties and the like too; and the
            classes that say they are of this very module, or of none of its own people's.
        """
        try:
            return self._of(home, namespace)
        except Exception:  # some metaclasses have a __hash__, or none, and raise
            self._dull = _ByIdentity()
            return self._of(home, namespace)

    def _of(self, home: Home, namespace: dict[str, Any]) -> tuple[list[Named], list[Named]]:
        own, own_name, file, is_own = home.namespace, home.own_name, home.file, home.own_people
        dull, asked = self._dull, self._may_be_of_others
        has_layers, may_wrap = id(own) in self._with_layers, home.is_standard
        functions: list[Named] = []
        classes: list[Named] = []
        for name, value in namespace.items():
            kind = type(value)
            if kind in dull:
                continue
            if kind is FunctionType:
                their = value.__globals__  # what is asked below, in short: most end here
                if their is own:
                    if value.__code__.co_filename == file and not (
                        has_layers or (may_wrap and value.__closure__ is not None)
                    ):
                        continue
                elif value.__closure__ is None and is_own.get(id(their)):
                    continue
                if asked(home, value):
                    functions.append((name, value))
            elif kind is type or issubclass(kind, type):
                module_name = attribute_of_class(value, "__module__")
                if type(module_name) is str and (
                    module_name == own_name or not is_own.get(module_name)
                ):
                    classes.append((name, value))
            elif may_hold_functions(kind):
                held = functions_in(value)
                functions += [(name, function) for function in held if asked(home, function)]
            else:
                dull.add(kind)
        return functions, classes

    def _may_be_of_others(self, home: Home, function: FunctionType) -> bool:
        """Whether a function may be another than the module's source, or its own people's, made.

        One without a closure runs no other, whatever its ``__wrapped__`` says.
        """
        people, their = self._people, function.__globals__
        if function.__closure__ is not None:
            function = behind_the_standard_library(function)
            if function.__globals__ is not home.namespace:
                is_foreign = people.stranger(home, function) is not None
                return is_foreign or people.guest(home, function) is not None
        elif their is not home.namespace:
            is_own = home.own_people.get(id(their))
            return not (people.owns(home, their) if is_own is None else is_own)
        filename = function.__code__.co_filename
        is_made_here = filename == home.file or filename.startswith("<frozen ")
        return not is_made_here or id(function) in self._patched
