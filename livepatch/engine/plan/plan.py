"""A plan: what shall be true of one thing of the webui, as an ordered tuple of placements.

The layers on a function, the middleware of an app and the callbacks of an event are plans. A plan
is never changed: every change is a step from one plan to another, and back, whatever others do
meanwhile.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from ..changing.change import Change

Layer = TypeVar("Layer")
Patch = TypeVar("Patch")


@dataclass(eq=False)  # not frozen: that makes making one three times as long
class Placement(Generic[Layer, Patch]):
    """A layer's place in a plan, and whether it is switched on.

    Nothing of it changes; what is another state of the same layer is another placement. So two are
    the same when they are one object.

    Attributes:
        layer: what is placed: a layer, a middleware, a registration.
        patch: what it does there, where that is not the layer's own affair.
        on: whether it is switched on.
    """

    layer: Layer
    patch: Patch = None  # type: ignore[assignment]  # of those whose layer says all
    on: bool = True

    def switched(self, *, on: bool) -> Placement[Layer, Patch]:
        """The same, switched on or off.

        Example:
            >>> Placement("a layer").switched(on=False).on
            False
        """
        return replace(self, on=on)


def layers_on(plan: tuple[Placement[Layer, Any], ...]) -> list[Layer]:
    """What is switched on, in the order of the plan.

    Example:
        >>> layers_on((Placement("a"), Placement("b", on=False), Placement("c")))
        ['a', 'c']
    """
    return [placement.layer for placement in plan if placement.on]


def is_same(one: tuple[Placement[Any, Any], ...], other: tuple[Placement[Any, Any], ...]) -> bool:
    """Whether two plans place the same layers in the same order, switched on and off alike.

    Example:
        >>> layer = object()
        >>> is_same((Placement(layer),), (Placement(layer),))
        True
    """
    return [(p.layer, p.on) for p in one] == [(p.layer, p.on) for p in other]


class Placed(Protocol):
    """What a plan consists of: each item is about one layer."""

    @property
    def layer(self) -> object:
        """What it is about; two items about the same are two states of one thing."""


Item = TypeVar("Item", bound=Placed)


class Replan(Change, Generic[Item]):
    """The step of something that has a plan from its present one to another.

    Undo, redo and a transaction's way back take one step out of the middle of many: what the step
    did is taken back, what others did since stays.

    Attributes:
        before: the plan before the step.
        after: the plan after it.
    """

    def __init__(self, before: tuple[Item, ...], after: tuple[Item, ...]) -> None:
        self.before = before
        self.after = after

    @abstractmethod
    def present(self) -> tuple[Item, ...]:
        """The plan now."""

    @abstractmethod
    def take(self, plan: tuple[Item, ...]) -> None:
        """Make a plan true."""

    def commit(self) -> None:
        """Make the step."""
        self.take(self.carried(self.present()))

    def revert(self) -> None:
        """Take the step back."""
        self.take(self.carried_back(self.present()))

    def carried(self, plan: tuple[Item, ...]) -> tuple[Item, ...]:
        """A plan that others may have changed, with the step in it."""
        return carry_over(self.before, self.after, plan)

    def carried_back(self, plan: tuple[Item, ...]) -> tuple[Item, ...]:
        """A plan that others may have changed, without the step."""
        return carry_over(self.after, self.before, plan)


def carry_over(
    old: tuple[Item, ...], new: tuple[Item, ...], present: tuple[Item, ...]
) -> tuple[Item, ...]:
    """Apply the step from ``old`` to ``new`` to a plan that others may have changed.

    What the step only altered stays where it is by now. What it added or moved goes behind the
    nearest one that stands before it in ``new``, or before the nearest behind it.

    Args:
        old: the plan before the step.
        new: the plan after the step.
        present: the plan now.

    Example:
        >>> a, b, c, x = map(Placement, "abcx")
        >>> off = b.switched(on=False)
        >>> [p.layer for p in carry_over((a,), (a, b), (x, a, c))]
        ['x', 'a', 'b', 'c']
        >>> carry_over((a, b), (a, off), (a, x, b, c)) == (a, x, off, c)
        True
    """
    if present == old:
        return new
    before, after = {item.layer: item for item in old}, {item.layer: item for item in new}
    touched = {key for key in {**before, **after} if before.get(key) is not after.get(key)}
    moves = [key for key in before if key in after] != [key for key in after if key in before]
    stays = {} if moves else {key: item for key, item in after.items() if key in touched}
    result = [
        stays.get(item.layer, item)
        for item in present
        if item.layer not in touched or item.layer in stays
    ]
    for position, item in enumerate(new):
        places = {placed.layer: place for place, placed in enumerate(result)}
        if item.layer not in touched or item.layer in places:
            continue
        earlier = [places[one.layer] + 1 for one in reversed(new[:position]) if one.layer in places]
        later = [places[one.layer] for one in new[position + 1 :] if one.layer in places]
        result.insert(next(iter([*earlier, *later]), 0), item)
    return tuple(result)
