"""The Gradio events of the webui we live in, or of a page that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported
from livepatch.web.gradio.find import events_of
from livepatch.web.routes.kinds import endpoint_of, router_of

from .detect import host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livepatch.web.gradio.events import Events


def events(page: Any = None) -> Events:
    """The events of a running Gradio page: look at them, and change what they run.

    Args:
        page: a ``gradio.Blocks``, or an app that serves one; default: the webui's own.

    Returns:
        The events, indexed by position, API name (``"/predict"``), trigger or function:
        ``replace``, ``mute``, ``unmute``.

    Raises:
        HostUnsupported: no page was given, and none was found in this process.
        PatchRefused: what was given is no page and serves none.

    Example:
        >>> import livepatch as lp
        >>> lp.events(42)
        Traceback (most recent call last):
            ...
        livepatch.engine.errors.PatchRefused: look at the events of int
        a builtins.int is not a Gradio page and does not serve one
        give a gradio.Blocks, or the app that it is mounted in
    """
    found = host()
    served = _pages(found.app())
    if page is None:
        page = found.blocks()
        page = next((blocks for blocks, _ in served), None) if page is None else page
        if page is None:
            raise HostUnsupported(
                "look at the webui's events",
                f"no Gradio page was found in this process (flavor {found.flavor})",
                "give it: lp.events(demo)",
            )
    elif not hasattr(page, "fns"):
        served = [*_pages(page), *served]
        page = next((blocks for blocks, app in _pages(page)), page)
    return events_of(page, [app for blocks, app in served if blocks is page])


def _pages(app: Any) -> list[tuple[Any, Any]]:
    """The Gradio pages that an app serves, itself or mounted, each with the app of its own."""
    return [(app.blocks, app) for app in _apps(app, set()) if hasattr(app.blocks, "fns")]


def _apps(app: Any, seen: set[int]) -> Iterator[Any]:
    router = router_of(app)
    if router is None or id(router) in seen:
        return
    seen.add(id(router))
    while app is not None and not hasattr(app, "router"):
        app = getattr(app, "app", None)
    if hasattr(app, "blocks"):
        yield app
    for route in list(router.routes):
        if hasattr(route, "app"):
            yield from _apps(endpoint_of(route), seen)
