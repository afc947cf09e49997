"""A Gradio page: launched by itself or mounted in a FastAPI app."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from livepatch.web.servers import RunningServer, is_instance_of, servers

from .base import names_of_main
from .runtime import WebuiRuntime
from .starlette import StarletteHost

BLOCKS_CLASS = ("gradio.blocks", "Blocks")


class GradioHost(StarletteHost):
    """A webui whose page is made with Gradio."""

    flavor = "gradio"
    runtime = WebuiRuntime("gradio")
    specificity = 20

    @classmethod
    def is_detected(cls) -> bool:
        """A served app holds a Gradio page, or the main program has made one."""
        return "gradio" in sys.modules and _page() is not None

    api_only: ClassVar[bool] = False
    """Whether this webui may run without a page, as an API."""

    def server(self) -> RunningServer | None:
        """The server whose app holds the page; without a page the first one that runs."""
        running = servers()
        page = next((found for found in running if blocks_of(found.app) is not None), None)
        return page or (next(iter(running), None) if self.api_only else None)

    def app(self) -> Any:
        """The FastAPI app that holds the page, be it Gradio's own or the one it is mounted in."""
        server = self.server()
        return server.app if server is not None else getattr(_page(), "app", None)

    def blocks(self) -> Any:
        """The page, a ``gradio.Blocks``; None when it is not found."""
        return _page()


def blocks_of(app: Any) -> Any:
    """The Gradio page of an app: its own, or that of the first Gradio app mounted in it."""
    for candidate in (app, *(getattr(route, "app", None) for route in _routes(app))):
        blocks = getattr(candidate, "blocks", None)
        if is_instance_of(blocks, *BLOCKS_CLASS):
            return blocks
    return None


def _routes(app: Any) -> list[Any]:
    return list(getattr(getattr(app, "router", None), "routes", None) or ())


def _page() -> Any:
    for found in servers():
        blocks = blocks_of(found.app)
        if blocks is not None:
            return blocks
    for value in names_of_main():
        if is_instance_of(value, *BLOCKS_CLASS):
            return value
    return None
