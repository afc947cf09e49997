"""Times the requests of an app: per middleware, and per route that answers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from livepatch.measure import Meter, Part
from livepatch.measure.calls import has_loop, is_async
from livepatch.measure.span import Span, as_coroutine

from .routes.answering import Answering, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        clock, drive, running = self.clock, self.steps.drive, self.steps.running
        inside, note, client = self.inside, self.note, self._client
        make = None if layer is None else functools.partial(self._part, layer)

        # Written out where a helper would be shorter: a request comes here once for each layer, and
        # a call of Python's costs as much as what it does. Most of what is awaited is over with its
        # first step; what has to wait goes on in drive().
        async def timed_app(scope: Any, receive: Any, send: Any) -> Any:
            if scope["type"] not in ("http", "websocket"):
                return await app(scope, receive, send)
            # A mount of an older Starlette leaves the rest of the path only.
            path = path_of(scope) if layer is None else ""
            now = since = clock()
            recordings = self.recordings
            # A server may hand the context of one request on to the next.
            outer = (inside.get() if index else None) or Span(now, recordings)
            span = Span(now, recordings, outer)

            async def timed_receive() -> Any:
                left = clock()
                message = await drive(receive(), outer)
                # To wait until the client goes is nothing that a response waits for.
                if message.get("type") != "http.disconnect":
                    span.away += clock() - left
                return message

            async def timed_send(message: Any) -> None:
                sending = as_coroutine(send(message))
                worker = running.worker
                before, worker.span = worker.span, outer
                left = clock()
                try:
                    waits_for = sending.send(None)
                except StopIteration:
                    return
                finally:
                    gone = clock()
                    worker.span = before
                    span.away += gone - left
                    outer.busy += gone - left
                    if before is not None:
                        before.inner_busy += gone - left
                try:
                    await drive(sending, outer, waits_for)
                finally:
                    span.away += clock() - gone

            inside.set(span)
            try:
                coroutine = as_coroutine(app(scope, timed_receive, timed_send))
                worker = running.worker
                before, worker.span = worker.span, span
                try:
                    waits_for = coroutine.send(None)
                except StopIteration as done:
                    return done.value
                finally:
                    now = clock()
                    worker.span = before
                    span.busy += now - since
                    if before is not None:
                        before.inner_busy += now - since
                try:
                    return await drive(coroutine, span, waits_for)
                finally:
                    now = clock()
            finally:
                inside.set(outer)
                own, busy = span.end(now)
                if make is not None:
                    note(span, own, busy, layer, make)
                else:
                    note(span, own, busy, *self.answering.of_scope(scope, path))
                if not index:
                    note(outer, *outer.end(now), CLIENT, client)

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
