"""Times the requests of an app: per middleware, and per route that answers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from livepatch.measure import Meter, Part
from livepatch.measure.calls import has_loop, is_async

from .routes.answering import Answering, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from livepatch.measure.span import Span

    from .layer import MiddlewareLayer
    from .routes.route import LiveRoute

CLIENT = "receive and send"


class RequestMeter(Meter):
    """Times what stands in a stack; what the stack ends in is timed as the route that answers.

    A middleware's self time is that of its call without the next one's and without the time that
    it waits in ``receive`` and ``send``: so the self times of a request add up to what it took.

    Args:
        path: the stack, in words.
        routes: answers the routes that the requests of the stack may come to.
    """

    def __init__(self, path: str, routes: Callable[[], Iterable[LiveRoute]]) -> None:
        super().__init__("requests", path)
        self.answering = Answering(routes)

    def timed_app(self, index: int, app: Any, layer: MiddlewareLayer | None) -> Any:
        """An ASGI app that does what another one does, and notes how long.

        Args:
            index: its place in the chain, 0 the outermost.
            app: the middleware, or what the stack ends in.
            layer: the middleware's layer; None at the end.
        """
        clock, steps = self.clock, self.steps

        async def timed_app(scope: Any, receive: Any, send: Any) -> Any:
            if scope["type"] not in ("http", "websocket"):
                return await app(scope, receive, send)
            path = path_of(scope)  # a mount of an older Starlette leaves the rest of it only
            # A server may hand the context of one request on to the next.
            outer = (self.inside.get() if index else None) or self.open()
            span = self.open(outer)

            async def timed_receive() -> Any:
                left = clock()
                message = await steps.drive(receive(), outer)
                # To wait until the client goes is nothing that a response waits for.
                if message.get("type") != "http.disconnect":
                    span.away += clock() - left
                return message

            async def timed_send(message: Any) -> None:
                left = clock()
                try:
                    await steps.drive(send(message), outer)
                finally:
                    span.away += clock() - left

            self.inside.set(span)
            try:
                return await steps.drive(app(scope, timed_receive, timed_send), span)
            finally:
                self.inside.set(outer)
                if layer is None:
                    self.close(span, *self.answering.of_scope(scope, path))
                else:
                    self.close(span, layer, lambda: self._part(layer))
                if not index:
                    self.close(outer, CLIENT, self._client)

        return timed_app

    def timed_handler(self, index: int, middleware: Any, layer: MiddlewareLayer | None) -> Any:
        """The same for an aiohttp middleware; None: the handler that it all ends in."""

        async def timed_handler(request: Any, handler: Any) -> Any:
            outer = self.inside.get() if index else None
            span = self.open(outer)
            self.inside.set(span)
            try:
                called = handler(request) if middleware is None else middleware(request, handler)
                return await self.steps.drive(called, span)
            finally:
                self.inside.set(outer)
                if layer is None:
                    self.close(span, *self.answering.of_request(request))
                else:
                    self.close(span, layer, lambda: self._part(layer))

        timed_handler.__middleware_version__ = 1  # type: ignore[attr-defined]
        return timed_handler

    def timed_response(
        self,
        function: Any,
        layer: MiddlewareLayer | None,
        route_of: Callable[[Any], tuple[str, Any] | None],
    ) -> Any:
        """The same for a function that makes a response from a request, sync or async.

        Args:
            function: the function itself.
            layer: the middleware that it is; None: what it all ends in.
            route_of: of a request that is over, the label and the function of its route.
        """

        def close(span: Span, outer: Span | None, request: Any) -> None:
            self.inside.set(outer)
            if layer is None:
                self.close(span, *self.answering.of_route(route_of(request)))
            else:
                self.close(span, layer, lambda: self._part(layer))

        if is_async(function):

            @functools.wraps(function)
            async def timed_async(request: Any) -> Any:
                outer = self.inside.get()
                span = self.open(outer)
                self.inside.set(span)
                try:
                    return await self.steps.drive(function(request), span)
                finally:
                    close(span, outer, request)

            return timed_async

        @functools.wraps(function)
        def timed_sync(request: Any) -> Any:
            outer = self.inside.get()
            span = self.open(outer)
            self.inside.set(span)
            begun = self.steps.begin(span) if has_loop() else None
            try:
                return function(request)
            finally:
                if begun is not None:
                    self.steps.end(span, begun)
                close(span, outer, request)

        return timed_sync

    def _client(self) -> Part:
        return Part(self.group, CLIENT, "the client")

    def _part(self, layer: MiddlewareLayer) -> Part:
        return Part(self.group, layer.name, layer.owner, layer.place)
