"""Finds where in a plan something goes: before or after another, or at a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..answers import counted
from ..errors import PatchRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .plan import Placement

Reference = Any  # a layer, or what is accepted for it: a name, a class, a function


def position_in(
    asked: str,
    plan: Sequence[Placement[Any, Any]],
    find: Callable[[Reference], object],
    *,
    before: Reference = None,
    after: Reference = None,
    index: int | None = None,
    otherwise: int,
    first: str,
    count_off: bool = False,
) -> int:
    """The position in a plan that somebody said.

    Args:
        asked: the user's request in words.
        plan: the placements among which it goes, without itself.
        find: answers the layer that a reference means, or raises.
        before: what it shall stand before.
        after: what it shall stand after.
        index: its number, from the end where it is negative.
        otherwise: the position where nothing is said.
        first: what the number 0 means, in words.
        count_off: whether those that are switched off have a number too.

    Raises:
        PatchRefused: there is no such place, or more than one was said.
    """
    check_one_place(asked, before=before, after=after, index=index)
    if index is not None:
        counted = [i for i, placement in enumerate(plan) if placement.on or count_off]
        number = number_among(asked, len(counted), index, first)
        return counted[number] if number < len(counted) else len(plan)
    if before is None and after is None:
        return otherwise
    other = find(after if before is None else before)
    for position, placement in enumerate(plan):
        if placement.layer is other:
            return position + (before is None)
    raise PatchRefused(asked, "it cannot go before or after itself", "name another one")


def check_one_place(asked: str, **places: Reference) -> None:
    """Refuse where more than one place was given."""
    said = [f"{name}=…" for name, place in places.items() if place is not None]
    if len(said) > 1:
        raise PatchRefused(asked, "more than one place was given", f"give one: {' or '.join(said)}")


def number_among(asked: str, size: int, index: object, first: str) -> int:
    """The number of a place among others, 0 to ``size``; a negative one counts from the end.

    Args:
        asked: the user's request in words.
        size: how many others there are.
        index: the number as it was given.
        first: what the number 0 means, in words.

    Raises:
        PatchRefused: it is not a number, or there are not so many.

    Example:
        >>> number_among("add", 3, -1, "index=0 is first")
        3
    """
    if isinstance(index, bool) or not isinstance(index, int):
        raise PatchRefused(asked, f"index={index!r} is not a number", first)
    if not -size - 1 <= index <= size:
        there = f"there {'is' if size == 1 else 'are'} {counted(size, 'other')}"
        raise PatchRefused(
            asked,
            f"index={index}, but {there}: the index goes from 0 to {size}",
            "give before=… or after=… instead",
        )
    return index if index >= 0 else size + 1 + index
