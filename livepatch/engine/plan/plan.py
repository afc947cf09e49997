"""A plan: what shall be true of one thing of the webui, as an ordered tuple of placements.

The layers on a function, the middleware of an app and the callbacks of an event are plans. A plan
is never changed: every change is a step from one plan to another, and back, whatever others do
meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..changing.change import Change, ChangeDescription

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

Layer = TypeVar("Layer")
Patch = TypeVar("Patch")
Same = TypeVar("Same", bound="Placement[Any, Any]")


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

    @property
    def key(self) -> Hashable:
        """What it is about: two of the same are two states of one thing."""
        return self.layer

    def switched(self: Same, *, on: bool) -> Same:
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
    """What a plan consists of."""

    @property
    def key(self) -> Hashable:
        """What it is about; two items about the same are two states of one thing."""


Item = TypeVar("Item", bound=Placed)


class Planned(Protocol[Item]):
    """Something of the webui that has a plan: a function, a middleware stack, an event."""

    @property
    def path(self) -> str:
        """What it is, in words."""

    @property
    def plan(self) -> tuple[Item, ...]:
        """What is true of it now."""

    def look_again(self, verb: str) -> None:
        """Look at the webui as it is now: it changes on its own account too.

        Args:
            verb: what is about to be done.

        Raises:
            LivepatchError: it cannot be changed any more.
        """

    def take_plan(self, plan: tuple[Item, ...]) -> None:
        """Make a plan true; while it is not the webui's own, everybody knows of it."""


class Replan(Change, Generic[Item]):
    """The step of something that has a plan from its present one to another.

    Undo, redo and a transaction's way back take one step out of the middle of many: what the step
    did is taken back, what others did since stays.

    Attributes:
        planned: what has the plan.
        before: the plan before the step.
        after: the plan after it.
        verb: what is done, for the journal.
        layer: the layer that it is about; None: all of them.
        source: what the journal keeps of it as text: the new code, or the call.
        is_made: whether it is committed, and not taken back.
    """

    def __init__(
        self,
        planned: Planned[Item],
        after: tuple[Item, ...],
        verb: str,
        layer: Any = None,
        source: str | None = None,
    ) -> None:
        self.planned = planned
        self.before = planned.plan
        self.after = after
        self.verb = verb
        self.layer = layer
        self.source = source
        self.is_made = False

    def prepare(self) -> None:
        """Look at the webui as it is now; refuse where it cannot be changed any more."""
        self.planned.look_again(self.verb)

    def commit(self) -> None:
        """Make the step."""
        self.take(self.carried(self.planned.plan))
        self.is_made = True

    def revert(self) -> None:
        """Take the step back."""
        self.take(self.carried_back(self.planned.plan))
        self.is_made = False

    def take(self, plan: tuple[Item, ...]) -> None:
        """Make a plan true."""
        self.planned.take_plan(plan)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        path, layer = self.planned.path, self.layer
        if layer is None:
            return ChangeDescription(self.verb, path, "livepatch", "every change")
        return ChangeDescription(self.verb, layer.target, layer.owner, layer.name, self.source)

    def hand_down(self, steps: Iterable[Replan[Item]]) -> None:
        """Let steps that were made on top of this one lead back to what was before it.

        Two transactions change one layer. When the first is given up, the second stays; and where
        that is taken back too, it must not bring the first's work again. A step whose commit
        failed has no work in them.

        Args:
            steps: the other steps of the same thing that may still be taken back.
        """
        if not self.is_made:
            return
        before, after, now = map(_by_key, (self.before, self.after, self.planned.plan))
        touched = [key for key in {**before, **after} if before.get(key) is not after.get(key)]
        if any(now.get(key) is not after.get(key) for key in touched):
            for step in [*steps]:
                step.before = self.carried_back(step.before)

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
    nearest one that stands before it in ``new``, or before the nearest behind it. What others
    altered, added or took away since stays as they left it: the later step wins.

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
        >>> carry_over((a, b), (a,), (a, off, c)) == (a, off, c)
        True
    """
    if present == old:
        return new
    before, after, now = map(_by_key, (old, new, present))
    touched = {
        key
        for key in {**before, **after}
        if before.get(key) is not after.get(key) and now.get(key) is before.get(key)
    }
    moves = [key for key in before if key in after] != [key for key in after if key in before]
    stays = {} if moves else {key: item for key, item in after.items() if key in touched}
    result = [
        stays.get(item.key, item)
        for item in present
        if item.key not in touched or item.key in stays
    ]
    for position, item in enumerate(new):
        places = {placed.key: place for place, placed in enumerate(result)}
        if item.key not in touched or item.key in places:
            continue
        earlier = [places[one.key] + 1 for one in reversed(new[:position]) if one.key in places]
        later = [places[one.key] for one in new[position + 1 :] if one.key in places]
        result.insert(next(iter([*earlier, *later]), 0), item)
    return tuple(result)


def _by_key(plan: tuple[Item, ...]) -> dict[Hashable, Item]:
    return {item.key: item for item in plan}
