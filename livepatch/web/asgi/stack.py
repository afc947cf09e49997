"""The live stack of a router, a mount or a route of Starlette, and of an app but for its guard.

``app.middleware_stack`` becomes an entrance that holds a chain (see ``chain.py``). While nothing of
ours is left, the app has its own object back, and every middleware its own inner app.
"""

from __future__ import annotations

import itertools
import operator
import time
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.masking import holding
from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import carry_over
from livepatch.engine.switching.frames import running_calls
from livepatch.looking.callables import owner_of
from livepatch.web.chain import Chain, Entrance, Slot
from livepatch.web.layer import MiddlewareLayer, MiddlewarePlacement, Placements, what_works
from livepatch.web.links import links_holding, same
from livepatch.web.stack import MiddlewareStack

from .adoption import Node, Spec, read_stack
from .declare import declaration_of, merge
from .validate import make_asgi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


INNER_FRAMEWORK = frozenset({"ExceptionMiddleware", "AsyncExitStackMiddleware"})
LONGEST_BUILD = 0.5  # seconds; an app builds its stack in one go, on its loop

_numbers = itertools.count(1)
# A stack whose slots stand in the webui's middlewares lives until they are out again.
_spliced: set[AsgiStack] = set()


class AsgiStack(MiddlewareStack):
    """A stack that lives in one attribute of an app, router, mount or route.

    Args:
        owner: what holds the stack.
        attribute: the attribute that requests go through.
        terminal: what the stack ends in; None where that has to be found.
        path: what it is, in words.
    """

    def __init__(self, owner: Any, attribute: str, terminal: Any, path: str) -> None:
        super().__init__(owner, path)
        self.attribute = attribute
        self.key = f"livepatch.chain.{next(_numbers)}"
        self.recent: ContextVar[weakref.ref[Chain] | None] = ContextVar(self.key, default=None)
        self.entrance: Entrance | None = None
        self._given_terminal = terminal
        self._terminal = terminal
        self._chains: list[weakref.ref[Chain]] = []
        self._layers: weakref.WeakValueDictionary[int, MiddlewareLayer] = (
            weakref.WeakValueDictionary()
        )
        self._list_before: list[Any] | None = None
        self._list_of_ours: list[Any] | None = None
        self._rests = True
        self._session = 0
        self.is_guarded = False
        self._look: Callable[[], None] | None = None

    @property
    def declares(self) -> bool:
        """Whether the owner keeps a list of declarations, and builds its stack from it."""
        return isinstance(getattr(self.owner, "user_middleware", None), list)

    @property
    def value(self) -> Any:
        """What requests go through now; None before the app has built its stack."""
        return vars(self.owner).get(self.attribute)

    @value.setter
    def value(self, app: Any) -> None:
        # Past the guard, which stands on the class.
        vars(self.owner)[self.attribute] = app

    @property
    def declared_only(self) -> list[MiddlewareLayer]:
        """What the app declares and no request goes through."""
        live = {id(p.layer.spec) for p in self.plan}
        return [self.declared(spec) for spec in self.specs() if id(spec.given) not in live]

    def look(self, asked: str) -> list[MiddlewareLayer]:
        """The layers that requests go through; of an unbuilt stack those declared."""
        value = self.value
        shown = [p.layer for p in self.published if p.on]
        if value is None:
            return [self.declared(spec) for spec in self.specs()]
        if value is self.entrance or self._is_as_left(value, shown):
            return shown
        nodes, end = read_stack(asked, value, self._given_terminal, self.specs(), self.entrance)
        if end is self.entrance and end is not None:
            return [*self._adopt(nodes), *shown]
        self._terminal = end
        return self._adopt(nodes)

    def make_layer(
        self, asked: str, cls: Any, options: Mapping[str, Any], owner: str
    ) -> MiddlewareLayer:
        """A new layer around a slot of its own."""
        slot = Slot(self.key, self.recent, self._terminal)
        instance = make_asgi(asked, cls, slot, options)
        layer = MiddlewareLayer(self, cls, options, owner, "added", instance, slot=slot)
        layer.spec = declaration_of(layer) if self.declares else layer
        self._layers[id(layer.spec)] = self._layers[id(instance)] = layer
        return layer

    def make_declared(self, asked: str, spec: Spec) -> MiddlewareLayer:
        """The layer of a declaration of the webui, made now around a slot of its own."""
        layer = self.declared(spec)
        self._make(asked, layer)
        return layer

    def _make(self, asked: str, layer: MiddlewareLayer) -> None:
        """Make the middleware of a layer now, as the app would have made it."""
        layer.slot = Slot(self.key, self.recent, self._terminal)
        options = {**layer.options}
        layer.instance = make_asgi(asked, layer.cls, layer.slot, options, layer.positional)
        self._layers[id(layer.instance)] = layer

    def renew(self, owner: Any) -> None:
        """Go on with the app that the webui has made in the place of this one."""
        new = type(self)(owner, self.attribute, self._terminal_of(owner), self.path)
        new.refresh(f"follow {self.path}")
        before, waiting = self.base, list(self.base)
        found = []
        for placement in new.base:
            layer = placement.layer
            same = (p for p in waiting if (p.layer.name, p.layer.kind) == (layer.name, layer.kind))
            known = next(same, None)
            if known is None:
                layer.stack = self
            else:
                waiting.remove(known)
                known.layer.take_over(layer)
            found.append(known or placement)
        plan = carry_over(before, self.plan, tuple(found))
        self.owner, self.entrance, self._rests = owner, None, True
        self._given_terminal, self._terminal = new._given_terminal, new._terminal
        self._list_before = self._list_of_ours = None
        self._layers = weakref.WeakValueDictionary()
        for layer in [*(p.layer for p in found), *(p.layer for p in plan)]:
            for thing in (layer.instance, layer.spec):
                if thing is not None:
                    self._layers[id(thing)] = layer
        self.base = self.published = tuple(found)
        self.take_plan(plan)
        self.publish(plan)

    @staticmethod
    def _terminal_of(owner: Any) -> Any:
        return getattr(owner, "router", None)

    def is_published(self) -> bool:
        """Whether the app still has what was published last."""
        rests = self.published == self.base and self.measure is None and not self.is_guarded
        return self.value is None or self.value is self.entrance or rests

    def first_of_its_own(self, placements: Sequence[MiddlewarePlacement]) -> int:
        """Outside the app's own middleware, inside what the framework puts around them."""
        for position, placement in enumerate(placements):
            if placement.layer.kind != "framework" or placement.layer.name in INNER_FRAMEWORK:
                return position
        return len(placements)

    def publish(self, shown: Placements) -> None:
        """Let requests see these placements: one store for those that come from now on."""
        before, self.published = self.published, shown
        self._declare(before)
        if self.value is None:
            self.await_build()
            if self.value is not None:
                self._publish_after_build(before, shown)
            return
        self._rests = False
        for placement in shown:
            # It was off, or elsewhere, when the app built its stack.
            if placement.on and placement.layer.instance is None:
                self._make(f"change {self.path}", placement.layer)
        if self.value is not self.entrance or self.entrance is None:
            self._splice()
            origin = next((p.layer.instance for p in self.base if p.on), self._terminal)
            chain, outermost = self._make_chain(), self._outermost()
            self.entrance = Entrance(self.key, self.recent, chain, outermost, origin)
        else:
            self.entrance.app = self._outermost()
            self.entrance.chain = self._make_chain()
        if self._look is not None:
            self._let_look(self.entrance.chain)
        if self.published == self.base and self.measure is None and not self.is_guarded:
            self._lead_back()
            self.value = self._outermost()
            self._rests = True
            self._unsplice()
        elif self.value is not self.entrance:
            self.value = self.entrance

    def look_before_next(self, look: Callable[[], None]) -> None:
        """Call something once, before the next request goes down, on its thread."""
        self._look = look
        if self.entrance is not None:
            self._let_look(self.entrance.chain)

    def _let_look(self, chain: Chain) -> None:
        entrance, first = self.entrance, chain.entry

        def entry(scope: Any, receive: Any, send: Any) -> Any:
            with registry.lock:
                chain.entry = first
                look, self._look = self._look, None
                if look is not None:
                    look()
            scope.pop(self.key, None)
            return entrance(scope, receive, send) if entrance else first(scope, receive, send)

        chain.entry = entry

    def _publish_after_build(self, before: Placements, wanted: Placements) -> None:
        """The app built its stack while we declared: from the old list or from the new one."""
        present = tuple(MiddlewarePlacement(layer) for layer in self.look(f"change {self.path}"))
        shown = carry_over(before, wanted, present)
        base = carry_over(self.plan, self.base, shown)
        self.base = tuple(p for p in base if p.layer.kind != "added")
        self.take_plan(carry_over(wanted, self.plan, shown))
        self.published = present
        self.publish(shown)

    def await_build(self) -> None:
        """Wait until no thread is building a stack from a list it has read already."""
        codes = [
            getattr(method, "__code__", None)
            for cls in type(self.owner).__mro__
            for name in ("build_middleware_stack", "__call__")
            if (method := vars(cls).get(name)) is not None
        ]
        building = [code for code in codes if code is not None]
        end = time.perf_counter() + LONGEST_BUILD
        while self.value is None and running_calls(building) and time.perf_counter() < end:
            time.sleep(0.0005)

    def _make_chain(self) -> Chain:
        layers = [p.layer for p in self.published if p.on]
        apps = [*(layer.instance for layer in layers), self._terminal]
        called = apps
        if self.measure is not None:
            called = [
                self.measure.timed_app(i, app, layer)
                for i, (app, layer) in enumerate(zip(apps, [*layers, None], strict=True))
            ]
        slots = [layer.slot for layer in layers if layer.slot is not None]
        chain = Chain(called[0], dict(zip(slots, called[1:], strict=True)), self._session)
        for slot in slots:
            slot.session = self._session
        for layer, app in zip(layers, apps[1:], strict=True):
            if layer.kind == "added" and layer.slot is not None:
                layer.slot.last = app
        self._chains = [reference for reference in self._chains if reference() is not None]
        self._chains.append(weakref.ref(chain, self._on_end_of_chain))
        return chain

    def _outermost(self) -> Any:
        return next((p.layer.instance for p in self.published if p.on), self._terminal)

    def _splice(self) -> None:
        """Put a slot into every middleware of the webui. Each leads where the link led."""
        self._session += 1
        for layer in {p.layer: None for p in (*self.base, *self.published)}:
            if not layer.links:
                continue
            inner = layer.links[0].get()
            if layer.slot is None or inner is not layer.slot:
                inner = inner.last if isinstance(inner, Slot) else inner
                layer.slot = layer.slot or Slot(self.key, self.recent, inner)
                layer.slot.last = inner
                for link in layer.links:
                    link.put(layer.slot)
        _spliced.add(self)

    def _unsplice(self) -> None:
        """Give every middleware its inner app back, once no request is on a chain with ours."""
        present = self.entrance.chain if self.entrance is not None else None
        chains = [chain for reference in self._chains if (chain := reference()) is not None]
        if not self._rests or any(chain is not present for chain in chains):
            return
        for layer, app in self._successors_in_base():
            if layer.slot is None:
                continue
            layer.links = layer.links or tuple(links_holding(layer.instance, layer.slot))
            for link in layer.links:
                link.put(app)
        _spliced.discard(self)

    def _lead_back(self) -> None:
        """Let requests without a chain go the webui's own way: those to come, from now on."""
        for layer, app in self._successors_in_base():
            if layer.slot is not None:
                layer.slot.last = app
                layer.slot.session = 0

    def _successors_in_base(self) -> list[tuple[MiddlewareLayer, Any]]:
        layers = [p.layer for p in self.base]
        return list(zip(layers, [*(p.instance for p in layers[1:]), self._terminal], strict=False))

    def _on_end_of_chain(self, _: weakref.ref[Chain]) -> None:
        # The collector calls this on any thread, at any moment: it must not wait for the lock.
        if self._rests:
            holding(registry.lock, self._unsplice, wait=False)

    def _is_as_left(self, value: Any, shown: Sequence[MiddlewareLayer]) -> bool:
        """Whether the app still has its own stack as we gave it back, or found it."""
        if not self._rests or self.published != self.base or self._terminal is None:
            return False
        apps = [*(layer.instance for layer in shown), self._terminal]
        if not same(value, apps[0]):
            return False
        for layer, app in zip(shown, apps[1:], strict=True):
            for link in layer.links:
                held = link.get()
                if held is not layer.slot and not same(held, app):
                    return False
        if self in _spliced:
            self._unsplice()  # a chain may have ended while another thread had the lock
        return True

    def specs(self) -> list[Spec]:
        """What the app declares."""
        return [Spec.of(given) for given in self.owner.user_middleware] if self.declares else []

    def declared(self, spec: Spec) -> MiddlewareLayer:
        """The layer that stands for a declaration."""
        layer = self._layers.get(id(spec.given))
        if layer is None:
            owner = owner_of(what_works(spec.cls, spec.options))
            layer = MiddlewareLayer(self, spec.cls, spec.options, owner, "webui")
            layer.positional, layer.spec = spec.positional, spec.given
            self._layers[id(spec.given)] = layer
        return layer

    def _adopt(self, nodes: Sequence[Node]) -> list[MiddlewareLayer]:
        """The layers that stand for what was found, the known ones where they are known."""
        framework = [p.layer for p in self.base if p.layer.kind == "framework"]
        layers = []
        for node in nodes:
            cls = type(node.instance)
            layer = self._layers.get(id(node.instance))
            if layer is None and node.spec is not None:
                layer = self.declared(node.spec)
            if layer is None and node.is_framework:
                layer = next((known for known in framework if known.cls is cls), None)
            if layer is None:
                made = cls if hasattr(cls, "__mro__") and cls.__name__ != "function" else None
                made = node.instance if made is None else made
                layer = MiddlewareLayer(self, made, {}, owner_of(made), "webui")
            if node.is_framework:
                layer.kind = "framework"
            if layer.instance is not node.instance:
                layer.instance, layer.slot = node.instance, None
                self._layers[id(node.instance)] = layer
            if layer.kind != "added":
                layer.links = node.links
                if node.slot is not None and node.slot.key == self.key:
                    layer.slot = node.slot
            layers.append(layer)
        return layers

    def _declare(self, before: Placements) -> None:
        """Keep ``user_middleware`` true to what is live: a new list in one store."""
        if not self.declares:
            return
        present = self.owner.user_middleware
        live = [layer.spec for layer in self.between_frameworks()]
        merged = merge(present, live, [p.layer.spec for p in before])
        if _same_items(merged, present):
            return
        if present is not self._list_of_ours:
            self._list_before = present
        if self._list_before is not None and _same_items(merged, self._list_before):
            self.owner.user_middleware = self._list_before
        else:
            self.owner.user_middleware = self._list_of_ours = merged

    def between_frameworks(self) -> list[MiddlewareLayer]:
        """The live layers that stand where the app puts those that are declared."""
        found: list[MiddlewareLayer] = []
        for placement in self.published:
            layer = placement.layer
            if layer.kind == "framework":
                if layer.cls.__name__ in INNER_FRAMEWORK:
                    break
                found.clear()  # what stands outside the framework's outer layers is not declared
            elif placement.on and layer.spec is not None:
                found.append(layer)
        return found


def _same_items(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(map(operator.is_, one, other))
