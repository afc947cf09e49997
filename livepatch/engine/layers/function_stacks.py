"""The layers over a function.

A patched function keeps its identity; only the code that its calls run on changes. Its layers form
a stack over the *base*, the webui's own code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from ..changing.registry import registry
from ..errors import ForeignChange
from ..naming.lookup import what_is
from ..naming.targets import leads_to, leads_to_place
from ..switching.leading import lead
from ..switching.state import clone
from .patched_function import PatchedFunction
from .stacks import Stack

if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import CodeType, FunctionType

    from ..naming.targets import Target
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
        self.override = target.override
        self.caches = target.caches
        self.functions = [PatchedFunction(target.function)]
        self.keys = self._keys()
        self.handles: dict[FunctionType, Patch | None] = {}
        self._had_a_name = target.is_named or self._is_named()

    @property
    def function(self) -> Any:  # a FunctionType; mypy takes one for a method
        """The function that the name leads to, or led to last."""
        return self.functions[-1].function

    @property
    def original(self) -> Any:  # a FunctionType; mypy takes one for a method
        """Another function that runs the webui's own code: what the lowest layer calls."""
        return self.functions[-1].original

    def _keys(self) -> tuple[Hashable, ...]:
        """The identities of the functions, and the place of an override."""
        place_key = (self.override.slot.key,) if self.override else ()
        return (*(id(patched.function) for patched in self.functions), *place_key)

    @property
    def model(self) -> Any:  # a FunctionType; mypy takes one for a method
        """A function with the webui's own code: new code is compiled in its place."""
        return self.override.model if self.override else self.original

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

    def rebase(self) -> None:
        """Take what the function runs now as the webui's own code."""
        self.functions[-1].rebase()
        self.handles.clear()

    def original_state(self) -> Any:
        """The originals of the functions."""
        return [patched.original for patched in self.functions]

    def present_state(self) -> Any:
        """What the functions run now, as their originals."""
        return [patched.present() for patched in self.functions]

    def state_without_ours(self) -> Any:
        """What someone else made of the functions."""
        return [patched.without_ours() for patched in self.functions]

    def set_original_state(self, state: Any) -> None:
        """Count something else as the webui's own."""
        for patched, original in zip(self.functions, state, strict=False):
            patched.set_original(original)
        self.handles.clear()

    def show_foreign(self, state: Any) -> None:
        """Give the function back what someone else had made of it."""
        for patched, foreign in zip(self.functions, state, strict=False):
            patched.show_foreign(foreign)

    def is_reached(self) -> bool:
        """Whether the name leads to a function of ours, which still runs what we installed."""
        if self.override is not None:
            on = any(p.on for p in self.placements)
            if not self.override.slot.holds(self.override.put if on else self.override.was):
                return False
        if self._had_a_name and not self._is_named():
            return False
        top = next((p.patch for p in reversed(self.placements) if p.on), None)
        return all(patched.runs(top) for patched in self.functions)

    def _is_named(self) -> bool:
        if self.override is not None:
            return leads_to_place(self.path, self.override.slot)
        return any(leads_to(self.path, patched.function) for patched in self.functions)

    def check_not_foreign(self, asked: str) -> None:
        """Raise where someone else changed the function's code or defaults since we did.

        Code from the function's own file is not foreign: the module was edited and loaded again.
        It is the webui's own code from now on.
        """
        if not self.placements:
            self.rebase()  # what it runs now is the webui's own, whoever made it so
            self._check_place(asked)
            return
        for patched in self.functions:
            difference = patched.difference()
            if difference is None:
                continue
            if not patched.is_redefined():
                raise ForeignChange(
                    asked,
                    f"someone else changed {self.path}.{difference}",
                    "take that change back, or make it the base with lp.adopt; nothing was touched",
                )
            patched.rebase()
            self.handles.clear()
        self._check_place(asked)

    def _check_place(self, asked: str) -> None:
        if self.override is None:
            return
        slot, shown = self.override.slot, any(p.on for p in self.placements)
        if slot.holds(self.override.put if shown else self.override.was):
            return
        raise ForeignChange(
            asked,
            f"someone else put something into {self.path}: {what_is(slot.read())}",
            "take that change back first; nothing was touched",
        )

    def show(self, placements: Placements) -> None:
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
        if self.override is not None:
            shown = self.override.put if below is not None else self.override.was
            if not self.override.slot.holds(shown):
                self.override.slot.write(shown)
        for empty_cache in self.caches:
            empty_cache()

    def _lead(self, handle: FunctionType, below: Patch | None) -> None:
        """Make calls of a layer's ``original`` run the layer below, or the webui's own code."""
        if below is None:
            lead(handle, self.original)
        else:
            lead(handle, below.function, below.handle)

    def take_in(self, function: FunctionType) -> None:
        """Lead a function as well that the name has come to lead to."""
        if self.functions[-1].function is not function:
            self.functions.append(PatchedFunction(function))
            self.keys = self._keys()
            self.rebase()


def stack_of(target: Target) -> FunctionStack:
    """The stack over a target: one and the same for all who ask, as long as somebody holds it.

    A second one would take the layers on the first for the webui's own code.
    """
    override = target.override
    with registry.lock:
        if override is not None:
            stack = registry.stacks.get(override.slot.key)
            # One without layers may be of what stood there formerly.
            if stack is not None and not stack.placements and stack.override is not override:
                stack = None
        else:
            stack = registry.stacks.get(id(target.function)) or _stack_of_older_definition(target)
        if stack is None:
            stack = FunctionStack(target)
            stack.enter()
        elif is_over_function(stack):
            stack.caches += tuple(c for c in target.caches if c not in stack.caches)
            if not stack.placements:
                stack.rebase()
    return stack  # a value's is refused: it holds something else


def _stack_of_older_definition(target: Target) -> FunctionStack | None:
    """The stack whose name leads to this function by now, because its module was loaded again."""
    if target.override is not None:
        return None
    for stack in registry.patched.values():
        if stack.path != target.path or stack.override or not is_over_function(stack):
            continue
        # super() in a patch means the class that it was made for, not one that was made since.
        bound = any("__class__" in p.patch.function.__code__.co_freevars for p in stack.placements)
        if stack.functions[-1].is_defined_again_by(target.function) and not bound:
            stack.take_in(target.function)
            return stack
    return None


def patched_function(function: object) -> PatchedFunction | None:
    """What livepatch knows of a function that has layers of ours."""
    stack = registry.stacks.get(id(function))
    functions = getattr(stack, "functions", ()) if stack is not None and stack.placements else ()
    return next((patched for patched in functions if patched.function is function), None)


def original_function(function: FunctionType) -> Any:  # a FunctionType
    """A function that runs the webui's own code of a function, whatever layers lie on it."""
    patched = patched_function(function)
    return patched.original if patched is not None else clone(function)


def is_over_function(stack: Stack) -> TypeGuard[FunctionStack]:
    """Whether the stack is that of a function; it may be of another copy of the engine."""
    return hasattr(stack, "functions")
