"""The chain of middlewares that one request goes through, and how a request finds its own.

A chain is immutable. A commit is one store of a new chain; a request takes the chain that is there
when it enters and keeps it in its scope, so it sees one version of the stack from end to end. The
``app`` of every middleware is a slot that looks up its successor in the request's chain: so the
middlewares and what they remember live on from chain to chain.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar

    ASGIApp = Callable[[Any, Any, Any], Any]
    Recent = ContextVar[weakref.ref["Chain"] | None]


class Slot:
    """The inner app of one middleware.

    Attributes:
        key: where a scope keeps the chain of its request.
        recent: the chain that this task came in with: for a scope that another middleware has
            built anew.
        session: the time between two rests of the stack, 0 at rest. A server may hand the context
            of one request on to the next, and with it a recent chain of another session.
        last: the successor of a request without a chain, that came in before us or while nothing
            of ours was there.
    """

    __slots__ = ("key", "last", "recent", "session")

    def __init__(self, key: str, recent: Recent, last: ASGIApp) -> None:
        self.key = key
        self.recent = recent
        self.last = last
        self.session = 0

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Pass the request on to its own successor; answers the coroutine."""
        try:
            successor = scope[self.key][self]
        except KeyError:
            successor = self._without_chain(scope)
        return successor(scope, receive, send)

    def _without_chain(self, scope: Any) -> Any:
        """The successor for a scope that came in before us, or that was built anew."""
        chain = scope.get(self.key)
        if chain is None:
            reference = self.recent.get()
            chain = None if reference is None else reference()
            if chain is None or chain.session != self.session:
                return self.last
        return chain.get(self, self.last)

    @property
    def app(self) -> Any:
        """The present successor: FastAPI's telemetry and Sentry walk along ``.app``."""
        return self.last

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of the inner app."""
        if name.startswith("__") or name in Slot.__slots__:
            raise AttributeError(name)
        return getattr(self.last, name)


class Chain(dict[Slot, Any]):
    """The successor of each slot, and the callable that a request enters.

    It can be referred to weakly: when the last request on it has ended, it is gone.
    """

    __slots__ = ("__weakref__", "entry", "reference", "session")

    def __init__(self, entry: ASGIApp, successors: dict[Slot, Any], session: int) -> None:
        super().__init__(successors)
        self.entry = entry
        self.session = session
        self.reference = weakref.ref(self)


class Entrance:
    """What stands in ``app.middleware_stack``: gives each request the present chain.

    Attributes:
        app: the outermost middleware, for those who walk along ``.app``.
        origin: what stood here before, for those who ask it something: a mount's own app.
    """

    __slots__ = ("app", "chain", "key", "origin", "recent")

    def __init__(self, key: str, recent: Recent, chain: Chain, outermost: Any, origin: Any) -> None:
        self.key = key
        self.recent = recent
        self.chain = chain
        self.app = outermost
        self.origin = origin

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Send a request down its chain; answers the coroutine.

        A request that comes through here twice stays on the chain it came in with.
        """
        chain = scope.setdefault(self.key, self.chain)
        # Weak, as tasks that a request starts keep its context for as long as they live.
        self.recent.set(chain.reference)
        return chain.entry(scope, receive, send)

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of the app that was here."""
        if name.startswith("__") or name in Entrance.__slots__:
            raise AttributeError(name)
        return getattr(self.origin, name)
