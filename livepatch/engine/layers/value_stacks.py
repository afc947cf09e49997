"""The layers over a plain value, which has no code: the topmost is assigned to its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..changing.registry import registry
from ..errors import ForeignChange
from ..naming.again import is_own_again, loaded_as
from ..naming.lookup import what_is
from ..naming.own_name import leads_to_place
from .function_stacks import is_over_function
from .rebasing import Rebase
from .stacks import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FunctionType

    from ..changing.change import Change
    from ..naming.slots import Slot
    from .stacks import Placements


class ValueStack(Stack):
    """The layers over one place that holds a value."""

    def __init__(self, path: str, slot: Slot) -> None:
        self.path = path
        self.slot = slot
        self.keys = (slot.key,)
        self.original = slot.read()
        self.installed = self.original
        self.is_named = leads_to_place(path, slot)
        self._loaded_as: object = None

    def keep(self, placements: Placements) -> None:
        """Count these as the placements."""
        if placements and not self.placements:
            self._loaded_as = loaded_as(self.path)
        super().keep(placements)

    def check(self, asked: str, adds: Callable[[], bool]) -> None:  # noqa: ARG002
        """Raise where someone else assigned another value since we did."""
        if self.placements and not (self._is_ours() or self._is_gone()):
            raise ForeignChange(
                asked,
                f"someone else assigned {what_is(self.slot.read())} to {self.path}",
                "assign the former value first, or make theirs the original with lp.adopt",
            )

    def _is_ours(self) -> bool:
        """Whether what we put there stands there."""
        return self.slot.holds(self.installed)

    def _is_gone(self) -> bool:
        """Whether nothing of ours can be there any more: the webui's own stands there again."""
        is_any_on = any(placement.on for placement in self.placements)
        return not is_any_on or is_own_again(self.path, self.slot, self.original, self._loaded_as)

    def arrivals(
        self,
        function: FunctionType | None,  # noqa: ARG002
        *,
        installs: bool = False,
    ) -> Sequence[Change]:
        """The webui's own value where that stands there again."""
        return () if self._is_ours() or not self._is_gone() else [Rebase(self, installs=installs)]

    @property
    def own(self) -> Any:
        """The webui's own value, whatever layers lie on it."""
        return self.original if self.placements else self.slot.read()

    def original_state(self) -> Any:
        """The webui's own value."""
        return self.original

    def fresh_state(self) -> Any:
        """The value that stands there."""
        return self.slot.read()

    def present_state(self) -> Any:
        """The value that stands there."""
        return self.slot.read()

    def state_without_ours(self) -> Any:
        """The value that stands there: it is none of ours."""
        return self.slot.read()

    def set_original_state(self, state: Any) -> None:
        """Count another value as the webui's own."""
        self.original = state
        self._loaded_as = loaded_as(self.path)

    def install_foreign(self, state: Any) -> None:
        """Assign the foreign value again."""
        self.slot.put(state)

    def is_reached(self) -> bool:
        """Whether our value still stands there, and the name still leads to that place."""
        named = not self.is_named or leads_to_place(self.path, self.slot)
        return named and self._is_ours()

    def install(self, placements: Placements) -> None:
        """Assign the topmost value that is on, or the webui's own."""
        on = [placement.patch.function for placement in placements if placement.on]
        if not self.placements or self._is_ours() or self.slot.holds(self.original):
            self.slot.put(on[-1] if on else self.original)
            self.installed = self.slot.read()  # the holder may have made something else of it


def value_stack_of(path: str, slot: Slot) -> ValueStack:
    """The stack over a value's place: one and the same for all, as ``stack_of``."""
    with registry.lock:
        stack = registry.stacks.get(slot.key)
        if stack is None or (is_over_function(stack) and not stack.placements):
            stack = ValueStack(path, slot)
            stack.enter()
    return stack  # a function's is refused: it holds something else
