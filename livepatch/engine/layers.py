"""Layers over a function, and the switch from one set of layers to another.

A patched function keeps its identity; only the code that its calls run on changes. Its layers form
a stack over the *base*, the webui's own code. What a stack looks like is one immutable tuple of
placements, so every change of it is a step from one tuple to another (:class:`Restack`), and the
way back is the step in the other direction.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from .answers import answer
from .change import Change, ChangeDescription, apply
from .codes import trampoline
from .errors import ForeignChange, PatchRefused
from .functions import Behaviour, Description, clone, switch
from .kinds import kind_of
from .registry import registry
from .sources import place
from .targets import leads_to

if TYPE_CHECKING:
    from types import CodeType, FunctionType

    from .targets import Target

State = Literal["active", "off", "pending", "stale"]


@dataclass(frozen=True, eq=False)
class Patch:
    """The new code of a layer.

    Attributes:
        function: what calls shall run.
        source: its text, where it can be had.
        facts: what the answer line has to say of it.
        handle: the ``original`` that it gets as first argument, where it wants one: a function
            whose code leads to the layer below.
    """

    function: FunctionType
    source: str | None = None
    facts: tuple[str, ...] = ()
    handle: Any = None  # a FunctionType; mypy takes an optional one for a descriptor


@dataclass(frozen=True, eq=False)
class Placement:
    """A layer's place in a stack: what it does there, and whether it is switched on."""

    layer: Layer
    patch: Patch
    on: bool = True


Placements = tuple[Placement, ...]


class Layer:
    """One change on one target, known by (target, owner, name).

    ``str(layer)`` is the answer line of the verb that changed it last.

    Attributes:
        target: the target's dotted name.
        owner: who put it there: the notebook, a watched file, an extension, a module.
        name: tells the layers of one owner on one target apart.
        verb: the verb that made it.
    """

    def __init__(self, stack: Stack, target: str, owner: str, name: str, verb: str) -> None:
        self.stack = stack
        self.target = target
        self.owner = owner
        self.name = name
        self.verb = verb
        self.answer = ""

    @property
    def placement(self) -> Placement | None:
        """Its place in its stack, None once it was removed."""
        return next((p for p in self.stack.placements if p.layer is self), None)

    @property
    def state(self) -> State | Literal["removed"]:
        """``active``, ``off``, ``pending``, ``stale`` or ``removed``.

        A layer is stale when its target's name leads to another function by now: the module was
        loaded again, or the name was given to something else.
        """
        placement = self.placement
        if placement is None:
            return "removed"
        if not placement.on:
            return "off"
        return "active" if self.stack.is_reached() else "stale"

    @property
    def source(self) -> str | None:
        """The text of its new code, where it can be had."""
        placement = self.placement
        return placement.patch.source if placement else None

    def remove(self) -> None:
        """Take this layer away; the others stay. A layer that is gone already stays gone."""
        with registry.lock:
            if self.placement is not None:
                apply(self.stack.without(self))
                self.answer = answer(f"removed {self.target}", self.whose())

    def off(self) -> None:
        """Switch this layer off without losing it."""
        self._set(on=False)

    def on(self) -> None:
        """Switch this layer on again."""
        self._set(on=True)

    def _set(self, *, on: bool) -> None:
        verb = "switch on" if on else "switch off"
        with registry.lock:
            placement = self.placement
            if placement is None:
                raise PatchRefused(
                    f"{verb} {self.target}",
                    f"this layer ({self.owner}'s {self.name!r}) was removed",
                    "lp.undo() brings a removed layer back",
                )
            if placement.on is not on:
                apply(self.stack.with_placement(replace(placement, on=on), verb))
            self.answer = answer(f"switched {'on' if on else 'off'} {self.target}", self.whose())

    def whose(self) -> str:
        """The layer in words: its owner and its name."""
        return f"{self.owner}'s {self.name!r}"

    def __str__(self) -> str:
        return self.answer

    def __repr__(self) -> str:
        return f"<Layer {self.target} · {self.owner} · {self.name} · {self.state}>"


