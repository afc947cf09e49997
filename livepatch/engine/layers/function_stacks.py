"""The layers over a function.

A patched function keeps its identity; only the code that its calls run on changes. Its layers form
a stack over the *base*, the webui's own code.
"""

from __future__ import annotations

import functools
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeGuard

from ..changing.change import Change, ChangeDescription
from ..changing.registry import registry
from ..errors import ForeignChange
from ..naming.again import loaded_as
from ..naming.own_name import leads_to
from ..switching.leading import lead
from ..switching.state import clone
from .patched_function import PatchedFunction
from .rebasing import Rebase
from .stacks import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from types import CodeType

    from ..naming.functions import Target
    from .patch import Patch
    from .stacks import Placements


class FunctionStack(Stack):
    """The layers over one function.

    Attributes:
        functions: the function, and what else its name has led to since: a module that is loaded
            again makes new function objects, while others still hold the old ones.
    """

    def __init__(self, target: Target) -> None:
        self.path = target.path
        self.caches = target.caches
        self.functions = [PatchedFunction(target.function)]
        self.keys = self._keys()
        self.handles: dict[FunctionType, Patch | None] = {}
        self.is_named = target.is_named or self._is_reached_by_name()
        self._loaded_as: object = None

    @property
    def function(self) -> Any:  # a FunctionType; mypy takes one for a method
        """The function that the name leads to, or led to last."""
        return self.functions[-1].function

    @property
    def original(self) -> Any:  # a FunctionType; mypy takes one for a method
        """Another function that runs the webui's own code: what the lowest layer calls."""
        return self.functions[-1].original

    def own(self, function: FunctionType) -> Any:  # a FunctionType
        """A function with a function's own code as it is now, whatever layers lie on it."""
        patched = self.patched(function)
        is_patched = bool(self.placements)
        return clone(function) if patched is None else patched.own(is_patched=is_patched)

    def patched(self, function: object) -> PatchedFunction | None:
        """What is known of one of its functions; None of one that it does not lead."""
        for one in self.functions:
            if one.function is function:
                return one
        return None

    def _keys(self) -> tuple[Hashable, ...]:
        """The identities of the functions."""
        return tuple([id(patched.function) for patched in self.functions])

    @property
    def model(self) -> Any:  # a FunctionType; mypy takes one for a method
        """What new code is compiled in the place of: a function with the webui's own code."""
        return self.model_of(self.function)

    def model_of(self, function: FunctionType) -> Any:  # a FunctionType
        """The same for a function that the name leads to now."""
        return self.own(function)

    @property
    def top_codes(self) -> list[CodeType]:
        """The code that calls begin on now: of the topmost layer that is on, or the webui's."""
        for placement in reversed(self.placements):
            if placement.on:
                return [placement.patch.function.__code__]
        return [patched.original.__code__ for patched in self.functions]

    @property
    def entered_codes(self) -> list[CodeType]:
        """Every code that a call of the target may be inside of."""
        ours = [placement.patch.function.__code__ for placement in self.placements]
        for patched in self.functions:
            ours += (patched.original.__code__, patched.installed.code)
        return ours

    def original_state(self) -> Any:
        """The originals of the functions."""
        return [patched.original for patched in self.functions]

    def fresh_state(self) -> Any:
        """What the functions are now, whoever made them so."""
        return [patched.own(is_patched=False) for patched in self.functions]

    def present_state(self) -> Any:
        """What the functions do and say now."""
        return [patched.present() for patched in self.functions]

    def state_without_ours(self) -> Any:
        """What someone else made of the functions."""
        return [patched.without_ours() for patched in self.functions]

    def set_original_state(self, state: Any) -> None:
        """Count something else as the webui's own."""
        for patched, original in zip(self.functions, state, strict=False):
            patched.set_original(original)
        self.handles.clear()

    def install_foreign(self, state: Any) -> None:
        """Give the function back what someone else had made of it."""
        for patched, foreign in zip(self.functions, state, strict=False):
            patched.install_foreign(foreign)

    def is_reached(self) -> bool:
        """Whether the name leads to a function of ours, which still runs what we installed."""
        if self.is_named and not self._is_reached_by_name():
            return False
        top = next((p.patch for p in reversed(self.placements) if p.on), None)
        return all(patched.runs(top) for patched in self.functions)

    def _is_reached_by_name(self) -> bool:
        return any(leads_to(self.path, patched.function) for patched in self.functions)

    def check(self, asked: str, adds: Callable[[], bool]) -> None:
        """Raise where someone else changed the function's code or defaults since we did.

        Code from the function's own file is not foreign: the module was edited and loaded again.
        What stands there while no layer is on stands on nothing of ours.
        """
        for patched in self.functions if self.placements else ():
            difference = patched.difference()
            is_foreign = difference is not None and not patched.is_redefined()
            if is_foreign and (self._is_any_on() or adds()):
                raise ForeignChange(
                    asked,
                    f"someone else changed {self.path}.{difference}",
                    "take that change back, or make it the original with lp.adopt; nothing was "
                    "changed",
                )

    def _is_any_on(self) -> bool:
        return any(placement.on for placement in self.placements)

    def is_overlaid(self) -> bool:
        """Whether somebody else put something into a place where a function of ours is to stand."""
        return False

    def arrivals(
        self, function: FunctionType | None, *, installs: bool = False
    ) -> Sequence[Change]:
        """The definition made anew that stands in a function, or that the name leads to."""
        arrived: list[Change] = []
        if [one for one in self.functions if one.difference() and one.is_redefined()]:
            arrived.append(Rebase(self, installs=installs))
        if function is not None and self.patched(function) is None:
            arrived.append(AdoptDefinition(self, function))
        return arrived

    def add_caches(self, caches: Sequence[Callable[[], None]]) -> None:
        """Empty these as well with every change."""
        self.caches += tuple([cache for cache in caches if cache not in self.caches])

    def install(self, placements: Placements) -> None:
        """Make calls run the topmost layer that is on, and each ``original`` the one below."""
        below: Patch | None = None
        speaker: Patch | None = None
        # Those of layers that went are forgotten: they may come back on top of something else.
        led, self.handles = self.handles, {}
        for placement in placements:
            if placement.on:
                patch = placement.patch
                if patch.handle is not None:
                    if led.get(patch.handle, self) is not below:
                        self._lead(patch.handle, below)
                    self.handles[patch.handle] = below
                below = patch
                speaker = patch if patch.describes else speaker
        for patched in self.functions:
            patched.install(below, speaker.function if speaker else None)
        for empty_cache in self.caches:
            empty_cache()

    def _lead(self, handle: FunctionType, below: Patch | None) -> None:
        """Make calls of a layer's ``original`` run the layer below, or the webui's own code."""
        if below is None:
            lead(handle, self.original)
        else:
            lead(handle, below.function, below.handle)

    def adopt_definition(self, patched: PatchedFunction) -> None:
        """Lead a function as well that the name has come to lead to."""
        if patched not in self.functions:
            self._lead_all([*self.functions, patched])

    def give_up(self, patched: PatchedFunction) -> None:
        """Lead a function no longer: it is its own again."""
        if patched in self.functions:
            self._lead_all([one for one in self.functions if one is not patched])
        if registry.stacks.get(id(patched.function)) is self:
            del registry.stacks[id(patched.function)]
        patched.install(None, None)

    def _lead_all(self, functions: list[PatchedFunction]) -> None:
        self.functions = functions
        self.keys = self._keys()
        self.handles.clear()

    def keep(self, placements: Placements) -> None:
        """Count these as the placements."""
        is_first = bool(placements) and not self.placements
        if is_first and "<locals>" in self.function.__qualname__:
            self._loaded_as = loaded_as(self.path)
        super().keep(placements)

    def is_defined_again_by(self, function: FunctionType) -> bool:
        """Whether a function is another version of the definition that the layers lie on."""
        patched = self.functions[-1]
        if not patched.is_defined_again_by(function):
            return False
        # super() in a patch means the class that it was made for, not one that was made since.
        if any("__class__" in p.patch.function.__code__.co_freevars for p in self.placements):
            return False
        # Whatever a reload defines has a code of its own, but for what factories elsewhere make.
        is_other_code = function.__code__ is not patched.original.__code__
        return is_other_code or loaded_as(self.path) is not self._loaded_as


