"""Checks that something is an ASGI middleware, before it meets a request."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.reading.sources import place
from livepatch.web.links import is_asgi

if TYPE_CHECKING:
    from collections.abc import Mapping

HOW_TO_WRITE = "class M: __init__(self, app, …) and async __call__(self, scope, receive, send)"


def make_asgi(
    asked: str,
    cls: Any,
    app: Any,
    options: Mapping[str, Any],
    positional: tuple[Any, ...] = (),
) -> Any:
    """A middleware around ``app``.

    Args:
        asked: the user's request in words.
        cls: the class, or a function that makes one.
        app: the inner app.
        options: keyword arguments.
        positional: positional arguments behind the app.

    Raises:
        PatchRefused: it could not be made, or is not an ASGI app.
    """
    shown = getattr(cls, "__qualname__", None) or repr(cls)
    if not callable(cls):
        found = f"{shown}, of type {type(cls).__name__}, is not a class or a function"
        raise PatchRefused(asked, found, HOW_TO_WRITE)
    if isinstance(cls, type) and not _has_asgi_call(cls):
        found = f"{shown} ({place(cls)}) cannot be called with scope, receive and send"
        raise PatchRefused(asked, found, HOW_TO_WRITE)
    if not isinstance(cls, type) and is_asgi(cls):
        raise PatchRefused(
            asked,
            f"{shown} ({place(cls)}) is an ASGI app itself, and takes no inner app to pass "
            "requests on to",
            "give a class, or a function that takes the inner app and returns an app",
        )
    try:
        made = _call(cls, app, positional, options)
    except Exception as error:
        raise PatchRefused(
            asked,
            f"{shown}{signature_of(cls)} raised {type(error).__name__}: {_one_line(error)}",
            f"nothing has changed; look at {place(cls)}",
        ) from error
    if not is_asgi(made):
        if inspect.iscoroutine(made):
            made.close()  # an endpoint was given: nobody awaits it
        found = f"{shown} ({place(cls)}) made a {type(made).__name__}, which is not an ASGI app"
        raise PatchRefused(asked, found, HOW_TO_WRITE)
    return made


def signature_of(cls: Any) -> str:
    """How a middleware is made, as ``(app, …)``; empty where Python cannot tell."""
    try:
        return str(inspect.signature(cls))
    except (TypeError, ValueError):
        return "(…)"


def _has_asgi_call(cls: type) -> bool:
    call = getattr(cls, "__call__", None) if "__call__" in _names(cls) else None  # noqa: B004
    if call is None:
        return False
    try:
        inspect.signature(call)
    except (TypeError, ValueError):
        return True  # compiled: Python cannot tell
    return is_asgi(_Bound(call))


class _Bound:
    """Stands for an instance of a class: its ``__call__`` without ``self``."""

    def __init__(self, call: Any) -> None:
        parameters = list(inspect.signature(call).parameters.values())
        variadic = parameters and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL
        self.__signature__ = inspect.Signature(parameters if variadic else parameters[1:])

    def __call__(self) -> None:
        """Only its signature matters."""


def _names(cls: type) -> set[str]:
    return {name for base in cls.__mro__ for name in vars(base)}


def _call(cls: Any, app: Any, positional: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    try:
        first = next(iter(inspect.signature(cls).parameters.values()), None)
    except (TypeError, ValueError):
        first = None
    # Starlette called by keyword until 0.35, and calls by position since.
    if first is not None and first.kind is first.KEYWORD_ONLY:
        return cls(*positional, app=app, **options)
    return cls(app, *positional, **options)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or "(it says nothing)"
