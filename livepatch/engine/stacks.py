"""Stacks: the layers over one thing, and the switch from one set of layers to another.

A patched function keeps its identity; only the code that its calls run on changes. Its layers form
a stack over the *base*, the webui's own code. What a stack looks like is one immutable tuple of
placements, so every change of it is a step from one tuple to another (:class:`Restack`), and the
way back is the step in the other direction.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeGuard

from .bodies import Body
from .change import Change, ChangeDescription
from .errors import ForeignChange, PatchRefused
from .functions import clone
from .masking import masked
from .registry import registry
from .sources import place
from .targets import leads_to, leads_to_place

if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import CodeType, FunctionType

    from .layers import Layer, Patch, Placement, Placements
    from .overrides import Override
    from .slots import Slot
    from .targets import Target


class Stack(ABC):
    """The layers over one thing.

    Attributes:
        path: the dotted name it was first asked for.
        placements: the layers in their order, lowest first.
        override: where a function of ours stands in a place while layers are on.
    """

    path: str
    placements: Placements = ()
    override: Override | None = None

    @property
    @abstractmethod
    def keys(self) -> tuple[Hashable, ...]:
        """What it is known by in the registry; the first is its own for good."""

    @abstractmethod
    def check_not_foreign(self, asked: str) -> None:
        """Raise where someone else changed what livepatch had put there."""

    @abstractmethod
    def is_reached(self) -> bool:
        """Whether what livepatch has put there is what its users meet."""

    @abstractmethod
    def show(self, placements: Placements) -> None:
        """Make the topmost layer that is on true, and each ``original`` the one below."""

    @abstractmethod
    def own_state(self) -> Any:
        """What counts as the webui's own, to be set again."""

    @abstractmethod
    def present_state(self) -> Any:
        """What stands there now, as something to count as the webui's own."""

    def state_without_ours(self) -> Any:
        """What stands there now without what livepatch left in it."""
        return self.present_state()

    @abstractmethod
    def set_own_state(self, state: Any) -> None:
        """Count something else as the webui's own; changes nothing yet."""

    @abstractmethod
    def show_foreign(self, state: Any) -> None:
        """Put back what someone else had put there."""

    def reinstall(self) -> None:
        """Install the present placements again: what was below them has changed."""
        masked(lambda: self.install(self.placements))

    def enter(self) -> tuple[Hashable, ...]:
        """Be what is found over this thing from now on; answers the keys."""
        keys = self.keys
        for key in keys:
            if registry.stacks.get(key) is not self:  # asking is much cheaper than a weak entry
                registry.stacks[key] = self
        return keys

    def install(self, placements: Placements) -> None:
        """Make the topmost layer that is on true; from now on these are the placements."""
        self.show(placements)
        self.placements = placements
        keys = self.enter()
        if placements:
            registry.patched[keys[0]] = self
        else:
            registry.patched.pop(keys[0], None)

    def placement_of(self, layer: Layer) -> Placement | None:
        """Where a layer lies on this stack."""
        return next((p for p in self.placements if p.layer is layer), None)

    def layer_of(self, about: object, owner: str, name: str) -> Layer | None:
        """The layer of an identity, if there is one."""
        for placement in self.placements:
            layer = placement.layer
            if (layer.owner, layer.name) == (owner, name) and layer.about is about:
                return layer
        return None

    def with_placement(self, placement: Placement, verb: str) -> Restack:
        """The change that puts a layer on top, or puts another patch in its present place."""
        kept = tuple(placement if p.layer is placement.layer else p for p in self.placements)
        after = kept if placement in kept else (*self.placements, placement)
        return Restack(self, after, placement, verb)

    def with_all(self, placements: Placements, about: Placement, verb: str) -> Restack:
        """The change that puts several layers on top."""
        return Restack(self, (*self.placements, *placements), about, verb)

    def switched(self, layer: Layer, *, on: bool) -> Restack:
        """The change that switches a layer on or off."""
        placement = self.placement_of(layer)
        assert placement is not None
        return self.with_placement(placement._replace(on=on), f"switch {'on' if on else 'off'}")

    def without(self, *layers: Layer) -> Restack:
        """The change that takes layers away."""
        after = tuple(p for p in self.placements if p.layer not in layers)
        placement = next(p for p in self.placements if p.layer in layers)
        return Restack(self, after, placement, "restore")


