"""The meter of a live stack: times its requests while a recording runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.changing.registry import registry

from .find import routes_of
from .timing import CLIENT, RequestMeter

if TYPE_CHECKING:
    from collections.abc import Hashable

    from livepatch.measure import Meter, Part

    from .stack import MiddlewareStack


class StackMeter(RequestMeter):
    """Times the requests of one stack.

    Args:
        stack: the live stack of an app.
    """

    def __init__(self, stack: MiddlewareStack) -> None:
        super().__init__(stack.path, lambda: routes_of(stack.owner))
        self.stack = stack

    def switch(self, *, on: bool) -> None:
        """Put timed middlewares into the chain that requests go through, or the plain ones."""
        self.answering.look()
        self.stack.measure_by(self if on else None)

    def parts(self) -> list[tuple[Hashable, Part]]:
        """The layers, outermost first; a route appears when it has answered."""
        self.answering.look()
        layers = [p.layer for p in self.stack.plan if p.on]
        client = [(CLIENT, self._client())] if self.stack.tells_of_client else []
        return [*client, *((layer, self._part(layer)) for layer in layers)]


def meter_of(stack: MiddlewareStack) -> Meter:
    """The meter of a stack; the same object for the same stack.

    Args:
        stack: the live stack of an app.
    """
    with registry.lock:
        if stack.meter is None:
            stack.meter = StackMeter(stack)
        return stack.meter