class AdoptDefinition(Change):
    """A definition made anew comes under the layers of its name: the module was loaded again."""

    is_recorded = False

    def __init__(self, stack: FunctionStack, function: FunctionType) -> None:
        self.stack = stack
        self.patched = PatchedFunction(function)

    def prepare(self) -> None:
        """Refuse where someone else changed what the layers lie on."""
        self.stack.check(self._asked, lambda: True)

    def commit(self) -> None:
        """Make calls of it run the layers too."""
        self.stack.adopt_definition(self.patched)
        self.stack.take_plan(self.stack.placements)

    def revert(self) -> None:
        """Make it its own again."""
        self.stack.give_up(self.patched)
        self.stack.take_plan(self.stack.placements)

    @property
    def _asked(self) -> str:
        return f"keep the layers on {self.stack.path}"

    def describe(self) -> ChangeDescription:
        """The target."""
        return ChangeDescription("take in", self.stack.path, "livepatch", "take in")


def function_stack_of(target: Target) -> FunctionStack:
    """The stack over a function: one and the same for all who ask, as long as somebody holds it.

    A second one would take the layers on the first for the webui's own code. Of a definition made
    anew it is the stack that its name leads to; the next change of that takes the function in.
    """
    with registry.lock:
        stack = registry.stacks.get(id(target.function)) or _stack_of_older_definition(target)
        if stack is None:
            stack = FunctionStack(target)
            stack.enter()
    return stack  # a value's is refused: it holds something else


