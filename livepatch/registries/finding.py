"""Finds a registration at a hook point: by itself, a name or a number."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NoReturn

from livepatch.engine import TargetNotFound
from livepatch.looking.callables import name_of

from .registration import Registration

if TYPE_CHECKING:
    from .registration import Point

Reference = Any  # a registration, what is called, a name, or its number in the order of calls


def find_in(point: Point, asked: str, reference: Reference) -> Registration:
    """The registration that is meant.

    Raises:
        TargetNotFound: there is none, or several of that name.
    """
    point.refresh()
    found = _meant(point, asked, reference)
    if point.states().get(found) == "stale":
        _gone(asked, found)
    return found


def _meant(point: Point, asked: str, reference: Reference) -> Registration:
    present = [p.layer for p in point.plan]
    if isinstance(reference, int) and not isinstance(reference, bool):
        if -len(present) <= reference < len(present):
            return present[reference]
        _not_found(point, asked, reference)
    meant = [r for r in present if matches(r, reference)]
    exact = [r for r in meant if reference in (r, r.name) or r.callback is reference]
    meant = exact or meant
    if not meant:
        _not_found(point, asked, reference)
    if len(meant) > 1:
        numbers = ", ".join(str(present.index(r)) for r in meant)
        raise TargetNotFound(
            asked,
            f"{point.path} has {len(meant)} of that name, number {numbers}",
            f"choose one by its number: {present.index(meant[0])}",
        )
    return meant[0]


def _gone(asked: str, registration: Registration) -> NoReturn:
    raise TargetNotFound(
        asked,
        f"{registration.whose()} is no longer registered",
        "lp.undo() brings back what was removed last; if its page is reloading, wait a moment",
    )


def _not_found(point: Point, asked: str, reference: Reference) -> NoReturn:
    if isinstance(reference, Registration) and reference.point is point:
        _gone(asked, reference)
    names = [p.layer.name for p in point.plan]
    near = difflib.get_close_matches(str(shown(reference)), names, n=3, cutoff=0.4)
    known = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    advice = f"did you mean {' or '.join(near)}?" if near else "look at what is there"
    raise TargetNotFound(
        asked,
        f"{point.path} has no {shown(reference)!r}; registered: {known or 'nothing'}",
        f"{advice} (%callbacks, %hooks)" if not near else advice,
    )


def matches(registration: Registration, reference: Reference) -> bool:
    """Whether a reference may mean a registration: itself, its callable, or a name it has."""
    if reference is registration:
        return True
    if isinstance(reference, str):
        names = registration.name, name_of(registration.callback)
        if reference in names or registration.name.endswith(f"/{reference}"):
            return True
        # The path last, and only where it can be meant: of a thousand nodes it takes a minute.
        return "." in reference and registration.path == reference
    callback = registration.callback
    # Two looks at one bound method give two objects that are equal.
    return bool(callback is reference) or (
        type(callback) is type(reference) and callable(reference) and callback == reference
    )


def shown(reference: Reference) -> Any:
    """A reference in words, as the user gave it."""
    if isinstance(reference, (int, str)):
        return reference
    return reference.name if isinstance(reference, Registration) else name_of(reference)
