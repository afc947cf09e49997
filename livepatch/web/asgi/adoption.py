"""Reads the stack that an app has built: which middleware wraps which, and what was declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.web.chain import Entrance, Slot
from livepatch.web.links import Link, find_links, is_asgi, same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FRAMEWORKS = ("starlette.middleware.", "fastapi.")
# Of these modules the app itself puts middlewares around and inside those that are declared.
FRAMEWORK_LAYERS = frozenset(
    {
        "ServerErrorMiddleware",
        "ExceptionMiddleware",
        "AsyncExitStackMiddleware",
        "ExceptionTelemetryMiddleware",
        "AppBodyLimitMiddleware",
        "RequestBodyLimitMiddleware",
    }
)
LONGEST = 200


@dataclass(frozen=True)
class Spec:
    """What ``app.user_middleware`` says of one middleware, of any version of Starlette."""

    given: Any
    cls: Any
    positional: tuple[Any, ...]
    options: Mapping[str, Any]

    @classmethod
    def of(cls, given: Any) -> Spec:
        """Read a ``starlette.middleware.Middleware``."""
        options = getattr(given, "kwargs", None)
        if options is None:
            options = getattr(given, "options", None) or {}  # before Starlette 0.35
        return cls(given, given.cls, tuple(getattr(given, "args", ())), options)


@dataclass(eq=False)
class Node:
    """A middleware found in a stack.

    Attributes:
        instance: the middleware itself.
        links: where it holds its inner app.
        spec: what the app declared for it, if anything.
        slot: the slot of ours that it holds already.
    """

    instance: Any
    links: tuple[Link, ...]
    spec: Spec | None = None
    slot: Slot | None = None

    @property
    def is_framework(self) -> bool:
        """Whether Starlette or FastAPI put it there on its own account."""
        cls = type(self.instance)
        named = cls.__name__ in FRAMEWORK_LAYERS and cls.__module__.startswith(FRAMEWORKS)
        return self.spec is None and named


def read_stack(
    asked: str, head: Any, terminal: Any, specs: Sequence[Spec], entrance: Entrance | None
) -> tuple[list[Node], Any]:
    """The middlewares of a stack from the outside in.

    Args:
        asked: the user's request in words.
        head: the outermost middleware.
        terminal: what the stack ends in; None where that has to be found.
        specs: what the app declares.
        entrance: our entrance to this stack, which a foreign wrapper may hold.

    Returns:
        The nodes, and what the stack ends in. A node whose inner app is the entrance is the last.

    Raises:
        PatchRefused: a middleware hides its inner app.
    """
    classes = tuple({spec.cls for spec in specs if isinstance(spec.cls, type)})

    def is_expected(value: object) -> bool:
        if isinstance(value, (Slot, Entrance)):
            return True
        if terminal is not None and same(value, terminal):
            return True
        cls = type(value)
        return isinstance(value, classes) or (
            cls.__name__ in FRAMEWORK_LAYERS and cls.__module__.startswith(FRAMEWORKS)
        )

    nodes: list[Node] = []
    app = head
    while not (terminal is not None and same(app, terminal)) and app is not entrance:
        if len(nodes) >= LONGEST:
            raise _unmapped(asked, nodes, "they wrap each other in a cycle")
        inner, links = find_links(app, is_expected)
        if inner is None:
            if terminal is None:
                break
            raise _unmapped(asked, [*nodes, Node(app, ())], "the last one hides its inner app")
        slot = inner if isinstance(inner, Slot) else None
        nodes.append(Node(app, tuple(links), slot=slot))
        app = inner.last if isinstance(inner, Slot) else inner
        if not is_asgi(app) and app is not terminal and not callable(app):
            raise _unmapped(asked, nodes, "the last one holds no app")
    if app is not entrance:  # else what was declared stands behind our entrance
        _match(nodes, specs)
    return nodes, app


def _match(nodes: Sequence[Node], specs: Sequence[Spec]) -> None:
    """Say which declaration belongs to which middleware.

    From the inside out: what was declared too late to become live stands at the front of the list,
    where ``add_middleware`` puts it.
    """
    left = list(specs)
    for node in reversed(nodes):
        for position in range(len(left) - 1, -1, -1):
            if _fits(node, left[position]):
                node.spec = left[position]
                del left[position:]
                break


def _fits(node: Node, spec: Spec) -> bool:
    made = getattr(spec.given, "livepatch_layer", None)
    if made is not None:
        return node.instance is made.instance
    if isinstance(spec.cls, type):
        if type(node.instance) is not spec.cls:
            return False
        dispatch = spec.options.get("dispatch")
        return dispatch is None or getattr(node.instance, "dispatch_func", dispatch) is dispatch
    # A function may answer whatever it likes: anything that is not the framework's.
    cls = type(node.instance)
    return not (cls.__name__ in FRAMEWORK_LAYERS and cls.__module__.startswith(FRAMEWORKS))


def _unmapped(asked: str, nodes: Sequence[Node], why: str) -> PatchRefused:
    names = [getattr(n.instance, "__qualname__", type(n.instance).__name__) for n in nodes]
    return PatchRefused(
        asked,
        f"livepatch cannot map the running stack: {' → '.join(names) or 'it is empty'}; {why}",
        "keep the inner app in self.app, as Starlette's own middleware does; nothing was changed",
    )
