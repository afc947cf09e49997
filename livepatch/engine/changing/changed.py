"""The changed things beside functions: middleware, routes, callbacks.

The engine replaces functions. Whoever changes something else puts it into ``registry.changed`` for
as long as a change of ours is on it; so ``restore_all()`` takes those back too, and ``patches()``
lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .registry import registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .change import Change, Stuck


class Changed(Protocol):
    """Something of the webui, not a function, with changes of ours on it."""

    @property
    def path(self) -> str:
        """What it is, for people."""

    def own_layers(self) -> Sequence[Any]:
        """Our layers on it, each with ``target``, ``owner``, ``name`` and ``state``."""

    def way_back(self) -> Change:
        """The change that takes everything of ours back.

        Raises:
            LivepatchError: something stands against it.
        """


def layers_of_changed() -> list[Any]:
    """Our layers on things that are no functions."""
    things = sorted(registry.changed.values(), key=lambda thing: thing.path)
    return [layer for thing in things for layer in thing.own_layers()]


def ways_back() -> tuple[dict[str, Change], list[Stuck]]:
    """The changes that take everything back, by what they are about; and what refused.

    What came last goes first: it may have taken the place of what came before.

    Example:
        >>> ways_back()
        ({}, [])
    """
    changes: dict[str, Change] = {}
    refused: list[Stuck] = []
    things = reversed(tuple(registry.changed.values()))
    last = sorted(things, key=lambda thing: getattr(thing, "is_last", False))
    for position, thing in enumerate(last, 1):
        try:
            change = thing.way_back()
        except Exception as error:  # whatever it is: all others are taken back
            refused.append((thing.path, error))
        else:
            path = thing.path if thing.path not in changes else f"{thing.path} ({position})"
            changes[path] = change
    return changes, refused
