"""What an app declares: the list ``app.user_middleware``, kept true to what is live."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from livepatch.web.layer import MiddlewareLayer


def declaration_of(layer: MiddlewareLayer) -> Any:
    """A ``starlette.middleware.Middleware`` that stands for a layer of ours.

    Whoever builds the stack from it, be it the app at its first request or an extension that
    builds it again, gets the one instance that is already there, with what it remembers.
    """
    module = sys.modules.get("starlette.middleware")
    declaration = _class_over(getattr(module, "Middleware", object))(layer.cls, **layer.options)
    declaration.livepatch_layer = layer
    return declaration


@functools.cache
def _class_over(base: Any) -> Any:
    class Declaration(base):  # type: ignore[misc]
        """Looks like any declaration; unpacks into a function that answers the live instance."""

        livepatch_layer: MiddlewareLayer

        def __iter__(self) -> Iterator[Any]:
            same_instance = functools.partial(_same_instance, self.livepatch_layer)
            takes_positional = hasattr(self, "kwargs")  # since Starlette 0.35
            return iter((same_instance, (), {}) if takes_positional else (same_instance, {}))

    Declaration.__name__ = Declaration.__qualname__ = "Middleware"
    return Declaration


def _same_instance(layer: MiddlewareLayer, app: Any) -> Any:
    if layer.slot is not None and layer.slot is not app:
        layer.slot.last = app
    return layer.instance


def merge(declared: Sequence[Any], live: Sequence[Any], known: Sequence[Any]) -> list[Any]:
    """A new list of declarations: the live ones in their order, and others where they stood.

    Args:
        declared: the present list.
        live: the declarations of the live layers, in their order.
        known: the declarations that were live until now; those no longer live leave the list.
    """
    ours = {*map(id, live), *map(id, known)}
    merged = list(live)
    if ours.issuperset(map(id, declared)):
        return merged
    previous: Any = None
    for spec in declared:
        if id(spec) not in ours:
            position = next((i + 1 for i, s in enumerate(merged) if s is previous), 0)
            merged.insert(position, spec)
        if id(spec) not in ours or any(s is spec for s in merged):
            previous = spec
    return merged
