"""The live stack of an aiohttp app (ComfyUI's server is one).

``app.middlewares`` is frozen as the app starts; what requests go through is the tuple
``_middlewares_handlers``, innermost first, and a cache of chains built from it for each handler.
A request has its whole chain before it runs, so a store of the tuple is all of a change or none.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.reading.sources import place
from livepatch.looking.callables import owner_of
from livepatch.web.layer import KnownLayers, MiddlewareLayer, Placements
from livepatch.web.stack import MiddlewareStack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from livepatch.web.timing import RequestMeter

HOW_TO_WRITE = "@web.middleware; async def m(request, handler): return await handler(request)"

_parents: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


class AiohttpStack(MiddlewareStack):
    """The middlewares of an aiohttp app, outermost first."""

    tells_of_client = False

    def __init__(self, owner: Any, path: str) -> None:
        super().__init__(owner, path)
        self._layers = KnownLayers()
        self._app_own: tuple[Any, Any, bool] | None = None
        self._was_started = False
        self._published: Any = None
        self._timed_layers: dict[int, MiddlewareLayer] = {}
        self._end: Any = None
        for sub in owner._subapps:
            _parents[sub] = owner

    @property
    def has_started(self) -> bool:
        """Whether the app has built what its requests go through."""
        return bool(self.owner._pre_frozen)

    def look(self, asked: str) -> list[MiddlewareLayer]:  # noqa: ARG002
        """The middlewares that requests go through; before the start those that the app has."""
        if self.has_started:
            pairs = [(m, new) for m, new in self.owner._middlewares_handlers if not _is_fix(m)]
            timed = self._timed_layers
            handlers = [m for m, _ in reversed(pairs) if m is not self._end]
            found = [timed[id(m)].instance if id(m) in timed else m for m in handlers]
        else:
            found = list(self.owner._middlewares)
        layers: list[MiddlewareLayer] = []
        for middleware in found:
            layer = self._layers.of(middleware)
            is_second = layer in layers  # the webui has it twice
            if layer is None or is_second:
                owner = owner_of(middleware)
                layer = MiddlewareLayer(self, middleware, {}, owner, "webui", middleware)
                if not is_second:
                    self._layers.know(layer, middleware)
            layers.append(layer)
        return layers

    def declares_layer(self, layer: MiddlewareLayer) -> bool:
        """Whether it is in the app's own list."""
        return any(middleware is layer.instance for middleware in self.owner._middlewares)

    def make_layer(
        self, asked: str, cls: Any, options: Mapping[str, Any], owner: str
    ) -> MiddlewareLayer:
        """A new layer: the function itself, or what a class or factory makes of the options."""
        made = cls
        if options or isinstance(cls, type):
            try:
                made = cls(**options)
            except Exception as error:
                said = " ".join(str(error).split())
                name = getattr(cls, "__qualname__", repr(cls))
                found = f"{name} raised {type(error).__name__}: {said}"
                raise PatchRefused(asked, found, f"nothing has changed; {place(cls)}") from error
        if not _is_middleware(made):
            name = getattr(made, "__qualname__", repr(made))
            found = f"{name} is not a coroutine function of (request, handler)"
            raise PatchRefused(asked, f"{found} ({place(made)})", HOW_TO_WRITE)
        # Each layer is an object of its own, so that one function can stand in two places.
        instance = _Once(made)
        layer = MiddlewareLayer(self, cls, options, owner, "added", instance)
        self._layers.know(layer, instance)
        return layer

    def is_published(self) -> bool:
        """Whether the app still has what was published last."""
        attribute = "_middlewares_handlers" if self.has_started else "_middlewares"
        rests = self.published == self.base and self.measure is None
        return rests or getattr(self.owner, attribute) is self._published

    def publish(self, shown: Placements) -> None:
        """One store of a new tuple; the chains that were built from the old one go."""
        app = self.owner
        if self._app_own is None:
            self._app_own = (app._middlewares, app._middlewares_handlers, app._run_middlewares)
            self._was_started = self.has_started
        if self.has_started and not self._was_started:
            self._app_own = self._as_it_would_have_started(*self._app_own)
            self._was_started = True
        self.published = shown
        listed, handlers, runs = self._app_own
        measure = self.measure if self.has_started else None
        if shown != self.base or measure is not None:
            items = [p.layer.instance for p in shown if p.on]
            if shown != self.base:
                listed = type(listed)(items)
            runs = runs or bool(items) or measure is not None
            if self.has_started:
                listed.freeze()
                handlers = self._handlers(items)
            if measure is not None:
                handlers = self._timed(measure, handlers)
        app._middlewares = listed
        if self.has_started:
            app._middlewares_handlers = handlers
            self._run(runs=runs)
            self._forget_chains()
        self._published = handlers if self.has_started else listed
        if measure is None:
            self._timed_layers, self._end = {}, None
        if shown == self.base and measure is None:
            self._app_own = None

    def _handlers(self, items: Sequence[Any]) -> tuple[tuple[Any, bool], ...]:
        present = self.owner._middlewares_handlers
        before = (self._app_own[1] if self._app_own is not None else None) or ()
        styles = {id(middleware): new for middleware, new in (*before, *present)}
        fixes = [pair for pair in present if _is_fix(pair[0])] or _fix_of(self.owner)
        return (*((m, styles.get(id(m), True)) for m in reversed(items)), *fixes)

    def _timed(
        self, measure: RequestMeter, handlers: Sequence[tuple[Any, bool]]
    ) -> tuple[tuple[Any, bool], ...]:
        """The same middlewares timed, and innermost one that times what they lead to."""
        layers = {id(p.layer.instance): p.layer for p in self.published if p.on}
        timed: list[tuple[Any, bool]] = []
        self._timed_layers = {}
        index = 0
        for middleware, is_new in reversed(handlers):
            if id(middleware) in layers and is_new:
                layer = layers[id(middleware)]
                wrapped = measure.timed_handler(index, middleware, layer)
                timed.append((wrapped, True))
                self._timed_layers[id(wrapped)] = layer
                index += 1
            else:
                timed.append((middleware, is_new))
        self._end = measure.timed_handler(index, None, None)
        timed.append((self._end, True))
        return tuple(reversed(timed))

    def _as_it_would_have_started(self, listed: Any, _: Any, runs: bool) -> tuple[Any, Any, bool]:
        """What the app would have had by now: it started with ours in its list."""
        items = [p.layer.instance for p in self.base]
        listed.freeze()
        return listed, self._handlers(items), runs or bool(items)

    def _run(self, *, runs: bool) -> None:
        app = self.owner
        app._run_middlewares = runs
        while runs and (app := _parents.get(app)) is not None:
            app._run_middlewares = True

    def _forget_chains(self) -> None:
        """Drop the cached chains, also the one that is being built on the loop's thread now."""
        module = sys.modules.get("aiohttp.web_app")
        cached = getattr(module, "_cached_build_middleware", None)
        if cached is None:  # before aiohttp 3.11 each request built its own
            return
        cached.cache_clear()
        loop = getattr(self.owner, "_loop", None)
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(cached.cache_clear)


class _Once:
    """A middleware in one place of a stack."""

    __middleware_version__ = 1

    def __init__(self, middleware: Any) -> None:
        self.middleware = middleware

    async def __call__(self, request: Any, handler: Any) -> Any:
        """Let the middleware do its work."""
        return await self.middleware(request, handler)


def _is_middleware(made: Any) -> bool:
    if not callable(made) or isinstance(made, type):
        return False
    function = made if inspect.isroutine(made) else getattr(type(made), "__call__", None)  # noqa: B004
    if not inspect.iscoroutinefunction(function):
        return False
    try:
        inspect.signature(made).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def _is_fix(middleware: Any) -> bool:
    """Whether it is aiohttp's own, that sets ``request.app`` and stands outermost."""
    return "_fix_request_current_app" in getattr(middleware, "__qualname__", "")


def _fix_of(app: Any) -> list[tuple[Any, bool]]:
    module = sys.modules.get("aiohttp.web_middlewares")
    make = getattr(module, "_fix_request_current_app", None)
    return [] if make is None else [(make(app), True)]
