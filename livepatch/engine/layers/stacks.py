"""Stacks: the layers over one thing, whatever it is.

What a stack looks like is one immutable tuple of placements, so every change of it is a step from
one tuple to another (``restack.py``), and the way back is the step in the other direction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeGuard

from ..changing.masking import masked
from ..changing.registry import registry
from .restack import Restack

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..naming.overrides import Override
    from .function_stacks import FunctionStack
    from .layer import Layer, Placement, Placements


class Stack(ABC):
    """The layers over one thing.

    Attributes:
        path: the dotted name it was first asked for.
        placements: the layers in their order, lowest first.
        override: where a function of ours stands in a place while layers are on.
        keys: what it is known by in the registry; the first is its own for good.
    """

    path: str
    keys: tuple[Hashable, ...]
    placements: Placements = ()
    override: Override | None = None

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


def is_over_function(stack: Stack) -> TypeGuard[FunctionStack]:
    """Whether the stack is that of a function; it may be of another copy of the engine."""
    return hasattr(stack, "bodies")
