"""Layers, and the stacks that they lie on.

A layer is one change, known by what it is about, its owner and its name. It lies on one stack, the
one over its target; that of a class lies on the stacks of all the methods that it changes.

What a stack looks like is one immutable tuple of placements, so every change of it is a step from
one tuple to another, and the way back is the step in the other direction.
"""

from __future__ import annotations

import sys
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..answers import answer
from ..changing.change import Change, ChangeDescription, apply, open_step
from ..changing.registry import registry
from ..errors import PatchRefused
from ..naming.following import full_name
from ..naming.slots import Barred
from ..plan.plan import Placement, Replan
from .patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from types import FunctionType

    from ..naming.overrides import Override
    from .guard import Failure

State = Literal["active", "off", "pending", "stale", "removed"]


@dataclass(eq=False)
class Layer:
    """One change on one target.

    ``str(layer)`` is the answer line of the verb that changed it last.

    Attributes:
        about: the class whose methods it changes; None: one function or value.
        target: the target's dotted name.
        owner: who put it there: the notebook, a watched file, an extension, a module.
        name: tells the layers of one owner on one target apart.
        verb: the verb that made it.
        answer: the answer line.
        is_named: whether its target was meant by that name; else the name is only a label.
    """

    about: type | None
    target: str
    owner: str
    name: str
    verb: str
    answer: str = field(default="", repr=False)
    is_named: bool = field(default=True, repr=False)

    @property
    def key(self) -> Hashable:
        """What tells it from the other layers of its stack."""
        return id(self.about), self.owner, self.name

    @property
    def stacks(self) -> list[Stack]:
        """The stacks that it lies on now; none once it was removed."""
        return [s for s in registry.patched.copy().values() if s.placement_of(self) is not None]

    @property
    def placement(self) -> LayerPlacement | None:
        """Its place in its stack (of a class, in one of them), None once it was removed."""
        placements = (stack.placement_of(self) for stack in registry.patched.copy().values())
        return next((placement for placement in placements if placement is not None), None)

    @property
    def state(self) -> State:
        """``active``, ``off``, ``pending``, ``stale`` or ``removed``.

        A layer is stale when calls of its target do not reach it by now: the module was loaded
        again, the name was given to something else, or someone exchanged the function's code.
        """
        if self in registry.pending:
            return "pending"
        placement = self.placement
        if placement is None:
            return "removed"
        if not placement.on:
            return "off"
        return "active" if all(stack.is_reached() for stack in self.stacks) else "stale"

    @property
    def source(self) -> str | None:
        """The text of its new code, where it can be had."""
        placement = self.placement
        return placement.patch.source if placement else None

    @property
    def failures(self) -> list[Failure]:
        """What its guarded code raised lately, oldest first; see ``guard=True``."""
        placement = self.placement
        guard = placement.patch.guard if placement else None
        return list(guard.failures) if guard else []

    def remove(self) -> None:
        """Take this layer away; the others stay. A layer that is gone already stays gone.

        One that waits for a safe point waits no longer.
        """
        with registry.lock:
            if self._pending is not None:
                self._pending.cancel()
            elif stacks := self.stacks:
                apply(*[stack.without(self) for stack in stacks])
                self.answer = answer(f"removed {self.target}", self.whose())

    def off(self) -> None:
        """Switch this layer off without losing it."""
        self._set(on=False)

    def on(self) -> None:
        """Switch this layer on again; one that waits for a safe point is put there now."""
        self._set(on=True)

    def _set(self, *, on: bool) -> None:
        verb = "switch on" if on else "switch off"
        with registry.lock:
            pending = self._pending
            if pending is not None:
                pending.force() if on else pending.cancel()
                return
            placement = self.placement
            if placement is None:
                raise PatchRefused(
                    f"{verb} {self.target}",
                    f"this layer ({self.owner}'s {self.name!r}) was removed",
                    "lp.undo() brings a removed layer back",
                )
            if on and placement.patch.guard is not None:
                placement.patch.guard.count = 0
            if placement.on is not on:
                apply(*(stack.switched(self, on=on) for stack in self.stacks))
            self.answer = answer(f"switched {'on' if on else 'off'} {self.target}", self.whose())

    @property
    def _pending(self) -> Any:
        return registry.pending.get(self)

    def whose(self) -> str:
        """The layer in words: its owner and its name."""
        return f"{self.owner}'s {self.name!r}"

    def __str__(self) -> str:
        return self.answer

    def __repr__(self) -> str:
        return f"<Layer {self.target} · {self.owner} · {self.name} · {self.state}>"


