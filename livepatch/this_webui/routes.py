"""The routes of the webui we live in, or of an app that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported
from livepatch.web.find import routes_of

from .detect import host
from .rebuilt import page

if TYPE_CHECKING:
    from livepatch.web.routes.routes import Routes


def routes(app: Any = None) -> Routes:
    """The routes of a running app: look at them, and change them while requests run.

    Args:
        app: a Starlette, FastAPI or aiohttp app, or a router or mount; default: the webui's own.

    Returns:
        The routes in the order of matching, indexed by position, path, ``"GET /path"``, name or
        function: ``add``, ``replace``, ``remove``, ``move``.

    Raises:
        HostUnsupported: no app was given, and none was found in this process.
        PatchRefused: what was given has no routes that livepatch knows.

    Example:
        >>> from fastapi import FastAPI
        >>> app = FastAPI(openapi_url=None)
        >>> @app.get("/hello")
        ... def hello():
        ...     return "hello"
        >>> layer = routes(app)["/hello"].replace(lambda name="you": f"hello {name}")
        >>> routes(app)["/hello"].layers[0].state
        'active'
        >>> layer.remove()
        >>> routes(app)["/hello"].endpoint is hello
        True
    """
    if app is None:
        found = host()
        page.refresh()
        app = found.app()
        if app is None:
            raise HostUnsupported(
                "look at the webui's routes",
                f"no app was found in this process (flavor {found.flavor})",
                "give it: lp.routes(app)",
            )
    return routes_of(app)
