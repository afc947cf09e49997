"""Finds the layer of a stack that the user means, and the place that the user gives."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from livepatch.engine import TargetNotFound
from livepatch.engine.plan import places

from .layer import MiddlewareLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .followed import FollowedStack
    from .layer import MiddlewarePlacement

Reference = Any  # a layer, a class or a function, or a name


def position_in(
    stack: FollowedStack,
    asked: str,
    before: Reference,
    after: Reference,
    index: int | None,
    placements: Sequence[MiddlewarePlacement] | None = None,
) -> int:
    """Where a middleware goes among the placements of a stack.

    Args:
        stack: the stack.
        asked: the user's request in words.
        before: the layer to stand outside of.
        after: the layer to stand inside of.
        index: the place among the layers that are on.
        placements: the placements; default: those of the stack's plan.

    Raises:
        PatchRefused: no such place, or more than one was said.
        TargetNotFound: there is no such layer.
    """
    placements = stack.plan if placements is None else placements
    return places.position_in(
        asked,
        placements,
        lambda reference: find_layer(stack, asked, reference, placements),
        before=before,
        after=after,
        index=index,
        otherwise=stack.first_of_its_own(placements),
        first="index=0 is outermost",
    )


def find_layer(
    stack: FollowedStack,
    asked: str,
    reference: Reference,
    placements: Sequence[MiddlewarePlacement],
) -> MiddlewareLayer:
    """The layer that is meant.

    Args:
        stack: the stack.
        asked: the user's request in words.
        reference: a layer, its instance, a class, a dispatch function, or a name.
        placements: where to look.

    Raises:
        TargetNotFound: it is not there.
    """
    layers = [p.layer for p in placements]
    for layer in layers:
        if reference is layer or (reference is layer.instance and reference is not None):
            return layer
    if isinstance(reference, MiddlewareLayer):
        same_stack = reference.stack is stack
        raise TargetNotFound(
            asked,
            f"this layer ({reference.whose()}) is no longer in the stack"
            if same_stack
            else f"this layer belongs to {reference.stack.path}",
            "lp.undo() brings back what was removed last"
            if same_stack
            else "use the stack that it was added to: layer.stack",
        )
    dispatch = [layer for layer in layers if layer.options.get("dispatch") is reference]
    meant = [layer for layer in layers if layer.cls is reference] or dispatch
    meant = meant or [layer for layer in layers if layer.name == reference]
    if meant:
        return meant[0]
    names = [layer.name for layer in layers]
    near = difflib.get_close_matches(str(shown(reference)), names) or names
    raise TargetNotFound(
        asked,
        f"the stack has no {shown(reference)}; it has: {', '.join(near) or 'no layer'}",
        "look at %middleware",
    )


def shown(thing: Any) -> str:
    """What somebody gave, in words."""
    if isinstance(thing, MiddlewareLayer):
        return thing.name
    if isinstance(thing, str):
        return thing
    return str(getattr(thing, "__name__", None) or repr(thing))
