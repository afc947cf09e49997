"""The layers over a function of ours that stands in a place while they are on.

It calls what was in the place: an inherited method, a method of one instance, a builtin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..changing.registry import registry
from ..errors import ForeignChange
from ..naming.again import is_own_again, loaded_as
from ..naming.lookup import what_is
from ..naming.own_name import leads_to_place
from ..naming.unwrapping import is_held
from .function_stacks import FunctionStack, function_stack_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from types import FunctionType

    from ..changing.change import Change
    from ..naming.functions import Target
    from ..naming.overrides import Override
    from .stacks import Placements


class OverrideStack(FunctionStack):
    """The layers over one function of ours in its place."""

    override: Override

    def __init__(self, target: Target) -> None:
        assert target.override is not None
        self.override = target.override
        super().__init__(target)

    def _keys(self) -> tuple[Hashable, ...]:
        """The identities of the functions, and the place."""
        return (*super()._keys(), self.override.slot.key)

    def model_of(self, function: FunctionType) -> Any:  # a FunctionType
        """A function with the code that ours stands for."""
        override = self.override
        is_other = override.model is not override.function
        return override.model if is_other else self.own(function)

    def is_reached(self) -> bool:
        """Whether ours stands in its place, and runs what we installed."""
        return self._is_in_place() and super().is_reached()

    def _is_reached_by_name(self) -> bool:
        return leads_to_place(self.path, self.override.slot)

    def check(self, asked: str, adds: Callable[[], bool]) -> None:
        """Raise where someone else changed the function, or put something into the place."""
        super().check(asked, adds)
        self._check_place(asked, adds)

    def is_overlaid(self) -> bool:
        """Whether somebody else put something into the place."""
        override = self.override
        if self._is_in_place():
            return False
        return not (override.slot.holds(override.put) or override.slot.holds(override.was))

    def _is_in_place(self) -> bool:
        """Whether what is to stand in the place stands there, or below a wrapper of others."""
        override = self.override
        if not self._is_any_on():
            return override.slot.holds(override.was)
        return override.slot.holds(override.put) or is_held(override.function, override.slot.read())

    def _check_place(self, asked: str, adds: Callable[[], bool]) -> None:
        if self._is_in_place():
            return
        override = self.override
        slot = override.slot
        if self.placements and slot.holds(override.was):
            return  # ours is gone, and what it stands on is there
        may_be_ours = self._is_any_on() and not is_own_again(
            self.path, slot, override.was, self._loaded_as
        )
        if self.placements and not may_be_ours and not adds():
            return
        raise ForeignChange(
            asked,
            f"someone else assigned {what_is(slot.read())} to {self.path}",
            "remove that first, or make it the original with lp.adopt; nothing was changed",
        )

    def arrivals(
        self,
        function: FunctionType | None,  # noqa: ARG002 - the name leads to the place, not to it
        *,
        installs: bool = False,
    ) -> Sequence[Change]:
        """The definition made anew that stands in the function."""
        return super().arrivals(None, installs=installs)

    def install(self, placements: Placements) -> None:
        """Make calls run the layers, and put ours into its place or take it out.

        What someone else put there stays.
        """
        super().install(placements)
        override = self.override
        if override.slot.holds(override.put) or override.slot.holds(override.was):
            is_on = any(placement.on for placement in placements)
            override.slot.put(override.put if is_on else override.was)

    def keep(self, placements: Placements) -> None:
        """Count these as the placements."""
        if placements and not self.placements:
            self._loaded_as = loaded_as(self.path)
        super().keep(placements)


def stack_of(target: Target) -> FunctionStack:
    """The stack over a target: one and the same for all who ask, as long as somebody holds it."""
    override = target.override
    if override is None:
        return function_stack_of(target)
    with registry.lock:
        stack = registry.stacks.get(override.slot.key)
        # One without layers may be of what stood there formerly.
        if stack is not None and not stack.placements and stack.override is not override:
            stack = None
        if stack is None:
            stack = OverrideStack(target)
            stack.enter()
    return stack
