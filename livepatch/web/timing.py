"""Times the requests of an app: per middleware, and per route that answers."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from livepatch.measure import Meter, Part
from livepatch.measure.calls import has_loop, is_async
from livepatch.measure.meter import NOT_NOTED, log
from livepatch.measure.span import Call, Run

from .routes.answering import Answering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from livepatch.measure.span import Span

    from .layer import MiddlewareLayer
    from .routes.route import LiveRoute

CLIENT = "receive and send"
REQUESTS = ("http", "websocket")


class Passage(Call):
    """A request's way through one middleware and what is inside it.

    Attributes:
        run: the task that it goes in.
        lent: seconds in which that task worked in ``receive`` and ``send``, for others.
    """

    run: Run
    lent = 0.0


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
        self.passing: ContextVar[Passage | None] = ContextVar("livepatch.passing", default=None)
        self.answering = Answering(routes)

    def timed_app(self, index: int, app: Any, layer: MiddlewareLayer | None) -> Any:
        """An ASGI app that does what another one does, and notes how long.

        Args:
            index: its place in the chain, 0 the outermost.
            app: the middleware, or what the stack ends in.
            layer: the middleware's layer; None at the end.
        """
        clock, steps, running = self.clock, self.steps, self.steps.running
        passing, part, client_part = self.passing, self._part, self._client
        answered_by = self.answering.of_scope
        named = None if layer is None else (layer, lambda: part(layer))

        # All in one function, and what is called often by names of its own: a request comes here
        # once for each layer, and a call of Python's costs as much as what it does.
        async def timed_app(scope: Any, receive: Any, send: Any) -> Any:
            if scope["type"] not in REQUESTS:
                return await app(scope, receive, send)
            if layer is None:  # a mount of an older Starlette leaves the rest of the path only
                asked = scope.get("path", ""), scope.get("root_path", "")
            span = Passage()
            span.begun = began = clock()
            recordings, run = self.recordings, running.worker.run
            # A server may hand the context of one request on to the next.
            span.outer = outer = passing.get() if index else None
            # A middleware may have its inner app run in a task of its own.
            begins = run is None or outer is None or run is not outer.run
            if run is None or begins:
                run = Run()
            span.run = run
            rested = run.rested
            # Who works in receive and send: the layer outside, or else the client.
            others = outer or Call()

            async def timed_receive() -> Any:
                left, rested = clock(), run.rested
                if running.worker.run is not run:
                    message = await steps.drive(receive(), others)
                else:
                    message = await receive()
                    ran = clock() - left - (run.rested - rested)
                    span.lent += ran
                    if begins:
                        others.busy += ran
                # To wait until the client goes is nothing that a response waits for.
                if message.get("type") != "http.disconnect":
                    span.away += clock() - left
                return message

            async def timed_send(message: Any) -> None:
                left, rested = clock(), run.rested
                if running.worker.run is not run:
                    try:
                        await steps.drive(send(message), others)
                    finally:
                        span.away += clock() - left
                    return
                try:
                    await send(message)
                finally:
                    away = clock() - left
                    ran = away - (run.rested - rested)
                    span.away += away
                    span.lent += ran
                    if begins:
                        others.busy += ran

            passing.set(span)
            try:
                if begins:
                    return await steps.follow(app(scope, timed_receive, timed_send), run)
                return await app(scope, timed_receive, timed_send)
            finally:
                now = clock()
                passing.set(outer)
                ran = now - began - (run.rested - rested) - span.lent
                span.busy += ran
                if outer is not None and not begins:
                    outer.inner_busy += ran
                own, busy = span.end(now)
                try:
                    key, make = named or answered_by(scope, *asked)
                    for recording in recordings:
                        (recording.parts.get(key) or recording.part(key, make)).add(own, busy)
                    if not index:
                        for recording in recordings:
                            client = recording.parts.get(CLIENT)
                            client = client or recording.part(CLIENT, client_part)
                            client.add(span.away, others.busy)
                except Exception:
                    log.exception(NOT_NOTED)

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
