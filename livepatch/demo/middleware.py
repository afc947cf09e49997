"""The webui's own middleware."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ProcessTimeMiddleware:
    """Says in the header ``X-Process-Time`` how long the answer took, in ms."""

    def __init__(self, app: ASGIApp, header: str = "X-Process-Time") -> None:
        self.app = app
        self.header = header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and mark the start of its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                elapsed = (time.perf_counter() - began) * 1000
                MutableHeaders(scope=message)[self.header] = f"{elapsed:.2f}"
            await send(message)

        await self.app(scope, receive, send_marked)
