"""The order of registrations, and a step of it applied to an order that others changed since."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from livepatch.engine.plan import steps

if TYPE_CHECKING:
    from .registration import Registration


@dataclass(frozen=True, eq=False)
class Placement:
    """A registration's place at its point, and whether it is called there."""

    registration: Registration
    on: bool = True


Placements = tuple[Placement, ...]

_registration = attrgetter("registration")


def live(placements: Placements) -> list[Registration]:
    """The registrations that are called, in the order of their calls."""
    return [placement.registration for placement in placements if placement.on]


def carry_over(old: Placements, new: Placements, present: Placements) -> Placements:
    """Apply the step from ``old`` to ``new`` to placements that others may have changed."""
    return steps.carry_over(old, new, present, by=_registration)


def same(one: Placements, other: Placements) -> bool:
    """Whether the same registrations stand in the same order, and are called or not alike."""
    return [(p.registration, p.on) for p in one] == [(p.registration, p.on) for p in other]
