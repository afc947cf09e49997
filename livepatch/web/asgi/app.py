"""The live stack of a Starlette or FastAPI app: others build it again, and it can be guarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.web.stack import MiddlewareStack

from .guard import guard_of, guard_stack, watch
from .stack import AsgiStack

if TYPE_CHECKING:
    from livepatch.engine.answers import AnswerLine
    from livepatch.web.timing import RequestMeter


class AppStack(AsgiStack):
    """The stack of an app, which declares its middleware and builds its stack from that."""

    def guard(self) -> AnswerLine:
        """Make the webui's own late ``add_middleware`` safe, and its extensions'."""
        return guard_stack(self)

    guard.__doc__ = MiddlewareStack.guard.__doc__

    def renew(self, owner: Any) -> None:
        """Go on with the app that the webui has made in the place of this one; guard that one."""
        guard, meter = guard_of(self), self.measure
        if guard is not None:
            guard.uninstall()
        watch(self, on=False)
        super().renew(owner)
        if guard is not None:
            guard.install()
            self.publish(self.published)
        if meter is not None:
            self.measure_by(meter)

    def measure_by(self, meter: RequestMeter | None) -> None:
        """Let requests be timed; also those of a stack that the app builds later, or again."""
        super().measure_by(meter)
        watch(self, on=meter is not None)
