"""Finds the Gradio pages that an app serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from livepatch.web.routes.kinds import endpoint_of, router_of
from livepatch.web.servers import is_instance_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Page(NamedTuple):
    """A page and who serves it.

    Attributes:
        blocks: the page, a ``gradio.Blocks``.
        app: Gradio's own app of the page; it may be mounted in another one.
    """

    blocks: Any
    app: Any


def is_page(thing: object) -> bool:
    """Whether something is a Gradio page: ``Blocks``, ``Interface``, ``ChatInterface``."""
    return is_instance_of(thing, "gradio.blocks", "Blocks")


def pages_of(app: Any) -> Iterator[Page]:
    """The pages that an app serves: its own, and those of the apps mounted in it.

    Args:
        app: any app, also one in a wrapper that keeps it in ``.app``, such as a launched page.
    """
    return _pages(app, set())


def page_of(app: Any) -> Any:
    """The first page that an app serves; None where it serves none."""
    return next((page.blocks for page in pages_of(app)), None)


def _pages(app: Any, seen: set[int]) -> Iterator[Page]:
    router = router_of(app)
    if router is None or id(router) in seen:
        return
    seen.add(id(router))
    while app is not None and not hasattr(app, "router"):
        app = getattr(app, "app", None)
    if is_page(getattr(app, "blocks", None)):
        yield Page(app.blocks, app)
    for route in list(router.routes):
        if hasattr(route, "app"):
            yield from _pages(endpoint_of(route), seen)