class LayerPlacement(Placement[Layer, Patch]):
    """A layer's place in a stack, with what it does there.

    Another layer of the same identity is another state of the same.
    """

    @property
    def key(self) -> Hashable:
        """The layer's identity."""
        return self.layer.key


Placements = tuple[LayerPlacement, ...]


def is_on(layer: Any, path: str) -> bool:
    """Whether a layer lies on the target of this name; of middleware and the like, is named so."""
    stacks = layer.stacks if isinstance(layer, Layer) else ()
    names = {layer.target, *(stack.path for stack in stacks)}
    return path in names or full_name(path) in names


class Stack(ABC):
    """The layers over one thing.

    Attributes:
        path: the dotted name it was first asked for.
        is_named: whether that name led there; else it is only a label.
        placements: the layers in their order, lowest first.
        override: where a function of ours stands in a place while layers are on.
        keys: what it is known by in the registry; the first is its own for good.
    """

    path: str
    is_named: bool
    keys: tuple[Hashable, ...]
    placements: Placements = ()
    override: Override | None = None
    # The steps of it that can still be made or taken back, from when a transaction was open: see
    # `Replan.hand_down`.
    steps: weakref.WeakSet[Restack] | None = None

    @property
    def plan(self) -> Placements:
        """The layers in their order, as every plan has them."""
        return self.placements

    @abstractmethod
    def check(self, asked: str, adds: Callable[[], bool]) -> None:
        """Raise where someone else put something on top of what livepatch put there.

        Args:
            asked: the user's request in words.
            adds: whether something of ours shall come there; what is gone already can be taken off.
        """

    @abstractmethod
    def is_reached(self) -> bool:
        """Whether what livepatch has put there is what its users meet."""

    @abstractmethod
    def install(self, placements: Placements) -> None:
        """Switch the target to the topmost layer that is on, each ``original`` to the one below."""

    @abstractmethod
    def original_state(self) -> Any:
        """What counts as the webui's own, to be set again."""

    @abstractmethod
    def fresh_state(self) -> Any:
        """What is to count as the webui's own where no layer is on it: what is there now."""

    @abstractmethod
    def present_state(self) -> Any:
        """What stands there now, to be shown again."""

    @abstractmethod
    def state_without_ours(self) -> Any:
        """What stands there now without what livepatch left in it: to count as the webui's own."""

    @abstractmethod
    def set_original_state(self, state: Any) -> None:
        """Count something else as the webui's own; changes nothing yet."""

    @abstractmethod
    def install_foreign(self, state: Any) -> None:
        """Put back what someone else had put there."""

    def arrivals(
        self,
        function: FunctionType | None,  # noqa: ARG002
        *,
        installs: bool = False,  # noqa: ARG002
    ) -> Sequence[Change]:
        """What makes a newer original count that has come under the layers; changes nothing.

        Args:
            function: what the target is now.
            installs: whether they install the layers on it too.
        """
        return ()

    def enter(self) -> tuple[Hashable, ...]:
        """Be what is found over this thing from now on; answers the keys."""
        keys = self.keys
        for key in keys:
            if registry.stacks.get(key) is not self:  # asking is much cheaper than a weak entry
                registry.stacks[key] = self
        return keys

    def look_again(self, verb: str) -> None:
        """Refuse where no code can change.

        Args:
            verb: what is about to be done.
        """
        is_gil_enabled = getattr(sys, "_is_gil_enabled", None)  # from 3.13 on
        if is_gil_enabled is not None and not is_gil_enabled():
            raise PatchRefused(
                f"{verb} {self.path}",
                "this Python runs without its GIL, where it is not safe to change a "
                "function's code while others call it (cpython gh-145272)",
                "start the webui with PYTHON_GIL=1",
            )

    def take_plan(self, placements: Placements) -> None:
        """Switch the target to the topmost layer that is on, then record the placements.

        Raises:
            PatchRefused: the place does not take what is put there.
        """
        try:
            self.install(placements)
        except Barred as error:
            raise PatchRefused(
                f"change {self.path}",
                f"{self.path} cannot be set: {error}",
                "replace the object that holds it, or the function that reads it",
            ) from error
        self.keep(placements)

    def keep(self, placements: Placements) -> None:
        """Record these as the placements; changes nothing in the target."""
        self.placements = placements
        if placements:
            registry.patched[self.enter()[0]] = self
        else:
            registry.patched.pop(self.keys[0], None)

    def placement_of(self, layer: Layer) -> LayerPlacement | None:
        """Where a layer lies on this stack."""
        for placement in self.placements:
            if placement.layer is layer:
                return placement
        return None

    def layer_of(self, about: object, owner: str, name: str) -> Layer | None:
        """The layer of an identity, if there is one."""
        for placement in self.placements:
            layer = placement.layer
            if (layer.owner, layer.name) == (owner, name) and layer.about is about:
                return layer
        return None

    def with_placement(
        self, placement: LayerPlacement, verb: str, function: FunctionType | None = None
    ) -> Restack:
        """The change that puts a layer on top, or puts another patch in its present place.

        Args:
            placement: the layer with its patch.
            verb: what is done.
            function: what the target is now, where it is a function.
        """
        kept = [placement if p.layer is placement.layer else p for p in self.placements]
        after = tuple(kept) if placement in kept else (*self.placements, placement)
        return Restack(self, after, placement, verb, function)

    def with_all(self, placements: Placements, about: LayerPlacement, verb: str) -> Restack:
        """The change that puts several layers on top."""
        return Restack(self, (*self.placements, *placements), about, verb)

    def switched(self, layer: Layer, *, on: bool) -> Restack:
        """The change that switches a layer on or off."""
        placement = self.placement_of(layer)
        assert placement is not None
        return self.with_placement(placement.switched(on=on), f"switch {'on' if on else 'off'}")

    def without(self, *layers: Layer, leaves_foreign: bool = False) -> Restack:
        """The change that takes layers away.

        Args:
            layers: which.
            leaves_foreign: whether what somebody else put on top is to stay, and is no hindrance.
        """
        after = tuple([p for p in self.placements if p.layer not in layers])
        taken = [p for p in self.placements if p.layer in layers]
        step = Restack(self, after, taken[0], "restore")
        step.leaves_foreign = leaves_foreign
        return step


