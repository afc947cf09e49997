"""The Gradio events of the webui we live in, or of a page that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported
from livepatch.web.gradio.find import events_of
from livepatch.web.gradio.pages import is_page, pages_of

from .detect import host
from .rebuilt import page as served_page

if TYPE_CHECKING:
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
    if page is None:
        served_page.refresh()
    found = host()
    served = list(pages_of(found.app()))
    if page is None:
        page = found.blocks()
        page = next((blocks for blocks, _ in served), None) if page is None else page
        if page is None:
            raise HostUnsupported(
                "look at the webui's events",
                f"no Gradio page was found in this process (flavor {found.flavor})",
                "give it: lp.events(demo)",
            )
    elif not is_page(page):
        given = list(pages_of(page))
        served = [*given, *served]
        page = next((blocks for blocks, _ in given), page)
    return events_of(page, [app for blocks, app in served if blocks is page])
