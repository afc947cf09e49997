"""The middleware of the webui we live in, or of an app that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported
from livepatch.web import middleware_of
from livepatch.web.find import path_of
from livepatch.web.kinds import find_app
from livepatch.web.servers import servers

from .detect import host
from .rebuilt import page

if TYPE_CHECKING:
    from livepatch.web import MiddlewareStack


def middleware(app: Any = None) -> MiddlewareStack:
    """The live middleware stack of an app: look at it, and change it while requests run.

    Args:
        app: a Starlette, FastAPI or aiohttp app, a router, mount or route, or an app of another
            kind that is known (``livepatch/web/kinds.py``); default: the webui's.

    Returns:
        The stack, outermost first: ``add``, ``remove``, ``replace``, ``move``, ``guard``.

    Raises:
        HostUnsupported: no app was given, and none was found in this process.
        PatchRefused: the stack cannot be mapped.

    Example:
        >>> from starlette.applications import Starlette
        >>> from starlette.middleware import Middleware
        >>> from starlette.middleware.gzip import GZipMiddleware
        >>> app = Starlette(middleware=[Middleware(GZipMiddleware, minimum_size=500)])
        >>> stack = middleware(app)
        >>> stack[0].name, stack[0].options, stack[0].owner
        ('GZipMiddleware', {'minimum_size': 500}, 'package starlette')
    """
    if app is None:
        found = host()
        page.refresh()
        app = found.app() or find_app()
        if app is None:
            raise HostUnsupported(
                "look at the webui's middleware",
                f"no app was found in this process (flavor {found.flavor})",
                "give it: lp.middleware(app)",
            )
    return middleware_of(app)


def other_apps() -> dict[str, str | None]:
    """The apps that this process serves besides the webui's own, by name, with their addresses.

    text-generation-webui has one for its page and one for its API.
    """
    own = host().app() or find_app()
    served = [(found.app, found.address) for found in servers() if found.app is not None]
    return {path_of(app): address for app, address in served if app is not own}
