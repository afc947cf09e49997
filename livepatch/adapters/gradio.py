"""A Gradio page: launched by itself or mounted in a FastAPI app."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from livepatch.web.gradio.pages import is_page, page_of
from livepatch.web.servers import RunningServer, servers

from .base import names_of_main
from .runtime import WebuiRuntime
from .starlette import StarletteHost


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
        page = next((found for found in running if page_of(found.app) is not None), None)
        return page or (next(iter(running), None) if self.api_only else None)

    def app(self) -> Any:
        """The FastAPI app that holds the page, be it Gradio's own or the one it is mounted in."""
        server = self.server()
        return server.app if server is not None else getattr(_page(), "app", None)

    def blocks(self) -> Any:
        """The page, a ``gradio.Blocks``; None when it is not found."""
        return _page()


def _page() -> Any:
    for found in servers():
        blocks = page_of(found.app)
        if blocks is not None:
            return blocks
    for value in names_of_main():
        if is_page(value):
            return value
    return None