def _stack_of_older_definition(target: Target) -> FunctionStack | None:
    """The stack whose name leads to this function by now, because its module was loaded again."""
    function = target.function
    for stack in registry.patched.values():
        if not is_over_function(stack) or stack.override is not None or not stack.is_named:
            continue
        if stack.is_defined_again_by(function) and leads_to(stack.path, function):
            return stack
    return None


def patched_function(function: object) -> PatchedFunction | None:
    """What livepatch knows of a function that has layers of ours."""
    stack = registry.stacks.get(id(function))
    if stack is None or not stack.placements or not is_over_function(stack):
        return None
    return stack.patched(function)


def original_function(function: FunctionType) -> Any:  # a FunctionType
    """A function that runs the webui's own code of a function, whatever layers lie on it."""
    stack = registry.stacks.get(id(function))
    if stack is None or not is_over_function(stack):
        return clone(function)
    return stack.own(function)


def as_it_is(code: Any, target: FunctionType) -> Any:
    """New code as it is at this moment: what becomes of a function later does not show through.

    A function with layers of ours is taken with them, but for those that make it run the target:
    of two functions that are put in each other's place, each runs the other's own code.

    Args:
        code: what the user gave: a function, a bound method or a partial of one, or anything else.
        target: what it is for.
    """
    if type(code) is MethodType:
        return MethodType(as_it_is(code.__func__, target), code.__self__)
    if type(code) is functools.partial:
        return functools.partial(as_it_is(code.func, target), *code.args, **code.keywords)
    if type(code) is not FunctionType:
        return code
    stack = registry.stacks.get(id(code))
    if stack is None or not stack.placements or not is_over_function(stack):
        return clone(code)
    taken = clone(stack.own(code))
    for placement in stack.placements:
        patch = placement.patch
        if placement.on and patch.given is not target:
            handle = None if patch.handle is None else clone(taken)
            above = clone(code)
            lead(above, patch.function, handle)
            taken = above
    return taken


def is_over_function(stack: Stack) -> TypeGuard[FunctionStack]:
    """Whether the stack is that of a function; it may be of another copy of the engine."""
    return hasattr(stack, "functions")
