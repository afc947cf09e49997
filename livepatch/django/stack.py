"""The middleware of a running Django: looked at, timed and changed.

A handler's ``_middleware_chain`` is the outermost of callables that hold each other, each wrapped
by what turns exceptions into responses, and by adapters between sync and async.
"""

from __future__ import annotations

import contextlib
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from livepatch.engine import PatchRefused
from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import carry_over
from livepatch.looking.callables import owner_of
from livepatch.web.layer import KnownLayers, MiddlewareLayer, MiddlewarePlacement
from livepatch.web.links import Link, find_links
from livepatch.web.stack import MiddlewareStack

from . import chain as django_chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from livepatch.web.layer import Placements
    from livepatch.web.timing import RequestMeter

CONVERTS = "django.core.handlers.exception"
ADAPTERS = {"SyncToAsync": "func", "AsyncToSync": "awaitable"}
TIMED = "livepatch_times"
LONGEST = 200


Made = dict[MiddlewareLayer, Any]
"""The middlewares that a chain was made of, by their layers."""


class _Found(NamedTuple):
    """A middleware, and the link by which the one outside of it holds it."""

    instance: Any
    held_by: Link


class DjangoStack(MiddlewareStack):
    """The middlewares of a request handler, outermost first."""

    tells_of_client = False

    def __init__(self, owner: Any, path: str) -> None:
        super().__init__(owner, path)
        self._layers = KnownLayers()
        self._timed: list[tuple[Link, Any, Any]] = []
        self._webuis: tuple[django_chain.Chain, Made] | None = None

    @property
    def declared(self) -> list[str]:
        """What the settings declare."""
        settings = getattr(sys.modules.get("django.conf"), "settings", None)
        return [str(name) for name in getattr(settings, "MIDDLEWARE", ())]

    @property
    def declared_only(self) -> Sequence[MiddlewareLayer]:
        """What the settings declare and no request goes through: it said that it is not used."""
        live = {_dotted(p.layer.cls) for p in self.plan}
        found = []
        for name in self.declared:
            module, _, attribute = name.rpartition(".")
            cls = getattr(sys.modules.get(module), attribute, None)
            if name not in live and cls is not None:
                layer = self._layers.of(cls)
                layer = layer or MiddlewareLayer(self, cls, {}, owner_of(cls), "webui")
                self._layers.know(layer, cls)
                found.append(layer)
        return found

    def declares_layer(self, layer: MiddlewareLayer) -> bool:
        """Whether the settings have it."""
        return _dotted(layer.cls) in self.declared

    def look(self, asked: str) -> list[MiddlewareLayer]:
        """The middlewares that requests go through; none before the chain is made."""
        found, _ = self._walk(asked)
        return self._layers_of(found)

    def _layers_of(self, found: Iterable[_Found]) -> list[MiddlewareLayer]:
        layers = []
        for one in found:
            layer = self._layers.of(one.instance)
            if layer is None:
                cls = _class_of(one.instance)
                layer = MiddlewareLayer(self, cls, {}, owner_of(cls), "webui", one.instance)
                self._layers.know(layer, one.instance)
            layers.append(layer)
        return layers

    def measure_by(self, meter: RequestMeter | None) -> None:
        """Let the requests that come from now on be timed: a timed callable on each link."""
        self.refresh(f"time {self.path}")
        self.measure = meter
        timed, self._timed = self._timed, []
        for link, own, ours in timed:
            if link.get() is ours:  # else someone else put another one there since
                link.put(own)
        if meter is not None:
            found, end = self._walk(f"time {self.path}")
            links = [*(one.held_by for one in found), end]
            for link, layer in zip(links, [*self._layers_of(found), None], strict=True):
                own = link.get()
                ours = meter.timed_response(own, layer, _route_of)
                setattr(ours, TIMED, own)
                link.put(ours)
                self._timed.append((link, own, ours))

    def make_layer(
        self, asked: str, cls: Any, options: Mapping[str, Any], owner: str
    ) -> MiddlewareLayer:
        """A new layer; a chain with it is made aside once, to see that it can be."""
        layer = MiddlewareLayer(self, cls, options, owner, "added")
        tried: Made = {}
        entries = [self._entry(one, tried) for one in [*self._live(), layer]]
        try:
            django_chain.build(self.owner, entries)
        except Exception as error:
            raise PatchRefused(
                asked,
                f"{type(error).__name__}: {' '.join(str(error).split())} ({layer.place})",
                "Django calls a middleware with get_response, and with its options; nothing "
                "has changed",
            ) from error
        if layer not in tried:
            raise PatchRefused(
                asked, f"{layer.name} says that it is not used ({layer.place})", "see its settings"
            )
        return layer

    def publish(self, shown: Placements) -> None:
        """Let requests go through these: a chain made aside, seen in one store.

        The middlewares are made anew, as at a start of the server; back at what the settings
        declare, the webui's own chain is put back with what it remembers.
        """
        meter = self.measure
        if meter is not None:
            self.measure_by(None)
        if self._webuis is None:
            instances = {p.layer: p.layer.instance for p in self.base}
            self._webuis = (django_chain.Chain.of(self.owner), instances)
        self.published = shown
        if shown == self.base:
            (chain, made), self._webuis = self._webuis, None
        else:
            made = {}
            entries = [self._entry(p.layer, made) for p in shown if p.on]
            chain = django_chain.Chain.of(django_chain.build(self.owner, entries))
        for layer, instance in made.items():
            self._layers.give_instance(layer, instance)
        chain.put(self.owner)
        if meter is not None:
            self.measure_by(meter)

    def is_published(self) -> bool:
        """Whether the handler has the chain that is meant."""
        return self.look(f"look at {self.path}") == [p.layer for p in self.published if p.on]

    def redeclare(self) -> None:
        """Take what the settings declare now as the webui's own; what is ours stays upon it."""
        known = {_dotted(p.layer.cls): p for p in self.base}
        base = []
        for name in self.declared:
            module, _, attribute = name.rpartition(".")
            cls = getattr(sys.modules.get(module), attribute, None)
            placement = known.get(name)
            if placement is not None and placement.layer.cls is cls:
                base.append(placement)
            elif cls is not None:
                layer = MiddlewareLayer(self, cls, {}, owner_of(cls), "webui")
                base.append(MiddlewarePlacement(layer))
        plan = carry_over(self.base, self.plan, tuple(base))
        self.base = tuple(base)
        made: Made = {}
        entries = [self._entry(p.layer, made) for p in self.base]
        self._webuis = (django_chain.Chain.of(django_chain.build(self.owner, entries)), made)
        self.take_plan(plan)
        self.publish(plan)

    def _entry(self, layer: MiddlewareLayer, made: Made) -> Any:
        """What makes a layer's middleware, and notes which one it made."""
        cls, options = layer.cls, dict(layer.options)

        def make(get_response: Any) -> Any:
            instance = made[layer] = cls(get_response, **options)
            return instance

        make.__qualname__ = layer.name
        for name in ("sync_capable", "async_capable"):
            if hasattr(cls, name):
                setattr(make, name, getattr(cls, name))
        return make

    def _walk(self, asked: str) -> tuple[list[_Found], Link]:
        """The middlewares from the outside in, and the link to what they end in."""
        found: list[_Found] = []
        held_by = Link(self.owner, "_middleware_chain")
        while len(found) < LONGEST:
            instance = _unwrapped(held_by.get())
            if instance is None or _is_end(instance):
                return found, held_by
            found.append(_Found(instance, held_by))
            inner, links = find_links(instance, _is_response_maker)
            if inner is None or not _is_response_maker(inner):
                break
            held_by = links[0]
        raise PatchRefused(
            asked,
            f"{_dotted(_class_of(found[-1].instance))} hides the handler that it passes requests "
            "to",
            "keep it in self.get_response, as Django's own middleware does; nothing was changed",
        )


