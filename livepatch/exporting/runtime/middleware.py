"""Middleware of a running app: added, or one of the webui's left out; and taken back.

Works before the app has built its stack, and while requests run: one place in the stack changes, in
one store. Several exported extensions may do so on one app and end in any order.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .changes import ApplyContext, Change, Skipped, Undo, only_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_INNER = ("app", "_app", "application", "asgi_app", "inner", "next")
_OUTER_FRAMEWORK = "ServerErrorMiddleware"
_INNER_FRAMEWORK = ("ExceptionMiddleware", "AsyncExitStackMiddleware")


@dataclass(frozen=True)
class Middleware(Change):
    """A middleware that is added, or one of the webui's that is left out.

    Attributes:
        action: ``add`` or ``remove``.
        label: what it is called in the stack.
        new: its name among the extension's own.
        options: the keyword arguments that it is made with.
        named: of these, those whose values are the extension's own, by their names.
        outside: the name of the one that it stands outside of.
        inside: the name of the one that it stands inside of.
    """

    action: str
    label: str
    new: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    outside: str | None = None
    inside: str | None = None

    @property
    def about(self) -> str:
        """Action and name."""
        return f"{self.action} middleware {self.label}"

    def apply(self, context: ApplyContext) -> Undo:
        """Change the app's stack."""
        app = context.app
        if app is None:
            raise Skipped("the webui has no app yet")
        is_aiohttp = any(cls.__module__.startswith("aiohttp.") for cls in type(app).__mro__)
        stack: _Stack = _AiohttpStack(app) if is_aiohttp else _AsgiStack(app)
        if self.action == "remove":
            return only_once(stack.leave_out(self.label))
        options = {**self.options, **{k: context.names[v] for k, v in self.named.items()}}
        made = context.names[self.new]
        return only_once(stack.add(self.label, made, options, (self.outside, self.inside)))


class _Stack(ABC):
    def __init__(self, app: Any) -> None:
        self.app = app

    @abstractmethod
    def add(
        self, label: str, made: Any, options: dict[str, Any], between: tuple[str | None, str | None]
    ) -> Callable[[], None]:
        """Add a middleware; answers what takes it out."""

    @abstractmethod
    def leave_out(self, label: str) -> Callable[[], None]:
        """Leave one out; answers what puts it back."""


def _position(names: Sequence[str], outside: str | None, inside: str | None) -> int | None:
    """Where something stands among others, outermost first; None: its neighbours are not there."""
    if outside in names:
        return names.index(outside)
    if inside in names:
        return names.index(inside) + 1
    return None


class Passage:
    """The place of one middleware in a Starlette app's stack.

    Requests go through it, or past it once it was taken back; those under way go on as they began.
    """

    def __init__(self, label: str) -> None:
        self.__name__ = label
        self.app: Any = None
        self.through: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the middleware do its work."""
        await (self.through or self.app)(scope, receive, send)

    async def onward(self, scope: Any, receive: Any, send: Any) -> None:
        """What the middleware has as its inner app."""
        await self.app(scope, receive, send)


def _declaration(passage: Passage) -> Any:
    """What an app has in its list for a passage: it gives the passage its inner app."""

    def stand_before(app: Any) -> Passage:
        passage.app = app
        return passage

    stand_before.__name__ = passage.__name__
    return sys.modules["starlette.middleware"].Middleware(stand_before)


def _made(declaration: Any, app: Any) -> Any:
    """What a declaration of the webui's makes around an app."""
    options = getattr(declaration, "kwargs", None)
    if options is None:  # until Starlette 0.35
        return declaration.cls(app=app, **declaration.options)
    return declaration.cls(app, *getattr(declaration, "args", ()), **options)


class _AsgiStack(_Stack):
    def add(
        self, label: str, made: Any, options: dict[str, Any], between: tuple[str | None, str | None]
    ) -> Callable[[], None]:
        app, passage = self.app, Passage(label)
        passage.through = made(passage.onward, **options)

        declaration = _declaration(passage)
        declared = app.user_middleware
        names = [_name_of_declared(given) for given in declared]
        position = _position(names, *between)
        if position is None:
            is_innermost = between[0] in (None, *_INNER_FRAMEWORK) and between[1] is not None
            position = len(declared) if is_innermost else 0
        declared.insert(position, declaration)
        if app.middleware_stack is not None and passage.app is None:
            self._splice_in(passage, between)

        def take_out() -> None:
            passage.through = None
            if declaration in app.user_middleware:
                app.user_middleware.remove(declaration)
            self._lead_past(passage)

        return take_out

    def leave_out(self, label: str) -> Callable[[], None]:
        app = self.app
        declared = app.user_middleware
        given = next((d for d in declared if _name_of_declared(d) == label), None)
        node = next((n for n, _ in self._nodes() if _name_of(n) == label), None)
        if given is None and node is None:
            raise Skipped(f"the app has no middleware {label}")
        passage = Passage(label)
        declaration = _declaration(passage)
        if given is not None:
            declared[declared.index(given)] = declaration
        if node is not None:
            passage.app = _inner_of(node)[1]
            self._exchange(node, passage)

        def put_back() -> None:
            known = app.user_middleware
            if declaration in known:
                known[known.index(declaration)] = given
            if passage.app is None:
                return  # the app has not built its stack: it will, with what it declares
            own = node if node is not None else _made(given, passage.app)
            inner, put = _inner_of(own)[0], passage.app
            if inner:
                setattr(own, inner, put)
            self._exchange(passage, own)

        return put_back

    def _exchange(self, node: Any, other: Any) -> None:
        """Put another app into the place of one."""
        for known, put in self._nodes():
            if known is node:
                put(other)
                return

    def _splice_in(self, passage: Passage, between: tuple[str | None, str | None]) -> None:
        nodes = list(self._nodes())
        names = [_name_of(node) for node, _ in nodes]
        position = _position(names, *between)
        if position is None and between[0] is None and between[1] is not None:
            framework = (i for i, name in enumerate(names) if name in _INNER_FRAMEWORK)
            position = next(framework, len(names) - 1)
        if position is None:
            position = 1 if names[0] == _OUTER_FRAMEWORK and len(names) > 1 else 0
        position = min(position, len(nodes) - 1)
        inner, put = nodes[position]
        passage.app = inner
        put(passage)

    def _lead_past(self, node: Any) -> Any:
        """Let what led to a node lead to what it led to; answers that."""
        for known, put in self._nodes():
            if known is node:
                inner = _inner_of(node)[1]
                put(inner)
                return inner
        return None

    def _nodes(self) -> Iterator[tuple[Any, Callable[[Any], None]]]:
        """Each app of the stack, outermost first, with what puts another into its place."""
        node = self.app.middleware_stack
        holder, name = self.app, "middleware_stack"
        seen: set[int] = set()
        while node is not None and callable(node) and id(node) not in seen:
            seen.add(id(node))
            yield node, _putter(holder, name)
            holder, (name, node) = node, _inner_of(node)


