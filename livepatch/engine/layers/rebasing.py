"""Rebasing: the change that makes what lies below the layers their new original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..changing.change import Change, ChangeDescription

if TYPE_CHECKING:
    from .stacks import Stack


class Rebase(Change):
    """What someone else did to a thing becomes what the layers lie on.

    Args:
        stack: the stack over it.
        installs: whether the layers are installed on it; else the change that it comes before does
            that.
        is_recorded: whether undo knows it: a user asked for it.
    """

    def __init__(self, stack: Stack, *, installs: bool = False, is_recorded: bool = False) -> None:
        self.stack = stack
        self.before = stack.original_state()
        self.foreign = stack.present_state()
        self.theirs = stack.state_without_ours()
        self.installs, self.is_recorded = installs, is_recorded

    def prepare(self) -> None:
        """Nothing stands against it: what is there is taken as it is."""

    def commit(self) -> None:
        """Count what is there as the webui's own."""
        self.stack.set_original_state(self.theirs)
        if self.installs:
            self.stack.take_plan(self.stack.placements)

    def revert(self) -> None:
        """Give the foreign change its place back, over our layers."""
        self.stack.set_original_state(self.before)
        self.stack.install_foreign(self.foreign)

    def describe(self) -> ChangeDescription:
        """The target."""
        return ChangeDescription("adopt", self.stack.path, "foreign", "adopt")
