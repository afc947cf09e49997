"""The live stack of an app: what users look at and change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from livepatch.engine import PatchRefused
from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.changing.change import apply
from livepatch.engine.changing.registry import registry
from livepatch.looking.callables import caller

from .changes import WebChange
from .followed import FollowedStack
from .layer import MiddlewareLayer, MiddlewarePlacement
from .operations import when_seen
from .places import Reference, find_layer, position_in, shown
from .report import middleware_table

if TYPE_CHECKING:
    from livepatch.reports import Report

    from .layer import Placements


class MiddlewareStack(FollowedStack, Sequence[MiddlewareLayer]):
    """The middleware of a running app, outermost first: a sequence that shows as a table.

    Get one by ``lp.middleware(app)``. A change is seen by the requests that come after it, in a
    transaction all of it or none; requests under way finish on the stack they came in with.
    """

    def add(
        self,
        cls: Any,
        *,
        before: Reference = None,
        after: Reference = None,
        index: int | None = None,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> MiddlewareLayer:
        """Add a middleware to the running app.

        Without a position it becomes the outermost of the app's own, as ``app.add_middleware``
        would have made it. A class that was defined again in the notebook takes the place of its
        earlier self.

        Args:
            cls: the middleware class, or a function that makes one; for aiohttp a middleware.
            before: the layer, class or name to stand outside of.
            after: the layer, class or name to stand inside of.
            index: the place in the stack, 0 the outermost.
            options: keyword arguments for ``cls``, for those named as an argument of this method.
            **more: keyword arguments for ``cls``.

        Returns:
            The layer; ``str(layer)`` is the answer line, ``layer.remove()`` takes it out again.

        Raises:
            PatchRefused: ``cls`` is no middleware or could not be made; nothing has changed.
            TargetNotFound: there is no such layer to stand before or after.

        Example:
            >>> import livepatch as lp
            >>> from starlette.applications import Starlette
            >>> from starlette.middleware.gzip import GZipMiddleware
            >>> stack = lp.middleware(Starlette())
            >>> layer = stack.add(GZipMiddleware, minimum_size=500)
            >>> [layer.name for layer in stack]
            ['GZipMiddleware']
            >>> answer = stack.remove(layer)
            >>> len(stack)
            0
        """
        asked = f"add {shown(cls)} to {self.path}"
        options = {**(options or {}), **more}
        begun = time.perf_counter()
        layer = self.make_layer(asked, cls, options, caller())
        with registry.lock:
            self.refresh(asked)
            earlier = self._earlier_self(layer)
            if earlier is not None and before is after is index is None:
                return self._put(layer, earlier, "replace", begun)
            position = position_in(self, asked, before, after, index)
            plan = [*self.plan]
            plan.insert(position, MiddlewarePlacement(layer))
            self._apply("add", layer, tuple(plan), f"add({_call(cls, options)})")
            return self._tell(layer, f"added {layer.name} to {self.path}", begun)

    def remove(self, layer: Reference) -> AnswerLine:
        """Take a middleware out of the running app; the others and what they remember stay.

        Args:
            layer: a layer, class or name.

        Returns:
            The answer line.

        Raises:
            TargetNotFound: it is not in the stack.
            PatchRefused: it is a part of the framework.
        """
        asked = f"remove {shown(layer)} from {self.path}"
        begun = time.perf_counter()
        with registry.lock:
            found = self._own(asked, layer)
            plan = tuple(p for p in self.plan if p.layer is not found)
            self._apply("remove", found, plan, f"remove({found.name!r})")
            line = f"removed {found.name} from {self.path}"
            facts = (f"{found.owner}'s", *when_seen(), _took(begun))
            found.answer = answer(line, *facts)
            return answer(line, *facts)

    def replace(
        self,
        layer: Reference,
        cls: Any,
        *,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> MiddlewareLayer:
        """Put another middleware, or the same with other options, in the place of one.

        Args:
            layer: the layer, class or name to replace.
            cls: the new middleware class.
            options: keyword arguments for ``cls``, for those named as an argument of this method.
            **more: keyword arguments for ``cls``.

        Returns:
            The new layer; it starts without what the old one remembered.

        Raises:
            PatchRefused: ``cls`` is no middleware or could not be made; nothing has changed.
            TargetNotFound: there is no such layer.
        """
        asked = f"replace {shown(layer)} by {shown(cls)} in {self.path}"
        begun = time.perf_counter()
        with registry.lock:
            self._own(asked, layer)
        new = self.make_layer(asked, cls, {**(options or {}), **more}, caller())
        with registry.lock:
            return self._put(new, self._own(asked, layer), "replace", begun)

    def move(
        self,
        layer: Reference,
        *,
        before: Reference = None,
        after: Reference = None,
        index: int | None = None,
    ) -> MiddlewareLayer:
        """Put a middleware at another place in the stack; what it remembers stays.

        Args:
            layer: the layer, class or name to move.
            before: the layer, class or name to stand outside of.
            after: the layer, class or name to stand inside of.
            index: its place in the stack afterwards, 0 the outermost.

        Returns:
            The layer.

        Raises:
            TargetNotFound: there is no such layer.
            PatchRefused: it is a part of the framework, or no place was given.
        """
        asked = f"move {shown(layer)} in {self.path}"
        begun = time.perf_counter()
        with registry.lock:
            found = self._own(asked, layer)
            if before is after is index is None:
                raise PatchRefused(asked, "no place was given", "before=…, after=… or index=…")
            old = next(p for p in self.plan if p.layer is found)
            rest = list(self.plan)
            rest.remove(old)
            position = position_in(self, asked, before, after, index, rest)
            rest.insert(position, MiddlewarePlacement(found, on=old.on))
            self._apply("move", found, tuple(rest), f"move({found.name!r}, …)")
            return self._tell(found, f"moved {found.name} in {self.path}", begun)

    def switch(self, layer: MiddlewareLayer, *, on: bool) -> None:
        """Let requests pass a layer by, or go through it again.

        Raises:
            TargetNotFound: it is not in the stack.
            PatchRefused: it is a part of the framework.
        """
        verb = "switch on" if on else "switch off"
        with registry.lock:
            self._switch(verb, layer, on=on)

    def _switch(self, verb: str, layer: MiddlewareLayer, *, on: bool) -> None:
        found = self._own(f"{verb} {layer.name} in {self.path}", layer, also_off=True)
        placement = MiddlewarePlacement(found, on=on)
        plan = tuple(placement if p.layer is found else p for p in self.plan)
        if any(p.layer is found and p.on is not on for p in self.plan):
            self._apply(verb, found, plan, None)
        done = "switched on" if on else "switched off"
        found.answer = answer(f"{done} {found.name} in {self.path}", *when_seen())

    def guard(self) -> AnswerLine:
        """Make the webui's own late ``add_middleware`` safe, and its extensions'.

        From now on ``app.add_middleware`` of a running app takes effect for the requests that come
        after it, and ``app.middleware_stack = None`` no longer lets go of the running stack: no
        request can come in between, no ``RuntimeError`` is raised, no state is lost. What the webui
        adds that way is its own: neither undo nor restore touches it.

        Returns:
            The answer line. ``lp.undo()`` and ``lp.restore_all()`` take the guard away.

        Raises:
            PatchRefused: this is no Starlette or FastAPI app.
        """
        raise PatchRefused(
            f"guard {self.path}",
            "livepatch can guard the stack of a Starlette or FastAPI app only",
            "give the app: lp.middleware(app).guard()",
        )

    def report(self) -> Report[MiddlewareLayer]:
        """The stack as a table, live and declared side by side."""
        with registry.lock:
            self.refresh(f"look at {self.path}")
            layers = [*(p.layer for p in self.plan), *self.declared_only]
        return middleware_table(self.path, layers)

    def _apply(
        self, verb: str, layer: MiddlewareLayer | None, plan: Placements, call: str | None
    ) -> None:
        text = None if call is None else f"lp.middleware(app).{call}"
        apply(WebChange(self, plan, verb, layer, text))

    def _put(
        self, new: MiddlewareLayer, old: MiddlewareLayer, verb: str, begun: float
    ) -> MiddlewareLayer:
        plan = tuple(MiddlewarePlacement(new) if p.layer is old else p for p in self.plan)
        self._apply(verb, new, plan, f"replace({old.name!r}, {_call(new.cls, new.options)})")
        return self._tell(new, f"replaced {old.name} in {self.path}", begun)

    def _tell(self, layer: MiddlewareLayer, done: str, begun: float) -> MiddlewareLayer:
        live = [p.layer for p in self.plan if p.on]
        position = live.index(layer)
        place = f"{position + 1} of {len(live)}"
        if position + 1 < len(live):
            place = f"{place}, outside {live[position + 1].name}"
        elif position:
            place = f"{place}, inside {live[position - 1].name}"
        facts = [f"{layer.owner}'s layer", place, *when_seen(), _took(begun)]
        layer.answer = answer(done, *facts)
        return layer

    def _earlier_self(self, layer: MiddlewareLayer) -> MiddlewareLayer | None:
        """The layer of a notebook's class that the notebook has defined again since."""
        name = getattr(layer.cls, "__qualname__", "")
        module = getattr(layer.cls, "__module__", "")
        if "<locals>" in name or module not in registry.notebook_modules:
            return None
        for placement in self.plan:
            cls = placement.layer.cls
            known = (getattr(cls, "__module__", ""), getattr(cls, "__qualname__", ""))
            if cls is not layer.cls and known == (module, name):
                return placement.layer
        return None

    def _own(self, asked: str, reference: Reference, *, also_off: bool = False) -> MiddlewareLayer:
        """The layer that is meant, where it may be changed."""
        self.refresh(asked)
        candidates = [p for p in self.plan if p.on or also_off or p.layer is reference]
        layer = find_layer(self, asked, reference, candidates)
        if layer.kind == "framework":
            raise PatchRefused(
                asked,
                f"{layer.name} belongs to the framework, which relies on its place ({layer.place})",
                "put your own middleware before or after it",
            )
        return layer

    @overload
    def __getitem__(self, index: int) -> MiddlewareLayer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MiddlewareLayer]: ...
    def __getitem__(self, index: int | slice) -> MiddlewareLayer | Sequence[MiddlewareLayer]:
        return self._live()[index]

    def __len__(self) -> int:
        return len(self._live())

    def __iter__(self) -> Iterator[MiddlewareLayer]:
        return iter(self._live())

    def _live(self) -> list[MiddlewareLayer]:
        with registry.lock:
            self.refresh(f"look at {self.path}")
            plan = self.plan
        return [p.layer for p in plan if p.on]

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


def _call(cls: Any, options: Mapping[str, Any]) -> str:
    return ", ".join([shown(cls), *(f"{name}={value!r}" for name, value in options.items())])


def _took(begun: float) -> str:
    return f"{(time.perf_counter() - begun) * 1000:.2f} ms"
