"""The middleware chain of a running Django: built aside, exchanged in one store.

``load_middleware()`` on a handler that serves empties its lists of view middleware first: requests
that come in between go past the CSRF check. So a copy of the handler loads, and the live one gets
the copy's chain. The innermost function of that chain is bound to the copy, which has the lists.
"""

from __future__ import annotations

import copy
import inspect
import sys
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LISTS = ("_view_middleware", "_template_response_middleware", "_exception_middleware")
SHADOW = "_livepatch_shadow"


def handlers(known: Iterable[Any] = ()) -> list[Any]:
    """The request handlers that serve: those of loaded modules, and those already known.

    Args:
        known: handlers that requests came through.
    """
    base = getattr(sys.modules.get("django.core.handlers.base"), "BaseHandler", None)
    if base is None:
        return []
    found = {id(handler): handler for handler in known}
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if isinstance(namespace, dict):
            for value in list(namespace.values()):
                # By its class alone: a lazy object would wake when it is asked.
                if issubclass(type(value), base):
                    found[id(value)] = value
    for handler in list(found.values()):
        inner = handler.__dict__.get("application")  # the one that serves static files as well
        if issubclass(type(inner), base):
            found[id(inner)] = inner
    return [h for h in found.values() if h.__dict__.get("_middleware_chain") and not is_shadow(h)]


def is_shadow(handler: Any) -> bool:
    """Whether a handler only carries a chain that another one serves."""
    return SHADOW in handler.__dict__


def build(handler: Any, entries: Sequence[Any]) -> Any:
    """A copy of a handler with a chain of its own; nothing that serves is touched.

    Args:
        handler: the handler.
        entries: dotted names, as in ``settings.MIDDLEWARE``, or middleware factories.

    Returns:
        The copy: its ``_middleware_chain`` and the lists that go with it.
    """
    shadow = copy.copy(handler)
    shadow.__dict__[SHADOW] = True
    load = _load_with(type(handler).load_middleware, entries)
    load(shadow, is_async=is_async(handler))
    return shadow


def is_async(handler: Any) -> bool:
    """Whether a handler's chain is made of coroutines."""
    return inspect.iscoroutinefunction(
        getattr(type(handler), "__call__", None)  # noqa: B004 - the function, not whether it is one
    )


class Chain(NamedTuple):
    """What a handler lets requests go through.

    Attributes:
        outermost: the outermost middleware.
        lists: the methods of middlewares that are called around the view; the chain's innermost
            function has them of its own, these are for those who look.
    """

    outermost: Any
    lists: tuple[Any, ...]

    @classmethod
    def of(cls, handler: Any) -> Chain:
        """The chain of a handler, or of a copy."""
        return cls(handler._middleware_chain, tuple(getattr(handler, name) for name in LISTS))

    def put(self, handler: Any) -> None:
        """Let new requests go through it: one store."""
        handler._middleware_chain = self.outermost
        for name, value in zip(LISTS, self.lists, strict=True):
            setattr(handler, name, value)


def _load_with(load: Any, entries: Sequence[Any]) -> Any:
    """Django's ``load_middleware`` reading these entries in the place of the settings.

    The same code with other globals: neither the settings nor a module of Django changes.
    """
    names: dict[str, Any] = {}
    for number, entry in enumerate(entries):
        name = entry if isinstance(entry, str) else getattr(entry, "__qualname__", repr(entry))
        names[name if name not in names else f"{name} ({number})"] = entry
    namespace = load.__globals__
    real = namespace["import_string"]

    def import_entry(name: str) -> Any:
        entry = names[name]
        return real(entry) if isinstance(entry, str) else entry

    settings = namespace["settings"]
    told = SimpleNamespace(MIDDLEWARE=list(names), DEBUG=settings.DEBUG)
    return FunctionType(
        load.__code__,
        {**namespace, "settings": told, "import_string": import_entry},
        load.__name__,
        load.__defaults__,
        load.__closure__,
    )