class FunctionStack(Stack):
    """The layers over one function.

    Attributes:
        bodies: the function, and what else its name has led to since: a module that is loaded
            again makes new function objects, while others still hold the old ones.
        base: another function that runs the webui's own code; what the lowest layer calls as
            ``original``.
    """

    def __init__(self, target: Target) -> None:
        self.path = target.path
        self.override = target.override
        self.caches = target.caches
        self.bodies = [Body(target.function)]
        self.handles: dict[FunctionType, Patch | None] = {}
        self.rebase()
        self._had_a_name = self._is_named()

    @property
    def function(self) -> Any:  # a FunctionType; mypy takes one for a method
        """The function that the name leads to, or led to last."""
        return self.bodies[-1].function

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """The identities of the functions, and the place of an override."""
        place_key = (self.override.slot.key,) if self.override else ()
        return (id(self.bodies[0].function), *(id(b.function) for b in self.bodies[1:]), *place_key)

    @property
    def model(self) -> Any:  # a FunctionType; mypy takes one for a method
        """A function with the webui's own code: new code is compiled in its place."""
        return self.override.model if self.override else self.base

    @property
    def top_codes(self) -> list[CodeType]:
        """The code that calls begin on now: of the topmost layer that is on, or the webui's."""
        for placement in reversed(self.placements):
            if placement.on:
                return [placement.patch.function.__code__]
        return [body.own.behaviour.code for body in self.bodies]

    @property
    def entered_codes(self) -> list[CodeType]:
        """Every code that a call of the target may be inside of."""
        ours = [placement.patch.function.__code__ for placement in self.placements]
        return [*ours, *(c for b in self.bodies for c in (b.own.behaviour.code, b.installed.code))]

    def rebase(self) -> None:
        """Take what the function runs now as the webui's own code."""
        self.bodies[-1].rebase()
        self.base = self.bodies[-1].own.base
        self.handles.clear()

    def own_state(self) -> Any:
        """The bases of the function's bodies."""
        return [body.own for body in self.bodies]

    def present_state(self) -> Any:
        """What the bodies run now, as their bases."""
        return [body.present() for body in self.bodies]

    def state_without_ours(self) -> Any:
        """What someone else made of the bodies."""
        return [body.without_ours() for body in self.bodies]

    def set_own_state(self, state: Any) -> None:
        """Count something else as the webui's own."""
        for body, own in zip(self.bodies, state, strict=False):
            body.own = own
            body.forget_leads()
        self.base = self.bodies[-1].own.base
        self.handles.clear()

    def show_foreign(self, state: Any) -> None:
        """Give the function back what someone else had made of it."""
        for body, foreign in zip(self.bodies, state, strict=False):
            body.show_foreign(foreign)

    def is_reached(self) -> bool:
        """Whether the name leads to a function of ours, which still runs what we installed."""
        if self.override is not None:
            on = any(p.on for p in self.placements)
            if not self.override.slot.holds(self.override.put if on else self.override.was):
                return False
        if self._had_a_name and not self._is_named():
            return False
        top = next((p.patch for p in reversed(self.placements) if p.on), None)
        return all(body.runs(top) for body in self.bodies)

    def _is_named(self) -> bool:
        if self.override is not None:
            return leads_to_place(self.path, self.override.slot)
        return any(leads_to(self.path, body.function) for body in self.bodies)

    def check_not_foreign(self, asked: str) -> None:
        """Raise where someone else changed the function's code or defaults since we did.

        Code from the function's own file is not foreign: the module was edited and loaded again.
        It is the webui's own code from now on.
        """
        if not self.placements:
            self.rebase()  # what it runs now is the webui's own, whoever made it so
            self._check_place(asked)
            return
        for body in self.bodies:
            difference = body.difference()
            if difference is None:
                continue
            if not body.is_redefined():
                raise ForeignChange(
                    asked,
                    f"someone else changed {self.path}.{difference}",
                    "take that change back, or make it the base with lp.adopt; nothing was touched",
                )
            body.rebase()
            self.base = self.bodies[-1].own.base
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
            f"someone else put something into {self.path}: {_described(slot.read())}",
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
                        self.bodies[-1].lead_handle(patch.handle, below, self.base)
                    self.handles[patch.handle] = below
                below = patch
                speaker = patch if patch.describes else speaker
        for body in self.bodies:
            body.lead(below)
            body.speak(below, speaker.function if speaker else None)
        if self.override is not None:
            shown = self.override.put if below is not None else self.override.was
            if not self.override.slot.holds(shown):
                self.override.slot.write(shown)
        for empty_cache in self.caches:
            empty_cache()

    def take_in(self, function: FunctionType) -> None:
        """Lead a function as well that the name has come to lead to."""
        if self.bodies[-1].function is not function:
            self.bodies.append(Body(function))
            self.rebase()