class Part(NamedTuple):
    """What one target needs of a change.

    Attributes:
        stack: the stack that the patch goes on.
        patch: the patch.
        function: what the target is now, where it is a function.
    """

    stack: Stack
    patch: Patch
    function: FunctionType | None = None


class Restack(Replan[LayerPlacement]):
    """The step of a stack from its present placements to others.

    Attributes:
        leaves_foreign: whether it asks nobody: what somebody else put there stays as it is.
    """

    leaves_foreign = False

    def __init__(
        self,
        stack: Stack,
        after: Placements,
        placement: LayerPlacement,
        verb: str,
        function: FunctionType | None = None,
    ) -> None:
        super().__init__(stack, after, verb, placement.layer)
        self.stack = stack
        self.placement = placement
        self.function = function
        self._fresh: Any = None
        if stack.steps is not None or open_step() is not None:
            if stack.steps is None:
                stack.steps = weakref.WeakSet()
            stack.steps.add(self)

    def first(self) -> Sequence[Change]:
        """A newer original counts first."""
        return self.stack.arrivals(self.function) if self.stack.placements else ()

    def prepare(self) -> None:
        """Refuse where someone else changed what is there, or where no code can change."""
        super().prepare()
        if not self.leaves_foreign:
            self.stack.check(f"{self.verb} {self.stack.path}", self._adds)
        # Before anything changes: a commit that an interrupt cut in two begins from here again.
        self._fresh = None if self.stack.placements else self.stack.fresh_state()

    def take(self, plan: Placements) -> None:
        """Install these placements."""
        if self._fresh is not None and not self.stack.placements:
            self.stack.set_original_state(self._fresh)
        super().take(plan)

    def revert(self) -> None:
        """Install the placements before the step, with what others did since."""
        if self.stack.steps:
            self.hand_down(step for step in self.stack.steps if step is not self)
        try:
            super().revert()
        except Exception:
            self._stay_listed()
            raise

    def _adds(self) -> bool:
        """Whether the way it would go now, forth or back, puts something of ours there."""
        present = self.stack.placements
        coming = self.carried(present)
        if coming == present:  # it is true by now: the way back
            coming = self.carried_back(present)
        return any(placement.on and placement not in present for placement in coming)

    def _stay_listed(self) -> None:
        """Keep what could not be taken back among the placements: it is taken back later."""
        known = {placement.key for placement in (*self.before, *self.stack.placements)}
        left = [placement for placement in self.after if placement.key not in known]
        if left:
            self.stack.keep((*self.stack.placements, *left))

    def describe(self) -> ChangeDescription:
        """The layer that the step is about."""
        layer, patch = self.placement.layer, self.placement.patch
        return ChangeDescription(
            self.verb, layer.target, layer.owner, layer.name, patch.source, patch.facts
        )
