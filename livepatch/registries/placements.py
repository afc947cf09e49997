"""The order of registrations, and a step of it applied to an order that others changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registration import Registration


@dataclass(frozen=True, eq=False)
class Placement:
    """A registration's place at its point, and whether it is called there."""

    registration: Registration
    on: bool = True


Placements = tuple[Placement, ...]


def live(placements: Placements) -> list[Registration]:
    """The registrations that are called, in the order of their calls."""
    return [placement.registration for placement in placements if placement.on]


def carry_over(old: Placements, new: Placements, present: Placements) -> Placements:
    """Apply the step from ``old`` to ``new`` to placements that others may have changed.

    A registration is touched by the step where its placement differs; each of those goes behind
    the nearest one that stands before it in ``new``.
    """
    if present == old:
        return new
    before = {p.registration: p for p in old}
    after = {p.registration: p for p in new}
    touched = {r for r in {**before, **after} if before.get(r) is not after.get(r)}
    result = [p for p in present if p.registration not in touched]
    for position, placement in enumerate(new):
        if placement.registration not in touched:
            continue
        positions = {p.registration: i for i, p in enumerate(result)}
        earlier = (p.registration for p in reversed(new[:position]))
        later = (p.registration for p in new[position + 1 :])
        previous = next((r for r in earlier if r in positions), None)
        following = next((r for r in later if r in positions), None)
        if previous is not None:
            result.insert(positions[previous] + 1, placement)
        elif following is not None:
            result.insert(positions[following], placement)
        else:
            result.insert(0, placement)
    return tuple(result)


def same(one: Placements, other: Placements) -> bool:
    """Whether the same registrations stand in the same order, and are called or not alike."""
    return [(p.registration, p.on) for p in one] == [(p.registration, p.on) for p in other]