class Stack:
    """The layers over one function.

    Attributes:
        function: the patched function; its identity never changes.
        base: another function that runs the webui's own code; what the lowest layer calls as
            ``original``.
        placements: the layers in their order, lowest first.
        path: the dotted name it was first asked for.
    """

    def __init__(self, target: Target) -> None:
        self.path = target.path
        self.function = target.function
        self.placements: Placements = ()
        self._had_a_name = leads_to(self.path, self.function)
        self.rebase()

    def is_reached(self) -> bool:
        """Whether the name that the stack was made for still leads to its function."""
        return not self._had_a_name or leads_to(self.path, self.function)

    def rebase(self) -> None:
        """Take what the function runs now as the webui's own code."""
        self.base = clone(self.function)
        self.original = Behaviour.of(self.function)
        self.own_description = Description.of(self.function)
        self.installed = self.original
        self._leads: dict[int, Patch | None] = {id(self.function): None}

    @property
    def top_code(self) -> CodeType:
        """The code that calls begin on now: of the topmost layer that is on, or the webui's."""
        for placement in reversed(self.placements):
            if placement.on:
                return placement.patch.function.__code__
        return self.original.code

    def layer_of(self, owner: str, name: str) -> Layer | None:
        """The layer of an owner and a name, if there is one."""
        for placement in self.placements:
            if (placement.layer.owner, placement.layer.name) == (owner, name):
                return placement.layer
        return None

    def with_placement(self, placement: Placement, verb: str) -> Restack:
        """The change that puts a layer on top, or puts another patch in its present place."""
        kept = tuple(placement if p.layer is placement.layer else p for p in self.placements)
        after = kept if placement in kept else (*self.placements, placement)
        return Restack(self, after, placement, verb)

    def without(self, *layers: Layer) -> Restack:
        """The change that takes layers away."""
        after = tuple(p for p in self.placements if p.layer not in layers)
        placement = next(p for p in self.placements if p.layer in layers)
        return Restack(self, after, placement, "restore")

    def check_not_foreign(self, asked: str) -> None:
        """Raise where someone else changed the function's code or defaults since we did."""
        if not self.placements:
            self.rebase()  # what it runs now is the webui's own, whoever made it so
            return
        now = Behaviour.of(self.function)
        if now.code is not self.installed.code:
            what = f"__code__: it now runs {place(self.function)}"
        elif now.defaults is not self.installed.defaults:
            what = f"__defaults__: now {now.defaults!r}"
        elif now.keyword_defaults is not self.installed.keyword_defaults:
            what = f"__kwdefaults__: now {now.keyword_defaults!r}"
        else:
            return
        raise ForeignChange(
            asked,
            f"someone else changed {self.path}.{what}",
            "take that change back first; nothing was touched",
        )

    def install(self, placements: Placements) -> None:
        """Make calls run the topmost layer that is on, and each ``original`` the one below."""
        below: Patch | None = None
        for placement in placements:
            if placement.on:
                if placement.patch.handle is not None:
                    self._lead(placement.patch.handle, below)
                below = placement.patch
        self._lead(self.function, below)
        self.installed = Behaviour.of(self.function)
        says = self.own_description if below is None else Description.of(below.function)
        says.give_to(self.function)
        self.placements = placements
        registry.stacks[id(self.function)] = self
        if placements:
            registry.patched[id(self.function)] = self
        else:
            registry.patched.pop(id(self.function), None)

    def _lead(self, function: FunctionType, patch: Patch | None) -> None:
        """Make calls of ``function`` run a patch, or the base."""
        if self._leads.get(id(function), self) is patch:
            return  # a store would cost 3.13 its specialised calls for nothing (cpython gh-117045)
        new, handle = (patch.function, patch.handle) if patch else (self.base, None)
        if patch is None and function is self.function:
            behaviour = self.original
        elif handle is None and can_swap(new, function):
            behaviour = Behaviour.of(new)
        else:
            behaviour = replace(
                Behaviour.of(new), code=trampoline(function.__code__, new, handle=handle)
            )
        self._leads.pop(id(function), None)  # what fails in the middle is done again
        switch(
            function,
            behaviour,
            lambda: trampoline(function.__code__, new, handle=handle, matched=False),
        )
        self._leads[id(function)] = patch


def can_swap(new: FunctionType, old: FunctionType) -> bool:
    """Whether the code of ``new`` can run in ``old`` itself, at no cost per call.

    It must find the same globals and the same closure cells there, and be of the same kind.
    """
    return (
        new.__globals__ is old.__globals__
        and new.__code__.co_freevars == old.__code__.co_freevars
        and kind_of(new.__code__) == kind_of(old.__code__)
        and all(
            ours is theirs
            for ours, theirs in zip(new.__closure__ or (), old.__closure__ or (), strict=True)
        )
    )


def stack_of(target: Target) -> Stack:
    """The stack over a target; a new one is seen by nobody until a layer lies on it."""
    stack = registry.stacks.get(id(target.function))
    if stack is None:
        return Stack(target)
    if not stack.placements:
        stack.rebase()
    return stack


class Restack(Change):
    """The step of a stack from its present placements to others."""

    def __init__(self, stack: Stack, after: Placements, placement: Placement, verb: str) -> None:
        self.stack = stack
        self.before = stack.placements
        self.after = after
        self.placement = placement
        self.verb = verb

    def prepare(self) -> None:
        """Refuse where someone else changed the function's code, or where no code can change."""
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
    result = [after.get(p.layer, p) if p.layer in touched else p for p in present]
    result = [p for p in result if p.layer not in touched or p.layer in after]
    present_layers = {p.layer for p in present}
    for position, placement in enumerate(new):
        if placement.layer in touched and placement.layer not in present_layers:
            lower = {p.layer for p in new[:position]}
            index = max((i + 1 for i, p in enumerate(result) if p.layer in lower), default=0)
            result.insert(index, placement)
    return tuple(result)
