"""From a Gradio page to its events."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.changing.registry import registry
from livepatch.web.find import path_of

from .events import Events
from .list import EventList, with_apps
from .pages import is_page

if TYPE_CHECKING:
    from collections.abc import Iterable

_lists: weakref.WeakValueDictionary[int, EventList] = weakref.WeakValueDictionary()


def events_of(blocks: Any, apps: Iterable[Any] = ()) -> Events:
    """The events of a page.

    Args:
        blocks: the page, a ``gradio.Blocks`` (``Interface``, ``ChatInterface``).
        apps: the Gradio apps that serve it, beside the one that it launched itself.

    Raises:
        PatchRefused: it is no page.
    """
    if not is_page(blocks):
        cls = type(blocks)
        raise PatchRefused(
            f"look at the events of {cls.__name__}",
            f"a {cls.__module__}.{cls.__qualname__} is not a Gradio page and does not serve one",
            "give a gradio.Blocks, or the app that it is mounted in",
        )
    with registry.lock:
        found = _lists.get(id(blocks))
        if found is None or found.blocks is not blocks:
            found = _lists[id(blocks)] = EventList(blocks, f"events of {path_of(blocks)}")
        own = (getattr(blocks, name, None) for name in ("app", "server_app"))
        return Events(with_apps(found, (*own, *apps)))


def follow_page(blocks: Any, new: Any) -> None:
    """Have our changes of a page's events go upon the page that the webui has made in its place.

    Args:
        blocks: the page of before.
        new: the new one.
    """
    found = _lists.get(id(blocks))
    if found is not None and found.blocks is blocks:
        found.renew(new)
        _lists[id(new)] = found