def _putter(holder: Any, name: str) -> Callable[[Any], None]:
    return lambda value: setattr(holder, name, value)


def _inner_of(node: Any) -> tuple[str, Any]:
    """The attribute by which an app holds the one inside of it, and that one."""
    own = getattr(node, "__dict__", {})
    for name in _INNER:
        if callable(own.get(name)) and not isinstance(own[name], type):
            return name, own[name]
    return "", None


def _name_of(node: Any) -> str:
    dispatch = getattr(node, "__dict__", {}).get("dispatch_func")
    bare = getattr(dispatch, "__self__", None) is node
    thing = node if dispatch is None or bare else dispatch
    return str(getattr(thing, "__name__", None) or type(node).__name__)


def _name_of_declared(given: Any) -> str:
    options = getattr(given, "kwargs", None) or getattr(given, "options", None) or {}
    thing = options.get("dispatch") or given.cls
    return str(getattr(thing, "__name__", None) or type(thing).__name__)


class _Turn:
    """A middleware of ours in the list of an aiohttp app."""

    __middleware_version__ = 1

    def __init__(self, label: str, middleware: Any) -> None:
        self.__name__ = label
        self.middleware: Any = middleware

    async def __call__(self, request: Any, handler: Any) -> Any:
        """Let the middleware do its work."""
        if self.middleware is None:
            return await handler(request)
        return await self.middleware(request, handler)


class _AiohttpStack(_Stack):
    def add(
        self, label: str, made: Any, options: dict[str, Any], between: tuple[str | None, str | None]
    ) -> Callable[[], None]:
        turn = _Turn(label, made(**options) if options or isinstance(made, type) else made)
        present = self._present()
        position = _position([_name_of_handler(m) for m in present], *between) or 0
        self._put([*present[:position], turn, *present[position:]])

        def take_out() -> None:
            turn.middleware = None
            self._put([m for m in self._present() if m is not turn])

        return take_out

    def leave_out(self, label: str) -> Callable[[], None]:
        present = self._present()
        position = next((i for i, m in enumerate(present) if _name_of_handler(m) == label), None)
        if position is None:
            raise Skipped(f"the app has no middleware {label}")
        left_out, before = present[position], present[:position]
        self._put([m for m in present if m is not left_out])

        def put_back() -> None:
            now = self._present()
            places = [now.index(m) + 1 for m in before if m in now]
            place = max(places, default=0)
            self._put([*now[:place], left_out, *now[place:]])

        return put_back

    def _present(self) -> list[Any]:
        """The middlewares that requests go through, outermost first."""
        if self._has_started:
            return [m for m, _ in reversed(self.app._middlewares_handlers) if not _is_fix(m)]
        return list(self.app._middlewares)

    @property
    def _has_started(self) -> bool:
        return bool(self.app._pre_frozen)

    def _put(self, wanted: list[Any]) -> None:
        app = self.app
        if not self._has_started:
            app._middlewares[:] = wanted
            return
        present = app._middlewares_handlers
        styles = {id(m): style for m, style in present}
        fixes = tuple(pair for pair in present if _is_fix(pair[0]))
        listed = type(app._middlewares)(wanted)
        listed.freeze()
        app._middlewares = listed
        app._middlewares_handlers = (
            *((m, styles.get(id(m), True)) for m in reversed(wanted)),
            *(fixes or _fix_of(app)),
        )
        app._run_middlewares = bool(app._middlewares_handlers)
        module = sys.modules.get("aiohttp.web_app")
        cached = getattr(module, "_cached_build_middleware", None)
        if cached is not None:  # since aiohttp 3.11 the chains of handlers are kept
            cached.cache_clear()
            loop = getattr(app, "_loop", None)
            if loop is not None and loop.is_running():
                loop.call_soon_threadsafe(cached.cache_clear)


def _name_of_handler(middleware: Any) -> str:
    return str(getattr(middleware, "__name__", None) or type(middleware).__name__)


def _is_fix(middleware: Any) -> bool:
    """Whether it is aiohttp's own, that sets ``request.app`` and stands outermost."""
    return "_fix_request_current_app" in getattr(middleware, "__qualname__", "")


def _fix_of(app: Any) -> tuple[tuple[Any, bool], ...]:
    make = getattr(sys.modules.get("aiohttp.web_middlewares"), "_fix_request_current_app", None)
    return () if make is None else ((make(app), True),)