def declared_again(known: Iterable[Any] = ()) -> None:
    """Let requests go through what ``settings.MIDDLEWARE`` says now; what is ours stays upon it.

    Args:
        known: handlers that requests came through.
    """
    ours = [one for one in registry.changed.values() if isinstance(one, DjangoStack)]
    by_handler = {id(stack.owner): stack for stack in ours}
    settings = sys.modules["django.conf"].settings
    found = django_chain.handlers(known)
    plain = [handler for handler in found if id(handler) not in by_handler]
    made = [(handler, django_chain.build(handler, settings.MIDDLEWARE)) for handler in plain]
    for stack in by_handler.values():
        stack.redeclare()
    for handler, shadow in made:
        django_chain.Chain.of(shadow).put(handler)


def holder_of_lists(handler: Any) -> Any:
    """The handler whose lists of view middleware count: the one its chain ends in, maybe a copy.

    Args:
        handler: a handler that serves.
    """
    _, end = DjangoStack(handler, "middleware")._walk("look at the middleware")
    return getattr(_unwrapped(end.get()), "__self__", handler)


def is_django_handler(app: Any) -> bool:
    """Whether it is a handler of requests: what ``get_wsgi_application()`` answers."""
    names = {(cls.__module__, cls.__name__) for cls in type(app).__mro__}
    return ("django.core.handlers.base", "BaseHandler") in names


def django_handler() -> Any:
    """The handler that serves in this process: one that a loaded module names; None: none does."""
    if "django.core.handlers.base" not in sys.modules:
        return None
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        for value in list(namespace.values()) if isinstance(namespace, dict) else ():
            # By its class alone: a lazy object would wake when it is asked.
            if is_django_handler(value):
                return value
    return None


def _route_of(request: Any) -> tuple[str, Any] | None:
    """What a request that is over was resolved to: the route's label, and the view."""
    match = getattr(request, "resolver_match", None)
    if match is None:
        return None
    return f"{request.method} /{match.route}", getattr(match.func, "view_class", match.func)


def _unwrapped(response_maker: Any) -> Any:
    """The middleware within what Django and a timing put around it."""
    while response_maker is not None:
        if TIMED in getattr(response_maker, "__dict__", ()):
            response_maker = vars(response_maker)[TIMED]
        elif _converts(response_maker):
            response_maker = response_maker.__wrapped__
        elif type(response_maker).__name__ in ADAPTERS:
            response_maker = getattr(response_maker, ADAPTERS[type(response_maker).__name__])
        else:
            break
    return response_maker


def _converts(value: Any) -> bool:
    """Whether it is the function that turns the exceptions of another one into responses."""
    return isinstance(value, FunctionType) and value.__globals__.get("__name__") == CONVERTS


def _is_response_maker(value: Any) -> bool:
    is_ours = isinstance(value, FunctionType) and TIMED in vars(value)
    return is_ours or _converts(value) or type(value).__name__ in ADAPTERS


def _is_end(value: Any) -> bool:
    """Whether it is the handler's own method, which finds the view."""
    return is_django_handler(getattr(value, "__self__", None))


def _class_of(instance: Any) -> Any:
    """The class of a middleware, or the function that has made it."""
    if not isinstance(instance, FunctionType):
        return type(instance)
    name = instance.__qualname__.partition(".<locals>")[0]
    found: Any = sys.modules.get(instance.__module__)
    with contextlib.suppress(AttributeError):
        for part in name.split("."):
            found = getattr(found, part)
        return found
    return instance


def _dotted(cls: Any) -> str:
    return f"{getattr(cls, '__module__', '?')}.{getattr(cls, '__qualname__', '?')}"
