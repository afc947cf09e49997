"""Apps of the frameworks, for exports that change middleware and callbacks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def callback(name: str) -> Callable[..., None]:
    """Something that is registered under a name."""

    def stands_in(*_: Any, **__: Any) -> None:
        return None

    stands_in.__qualname__ = stands_in.__name__ = name
    return stands_in


def app_of(kind: str, names: list[str]) -> Any:
    """An app with middleware of those names, outermost first; None where there is none."""
    if not kind:
        return None
    try:
        return _aiohttp_app(names) if kind == "aiohttp" else _starlette_app(names)
    except ImportError:
        return None


def middleware_of(app: Any) -> list[str] | None:
    """The names of an app's middleware, outermost first."""
    if app is None:
        return None
    if hasattr(app, "middlewares"):
        return [str(getattr(m, "__name__", type(m).__name__)) for m in app.middlewares]
    declared = (one.cls for one in app.user_middleware if not _leads_past(one.cls))
    return [str(getattr(cls, "__name__", cls)) for cls in declared]


def _leads_past(cls: Any) -> bool:
    """Whether it is the passage that an export puts in the place of what it leaves out."""
    held = [cell.cell_contents for cell in getattr(cls, "__closure__", None) or ()]
    return any(getattr(one, "through", held) is None for one in held)


def _aiohttp_app(names: list[str]) -> Any:
    web = importlib.import_module("aiohttp.web")

    return web.Application(middlewares=[_aiohttp_middleware(name) for name in names])


def _aiohttp_middleware(name: str) -> Any:
    async def passes(request: Any, handler: Any) -> Any:
        return await handler(request)

    passes.__name__ = name
    passes.__middleware_version__ = 1  # type: ignore[attr-defined]
    return passes


def _starlette_app(names: list[str]) -> Any:
    application = importlib.import_module("starlette.applications").Starlette
    declare = importlib.import_module("starlette.middleware").Middleware
    return application(middleware=[declare(_starlette_middleware(name)) for name in names])


def _starlette_middleware(name: str) -> Any:
    def passes(app: Any) -> Any:
        return app

    passes.__name__ = name
    return passes
