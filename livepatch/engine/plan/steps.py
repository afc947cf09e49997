"""A step from one order of things to another, applied to an order that others changed since.

Undo, redo and a transaction's way back take one step out of the middle of many: what the step did
is taken back, what others did since stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Item = TypeVar("Item")


def carry_over(
    old: tuple[Item, ...],
    new: tuple[Item, ...],
    present: tuple[Item, ...],
    by: Callable[[Item], Hashable],
) -> tuple[Item, ...]:
    """Apply the step from ``old`` to ``new`` to an order that others may have changed.

    What the step only altered stays where it is by now. What it added or moved goes behind the
    nearest one that stands before it in ``new``, or before the nearest behind it.

    Args:
        old: the order before the step.
        new: the order after the step.
        present: the order now.
        by: what an item is about; two items about the same are two states of one thing.

    Example:
        >>> def first(item): return item[0]
        >>> carry_over(("a1", "b1"), ("a1", "b2"), ("a1", "x1", "b1", "c1"), by=first)
        ('a1', 'x1', 'b2', 'c1')
        >>> carry_over(("a1",), ("a1", "b1"), ("x1", "a1", "c1"), by=first)
        ('x1', 'a1', 'b1', 'c1')
    """
    if present == old:
        return new
    before, after = {by(item): item for item in old}, {by(item): item for item in new}
    touched = {key for key in {**before, **after} if before.get(key) is not after.get(key)}
    moves = [key for key in before if key in after] != [key for key in after if key in before]
    stays = {} if moves else {key: item for key, item in after.items() if key in touched}
    result = [
        stays.get(by(item), item)
        for item in present
        if by(item) not in touched or by(item) in stays
    ]
    for position, item in enumerate(new):
        places = {by(placed): place for place, placed in enumerate(result)}
        if by(item) not in touched or by(item) in places:
            continue
        earlier = [places[by(one)] + 1 for one in reversed(new[:position]) if by(one) in places]
        later = [places[by(one)] for one in new[position + 1 :] if by(one) in places]
        result.insert(next(iter([*earlier, *later]), 0), item)
    return tuple(result)
