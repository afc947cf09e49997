"""Makes calls of one function run another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codes import trampoline
from .kinds import kind_of
from .state import FunctionState, switch

if TYPE_CHECKING:
    from types import FunctionType


def lead(
    function: FunctionType, new: FunctionType, handle: FunctionType | None = None
) -> FunctionState:
    """Make calls of a function run another, by its own code where that fits.

    Args:
        function: the function to change; its identity stays.
        new: what its calls shall run.
        handle: the ``original`` that ``new`` gets as first argument, where it wants one.

    Returns:
        The state that its calls run on now; what it says of itself is still its own.
    """
    is_swap = handle is None and can_swap(new, function)
    code = new.__code__ if is_swap else trampoline(function.__code__, new, handle=handle)
    state = FunctionState.of(new, code)
    switch_calls(function, state, new, handle)
    return state


def switch_calls(
    function: FunctionType,
    state: FunctionState,
    meanwhile: FunctionType,
    handle: FunctionType | None = None,
) -> None:
    """Make calls of a function run on a code and defaults.

    Args:
        function: the function to change.
        state: the code and the defaults.
        meanwhile: a function that does the same, called while the defaults change.
        handle: as in :func:`lead`.
    """
    switch(
        function,
        state,
        lambda: trampoline(function.__code__, meanwhile, handle=handle, matched=False),
    )


def can_swap(new: FunctionType, old: FunctionType) -> bool:
    """Whether the code of ``new`` can run in ``old`` itself, at no cost per call.

    It must find the same globals and the same closure cells there, and be of the same kind.
    """
    return (
        new.__globals__ is old.__globals__
        and new.__code__.co_freevars == old.__code__.co_freevars
        and kind_of(new.__code__) == kind_of(old.__code__)
        and all(
            ours is theirs
            for ours, theirs in zip(new.__closure__ or (), old.__closure__ or (), strict=True)
        )
    )
