"""Tells whether a webui is registering its callbacks anew, by its own acts.

A webui that reloads its page drops all that is registered and has every script register again, with
pauses of seconds. What of ours is put between would be dropped, doubled or renamed. So two acts are
looked at: that nothing is registered any more of what was, and what the webui makes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


holding_back: list[Callable[[], bool]] = []
"""Each tells whether livepatch has still to put back what callbacks come from: extensions that it
had loaded, and that a reload of the page has dropped."""


class Registering:
    """All lists of callbacks of one webui, and what it makes when it has filled them.

    Args:
        lists: answers the lists.
        built: answers an object that the webui makes anew each time when it has registered
            everything; None while it has not yet.

    Attributes:
        times: how often it has registered everything anew since we know of it.

    Example:
        >>> page, callbacks = object(), [print]
        >>> told = Registering(lambda: [callbacks], lambda: page)
        >>> told.is_under_way()
        False
        >>> callbacks[:] = []
        >>> told.is_under_way()
        True
        >>> page, callbacks[:] = object(), [len]
        >>> told.is_under_way(), told.times
        (False, 1)
    """

    def __init__(
        self, lists: Callable[[], Iterable[Iterable[Any]]], built: Callable[[], object]
    ) -> None:
        self._lists = lists
        self._built = built
        # Kept, not only their identities: another object may get the identity of a dropped one.
        self._known: dict[int, Any] = {}
        self._last: object = built()
        self.times = 0

    def is_under_way(self) -> bool:
        """Whether everything was dropped that was registered, and the rest has still to come."""
        present = {id(item): item for listed in self._lists() for item in listed}
        if self._known and self._known.keys().isdisjoint(present):
            built = self._built()
            if built is self._last or built is None or any(told() for told in holding_back):
                return True
            self.times += 1
        self._known, self._last = present, self._built()
        return False

    def take_as_it_is(self) -> None:
        """What is registered now is all that shall be: it is not the webui that took the rest."""
        self._known = {id(item): item for listed in self._lists() for item in listed}