class ValueStack(Stack):
    """The layers over a plain value: the topmost is assigned to its place."""

    def __init__(self, path: str, slot: Slot) -> None:
        self.path = path
        self.slot = slot
        self.base = slot.read()
        self.installed = self.base
        self._had_a_name = leads_to_place(path, slot)

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """The place."""
        return (self.slot.key,)

    def check_not_foreign(self, asked: str) -> None:
        """Raise where someone else assigned another value since we did."""
        if not self.placements:
            self.base = self.installed = self.slot.read()
        elif not self.slot.holds(self.installed):
            raise ForeignChange(
                asked,
                f"someone else assigned {_described(self.slot.read())} to {self.path}",
                "assign the former value first, or make theirs the base with lp.adopt",
            )

    def own_state(self) -> Any:
        """The webui's own value."""
        return self.base

    def present_state(self) -> Any:
        """The value that stands there."""
        return self.slot.read()

    def set_own_state(self, state: Any) -> None:
        """Count another value as the webui's own."""
        self.base = state

    def show_foreign(self, state: Any) -> None:
        """Assign the foreign value again."""
        self.slot.write(state)

    def is_reached(self) -> bool:
        """Whether our value still stands there, and the name still leads to that place."""
        named = not self._had_a_name or leads_to_place(self.path, self.slot)
        return named and self.slot.holds(self.installed)

    def show(self, placements: Placements) -> None:
        """Assign the topmost value that is on, or the webui's own."""
        on = [placement.patch.function for placement in placements if placement.on]
        self.slot.write(on[-1] if on else self.base)
        self.installed = self.slot.read()  # the holder may have made something else of it


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
    return stack  # type: ignore[return-value]  # a value's is refused: it holds something else


def is_over_function(stack: Stack) -> TypeGuard[FunctionStack]:
    """Whether the stack is that of a function; it may be of another copy of the engine."""
    return hasattr(stack, "bodies")


def patched_body(function: object) -> Body | None:
    """The body of a function that has layers of ours."""
    stack = registry.stacks.get(id(function))
    bodies = getattr(stack, "bodies", ()) if stack is not None and stack.placements else ()
    return next((body for body in bodies if body.function is function), None)


def base_of(function: FunctionType) -> Any:  # a FunctionType
    """A function that runs the webui's own code of a function, whatever layers lie on it."""
    body = patched_body(function)
    return body.own.base if body is not None else clone(function)


def value_stack_of(path: str, slot: Slot) -> ValueStack:
    """The stack over a value's place: one and the same for all, as ``stack_of``."""
    with registry.lock:
        stack = registry.stacks.get(slot.key)
        if stack is None or (is_over_function(stack) and not stack.placements):
            stack = ValueStack(path, slot)
            stack.enter()
    return stack  # type: ignore[return-value]  # a function's is refused: it holds something else


def _stack_of_older_definition(target: Target) -> FunctionStack | None:
    """The stack whose name leads to this function by now, because its module was loaded again."""
    if target.override is not None:
        return None
    for stack in registry.patched.values():
        if stack.path != target.path or stack.override or not is_over_function(stack):
            continue
        # super() in a patch means the class that it was made for, not one that was made since.
        bound = any("__class__" in p.patch.function.__code__.co_freevars for p in stack.placements)
        if stack.bodies[-1].is_defined_again_by(target.function) and not bound:
            stack.take_in(target.function)
            return stack
    return None


def _described(value: object) -> str:
    return f"{type(value).__name__} ({place(value)})" if callable(value) else type(value).__name__


class Restack(Change):
    """The step of a stack from its present placements to others."""

    def __init__(self, stack: Stack, after: Placements, placement: Placement, verb: str) -> None:
        self.stack = stack
        self.before = stack.placements
        self.after = after
        self.placement = placement
        self.verb = verb

    def prepare(self) -> None:
        """Refuse where someone else changed what is there, or where no code can change."""
        asked = f"{self.verb} {self.stack.path}"
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            raise PatchRefused(
                asked,
                "this Python runs without its GIL: there, changing a function's code while others "
                "call it is not safe (cpython gh-145272)",
                "start the webui with PYTHON_GIL=1",
            )
        self.stack.check_not_foreign(asked)

    def commit(self) -> None:
        """Install the placements after the step."""
        self.stack.install(_carry_over(self.before, self.after, self.stack.placements))

    def revert(self) -> None:
        """Install the placements before the step, with what others did since."""
        self.stack.install(_carry_over(self.after, self.before, self.stack.placements))

    def describe(self) -> ChangeDescription:
        """The layer that the step is about."""
        layer, patch = self.placement.layer, self.placement.patch
        return ChangeDescription(
            self.verb, layer.target, layer.owner, layer.name, patch.source, patch.facts
        )


def _carry_over(old: Placements, new: Placements, present: Placements) -> Placements:
    """Apply the step from ``old`` to ``new`` to placements that others may have changed."""
    if present == old:
        return new
    before, after = {p.layer: p for p in old}, {p.layer: p for p in new}
    touched = {layer for layer in {**before, **after} if before.get(layer) is not after.get(layer)}
    result: list[Any] = [after.get(p.layer, p) if p.layer in touched else p for p in present]
    result = [p for p in result if p.layer not in touched or p.layer in after]
    present_layers = {p.layer for p in present}
    for position, placement in enumerate(new):
        if placement.layer in touched and placement.layer not in present_layers:
            lower = {p.layer for p in new[:position]}
            index = max((i + 1 for i, p in enumerate(result) if p.layer in lower), default=0)
            result.insert(index, placement)
    return tuple(result)
