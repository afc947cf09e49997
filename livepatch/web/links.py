"""Where a middleware holds the app that it wraps.

ASGI says how a middleware is called, not where it keeps its inner app: mostly in ``self.app``, but
also in other attributes, in slots of a class, or in a cell of a closure. A link is one such place.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import CellType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.reading.cells import content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The names that middleware of well-known packages gives to its inner app, the usual one first.
NAMES = ("app", "_app", "application", "asgi_app", "inner", "next", "_next", "wrapped", "handler")
DEPTH = 3


@dataclass(frozen=True)
class Link:
    """An attribute of an object, or a closure cell (without a name), that holds an app."""

    holder: Any
    name: str | None

    def get(self) -> Any:
        """What it holds now."""
        if self.name is None:
            return self.holder.cell_contents
        return getattr(self.holder, self.name)

    def put(self, app: object) -> None:
        """Make it hold another app."""
        if self.name is None:
            self.holder.cell_contents = app
            return
        try:
            setattr(self.holder, self.name, app)
        except AttributeError:  # a frozen dataclass, or a class with a __setattr__ of its own
            object.__setattr__(self.holder, self.name, app)


def find_links(node: object, is_expected: Callable[[object], bool]) -> tuple[Any, list[Link]]:
    """The app that a middleware wraps, and every link by which it holds it.

    Args:
        node: the middleware.
        is_expected: whether an object can be the next in the stack, by what is known of it.

    Returns:
        The inner app and its links; None and no links where none is found.
    """
    direct = list(_held_by(node))
    for inner in _candidates(direct, is_expected):
        return inner, [link for link, value in direct if same(value, inner)]
    seen, around = {id(node)}, [value for _, value in direct]
    for _ in range(DEPTH):
        below: list[Any] = []
        for helper in around:
            if id(helper) in seen or not _may_be_entered(helper):
                continue
            seen.add(id(helper))
            held = list(_held_by(helper))
            for _, inner in held:
                if is_expected(inner):
                    return inner, [link for link, value in held if same(value, inner)]
            below += [value for _, value in held]
        around = below
    return None, []


def links_holding(node: object, app: object) -> list[Link]:
    """The links by which a middleware holds one particular app."""
    return find_links(node, lambda value: same(value, app))[1]


def same(one: object, other: object) -> bool:
    """Whether two apps are one: a bound method is another object at every look."""
    if one is other:
        return True
    return (
        isinstance(one, MethodType)
        and isinstance(other, MethodType)
        and one.__self__ is other.__self__
        and one.__func__ is other.__func__
    )


def is_asgi(value: object) -> bool:
    """Whether something can be called with ``scope``, ``receive`` and ``send``.

    Example:
        >>> is_asgi(lambda scope, receive, send: None), is_asgi(print), is_asgi(dict)
        (True, False, False)
    """
    if not callable(value) or isinstance(value, type):
        return False
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = [p.kind for p in parameters]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return all(k in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p, k in zip(parameters, kinds))  # noqa: B905
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    needs_keyword = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    return len(required) == 3 and not needs_keyword


def _candidates(
    held: list[tuple[Link, Any]], is_expected: Callable[[object], bool]
) -> Iterator[Any]:
    """The inner apps that a middleware may hold itself, likeliest first."""
    named = [value for link, value in held if link.name in NAMES]
    yield from (value for value in named if is_expected(value))
    yield from (value for _, value in held if is_expected(value))
    yield from (value for value in named if is_asgi(value))
    unnamed = [value for link, value in held if link.name is None and is_asgi(value)]
    yield from unnamed


def _held_by(node: object) -> Iterator[tuple[Link, Any]]:
    """Every callable or object that a middleware holds, in the order of ``NAMES``."""
    if isinstance(node, MethodType):
        yield from _held_by(node.__self__)
        node = node.__func__
    attributes = getattr(node, "__dict__", None)
    names = list(attributes) if isinstance(attributes, dict) else []
    for cls in type(node).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    names.sort(key=lambda name: NAMES.index(name) if name in NAMES else len(NAMES))
    for name in names:
        private = name.startswith("__") and not name.endswith("__")
        classes = [cls.__name__.lstrip("_") for cls in type(node).__mro__] if private else [""]
        for class_name in classes:
            mangled = f"_{class_name}{name}" if private else name
            value = _attribute(node, mangled)
            if _is_worth_a_look(value):
                yield Link(node, mangled), value
    cells: tuple[CellType, ...] = getattr(node, "__closure__", None) or ()
    for cell in cells:
        value = content(cell)
        if _is_worth_a_look(value):
            yield Link(cell, None), value


def _attribute(node: object, name: str) -> Any:
    try:
        return object.__getattribute__(node, name)
    except AttributeError:  # a slot that was never set, or a private one of another class
        return None


def _is_worth_a_look(value: object) -> bool:
    if value is None or isinstance(value, (type, ModuleType, str, bytes, int, float, complex)):
        return False
    return callable(value) or hasattr(value, "__dict__") or hasattr(type(value), "__slots__")


def _may_be_entered(helper: object) -> bool:
    """Whether a helper object may be searched: never an app or a router, which hold the webui."""
    return not any(hasattr(helper, name) for name in ("routes", "user_middleware", "_router"))
