"""Follows what requests go through in an app: the webui's own changes, beside livepatch's."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import carry_over

from .changes import WebChange
from .layer import MiddlewarePlacement, Placements, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from livepatch.measure import Meter

    from .layer import MiddlewareLayer, State
    from .timing import RequestMeter


class FollowedStack(Stack):
    """The middlewares of one app: the webui's, ours among them, and what requests see of them.

    A kind of app says how its middlewares are looked at, made and published.

    Attributes:
        owner: the app, router, mount or route.
        base: the placements without us.
        plan: the placements with every change that is true.
        published: the placements that requests see; behind the plan inside a transaction.
        meter: what can time it, once somebody asked for one.
        measure: what times its requests now.
        tells_of_client: whether a request's wait for its client passes through the middlewares.
    """

    tells_of_client = True

    def __init__(self, owner: Any, path: str) -> None:
        self.owner = owner
        self.path = path
        self.base: Placements = ()
        self.plan: Placements = ()
        self.published: Placements = ()
        self.meter: Meter | None = None
        self.measure: RequestMeter | None = None

    @property
    def declared_only(self) -> Sequence[MiddlewareLayer]:
        """What the app declares and no request goes through, outermost first."""
        return ()

    def declares_layer(self, layer: MiddlewareLayer) -> bool:
        """Whether the app's own list of middleware has a layer."""
        declared = getattr(self.owner, "user_middleware", None)
        return any(spec is layer.spec for spec in declared or ())

    def way_back(self) -> WebChange:
        """The change that takes everything of ours back."""
        self.refresh(f"restore {self.path}")
        return WebChange(self, self.base, "restore", None)

    def own_layers(self) -> list[MiddlewareLayer]:
        """Our layers, and those of the webui that we switched off or moved."""
        return [p.layer for p in self.plan if p not in self.base]

    def state_of(self, layer: MiddlewareLayer) -> State:
        """The state of a layer of this stack."""
        for placement in self.plan:
            if placement.layer is layer:
                if not placement.on:
                    return "off"
                return "active" if layer.instance is not None else "at the first request"
        return "declared only" if layer in self.declared_only else "removed"

    def take_plan(self, plan: Placements) -> None:
        """Take a plan as true; whether it differs from the webui's own decides who knows of us."""
        self.plan = plan
        if plan == self.base:
            registry.changed.pop(id(self), None)
        else:
            registry.changed[id(self)] = self

    def look_again(self, verb: str) -> None:
        """Look at the app as it is now, for a change."""
        self.refresh(f"{verb} · {self.path}")

    def refresh(self, asked: str) -> None:
        """Look at the app as it is now: it may have built its stack since, or built it again.

        Args:
            asked: the user's request in words.

        Raises:
            PatchRefused: the stack cannot be mapped.
        """
        found = self.look(asked)
        if found == [p.layer for p in self.published if p.on]:
            return
        self.published = self.rebased(found)

    def rebased(self, found: Sequence[MiddlewareLayer]) -> Placements:
        """Take what others made of the stack as the webui's own; our steps stay upon it.

        Args:
            found: the layers that are live now, or shall be by the webui's own will.

        Returns:
            The placements that requests see then.
        """
        placements = {p.layer: p for p in self.published}
        live = tuple(placements.get(layer) or MiddlewarePlacement(layer) for layer in found)
        kept = tuple(p for p in self.published if p.layer in found or not p.on)
        present = carry_over(tuple(p for p in kept if p.on), kept, live)
        base = carry_over(self.plan, self.base, present)
        plan = carry_over(self.published, self.plan, present)
        self.base = tuple(p for p in base if p.layer.kind != "added")
        self.take_plan(plan)
        return present

    def renew(self, owner: Any) -> None:
        """Go on with another app, which the webui has made in the place of this one.

        Our changes go upon its stack; a middleware of ours stays the one that it is.

        Args:
            owner: the new app.

        Raises:
            PatchRefused: its stack cannot be mapped.
        """
        raise NotImplementedError(f"{type(self).__name__} stays with its app")

    def measure_by(self, meter: RequestMeter | None) -> None:
        """Let the requests that come from now on be timed, or no longer.

        Args:
            meter: what times them; None: nothing does.

        Raises:
            PatchRefused: the stack cannot be mapped.
        """
        self.refresh(f"time {self.path}")
        self.measure = meter
        self.publish(self.published)

    @abstractmethod
    def look(self, asked: str) -> list[MiddlewareLayer]:
        """The layers that requests go through now; of an unbuilt stack those declared."""

    @abstractmethod
    def make_layer(
        self, asked: str, cls: Any, options: Mapping[str, Any], owner: str
    ) -> MiddlewareLayer:
        """A new layer that is not in the stack yet.

        Raises:
            PatchRefused: it is no middleware, or could not be made.
        """

    @abstractmethod
    def publish(self, shown: Placements) -> None:
        """Let the requests that come from now on see these placements."""

    @abstractmethod
    def is_published(self) -> bool:
        """Whether the app still has what was published last."""

    def first_of_its_own(self, placements: Sequence[MiddlewarePlacement]) -> int:
        """Where a middleware goes when nothing is said: the app's outermost."""
        own = (i for i, p in enumerate(placements) if p.layer.kind != "framework")
        return next(own, 0)
