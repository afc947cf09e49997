"""Adopting: what someone else did to a patched target becomes the base below our layers."""

from __future__ import annotations

from dataclasses import replace
from types import CellType
from typing import TYPE_CHECKING

from ..answers import AnswerLine, answer, counted
from ..changing.change import Change, apply, transaction
from ..changing.registry import registry
from ..errors import PatchRefused
from ..naming.targets import ClassTarget, Target, find, in_words
from ..switching.kinds import check_kind
from ..switching.state import clone
from .function_stacks import is_over_function
from .override_stacks import stack_of
from .rebasing import Rebase
from .stacks import LayerPlacement
from .value_stacks import value_stack_of

if TYPE_CHECKING:
    from ..naming.targets import AnyTarget
    from .stacks import Stack


def adopt(target: object, function: object = None) -> AnswerLine:
    """Take what someone else did to a patched target as the new base; our layers go on top of it.

    Args:
        target: its dotted name, or the function itself; or, of two arguments, its module or class.
        function: of two arguments, the function.

    Returns:
        The answer line.

    Raises:
        TargetNotFound: no such target.
        PatchRefused: there is nothing to adopt.

    Example:
        >>> import textwrap, livepatch as lp
        >>> own = textwrap.dedent.__code__
        >>> layer = lp.replace("textwrap.dedent", lambda text: "patched")
        >>> textwrap.dedent.__code__ = (lambda text: "theirs").__code__
        >>> layer.state
        'stale'
        >>> print(adopt("textwrap.dedent"))
        adopted textwrap.dedent · 1 layer on top of it
        >>> textwrap.dedent("  text"), layer.state
        ('patched', 'active')
        >>> layer.remove()
        >>> textwrap.dedent("  text")
        'theirs'
        >>> textwrap.dedent.__code__ = own
    """
    asked = f"adopt {in_words(target)}"
    found = find(asked, target, function)
    with registry.lock:
        present = _stack_of(asked, found)
        changes = _changes(asked, present, found)
        if not changes:
            raise PatchRefused(
                asked,
                f"{found.path} has no foreign change under a layer of livepatch",
                "lp.foreign() lists what others have patched",
            )
        apply(*changes)
        count = len(present.placements)
    if not count:
        return answer(
            f"adopted {found.path}", "livepatch's layers cannot go on top of it, and are removed"
        )
    return answer(f"adopted {found.path}", f"{counted(count, 'layer')} on top of it")


def heal() -> list[AnswerLine]:
    """Put layers back that a reload of their module went past: on top of the new definition.

    IPython's ``%autoreload 2`` exchanges the code of a function when its file was edited, and any
    reload makes new functions. What someone else assigned or changed is left alone.

    Returns:
        An answer line for each target that had to be fixed.
    """
    with registry.lock:
        answers = [_heal(stack) for stack in [*registry.patched.values()]]
    return [line for line in answers if line is not None]


def _stack_of(asked: str, found: AnyTarget) -> Stack:
    if isinstance(found, ClassTarget):
        raise PatchRefused(
            asked, f"{found.path} is a class", f"name one of its methods: {found.path}.method"
        )
    return stack_of(found) if isinstance(found, Target) else value_stack_of(found.path, found.slot)


def _changes(asked: str, present: Stack, found: AnyTarget) -> list[Change]:
    """What makes a foreign change the base; nothing where there is none."""
    changes: list[Change] = []
    moved = [stack for stack in _stacks_named(found.path) if stack is not present]
    for stack in moved:
        changes += _move(asked, stack, present, found)
    if moved or not present.placements or present.is_reached():
        return changes
    if is_over_function(present) and present.is_overlaid():
        # Ours has another place there than its own to call on.
        return [_given_up(present)]
    return [Rebase(present, installs=True, is_recorded=True)]


def _given_up(stack: Stack) -> Change:
    """The change that takes every layer off, whatever somebody else put on top of them."""
    return stack.without(*(p.layer for p in stack.placements), leaves_foreign=True)


def _heal(stack: Stack) -> AnswerLine | None:
    if stack.is_reached() or not is_over_function(stack):
        return None
    try:
        found = find(f"keep the layers on {stack.path}", stack.path)
        if not isinstance(found, Target) or stack_of(found) is not stack:
            return None
        with transaction(recorded=False):
            apply(*stack.arrivals(found.function, installs=True))
    except Exception:  # the name is gone, or the change is foreign: the layers show as stale
        return None
    if not stack.is_reached():
        return None
    return answer(f"kept the layers on {stack.path}", "its module was loaded again")


def _stacks_named(path: str) -> list[Stack]:
    return [
        s
        for s in registry.patched.values()
        if path in (s.path, *(p.layer.target for p in s.placements))
    ]


def _move(asked: str, old: Stack, new: Stack, found: AnyTarget) -> list[Change]:
    """The changes that take the layers from one function to the one that its name leads to now."""
    changes: list[Change] = [_given_up(old)]
    if isinstance(found, Target) and is_over_function(new):
        for placement in old.placements:
            check_kind(placement.patch.function.__code__, new.model, asked)
        placements = tuple(_for_class(p, found.owner_class) for p in old.placements)
        changes.append(new.with_all(placements, placements[-1], "adopt"))
    return changes


def _for_class(placement: LayerPlacement, cls: type | None) -> LayerPlacement:
    """A placement whose ``super()`` means the class that the function is in now."""
    function = placement.patch.function
    if cls is None or "__class__" not in function.__code__.co_freevars:
        return placement
    cells = tuple(
        CellType(cls) if name == "__class__" else cell
        for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True)
    )
    patch = replace(placement.patch, function=clone(function, cells))
    return LayerPlacement(placement.layer, patch, placement.on)
