"""What Django calls by itself: receivers of signals, view middleware, tags, filters, checks."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.looking.callables import name_of
from livepatch.registries.store import EVERYTHING, DictStore, ListStore, Store

from .chain import LISTS
from .stack import holder_of_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence


def all_signals() -> dict[str, Any]:
    """The signals that loaded modules have by a name, by that of the module that made them.

    Example:
        >>> all(name.count(".") for name in all_signals())
        True
    """
    cls = getattr(sys.modules.get("django.dispatch"), "Signal", None)
    if cls is None:
        return {}
    found: dict[int, tuple[str, Any]] = {}
    for name, module in list(sys.modules.items()):
        namespace = getattr(module, "__dict__", None)
        if not isinstance(namespace, dict):
            continue
        for attribute, value in list(namespace.items()):
            if issubclass(type(value), cls):
                home = f"{name}.{attribute}"
                known = found.get(id(value))
                if known is None or _likeliness(home) < _likeliness(known[0]):
                    found[id(value)] = (home, value)
    return dict(sorted(found.values(), key=lambda pair: pair[0]))


def _likeliness(home: str) -> tuple[bool, bool, int]:
    """Orders the names of a signal: that of its own module comes before those of importers."""
    module = home.rpartition(".")[0]
    return not home.startswith("django."), not module.endswith(".signals"), len(home)


def receiver_of(entry: Any) -> Any:
    """The receiver of an entry in a signal's list; None when it is gone."""
    receiver = entry[1]
    return receiver() if isinstance(receiver, weakref.ReferenceType) else receiver


class SignalStore(Store):
    """The receivers of one signal, in the order of the calls."""

    def __init__(self, name: str, signal: Any) -> None:
        super().__init__(name.rpartition(".")[2], f"receivers of {name}", ("signal", id(signal)))
        self.signal = signal

    def read(self) -> list[Any]:
        """The entries whose receivers live."""
        return [entry for entry in list(self.signal.receivers) if receiver_of(entry) is not None]

    def write(self, items: Sequence[Any]) -> None:
        """Another list in one store: a send under way goes on along its own."""
        with self.signal.lock:
            self.signal.receivers = list(items)
            self.signal.sender_receivers_cache.clear()

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:  # noqa: ARG002
        """An entry as Django makes it; in the place of another one for the same sender."""
        scratch = type(self.signal)()
        scratch.connect(callback, weak=False)
        (entry,) = scratch.receivers
        if like is None:
            return entry
        key = (entry[0][0], like[0][1])
        return (key, entry[1], *like[2:-1], entry[-1])

    def callback_of(self, item: Any) -> Any:
        """The receiver."""
        return receiver_of(item)


class CheckStore(Store):
    """The system checks; Django keeps them in a set."""

    verbs = EVERYTHING - {"move"}
    folded = True

    def __init__(self, registry: Any, attribute: str, event: str) -> None:
        super().__init__(event, f"{event} of Django", ("checks", id(registry), attribute))
        self.registry, self.attribute = registry, attribute

    def read(self) -> list[Any]:
        """The checks by name."""
        return sorted(getattr(self.registry, self.attribute), key=name_of)

    def write(self, items: Sequence[Any]) -> None:
        """Another set in one store."""
        setattr(self.registry, self.attribute, set(items))

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:  # noqa: ARG002
        """The check with the tags that Django expects on it."""
        if not hasattr(callback, "tags"):
            callback.tags = getattr(like, "tags", ())  # type: ignore[attr-defined]
        return callback


class LibraryStore(DictStore):
    """The tags or filters of one template library, by name."""

    verbs = frozenset({"replace", "mute", "remove"})
    note = "compiled templates are forgotten"
    folded = True

    def __init__(self, kind: str, name: str, functions: dict[str, Any], engines: Any) -> None:
        short = name.rpartition(".")[2]
        super().__init__(f"{kind} {short}", f"template {kind}s of {name}", functions)
        self.engines = engines

    def write(self, items: Sequence[Any]) -> None:
        """Exchange them; templates that are compiled hold the old ones."""
        super().write(items)
        for backend in self.engines.all():
            for loader in getattr(getattr(backend, "engine", None), "template_loaders", ()):
                reset = getattr(loader, "reset", None)
                if reset is not None:
                    reset()

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:
        """The function under the name of the one whose place it takes."""
        made = super().make(callback, name, like)
        return type(made)(like.key, callback) if like is not None else made

    def name_of(self, item: Any) -> str:
        """The name that templates use."""
        return str(item.key)

    def identity(self, item: Any) -> Hashable:
        """Name and function."""
        return item.key, id(item.value)


def signal_stores() -> list[Store]:
    """One store for each signal."""
    return [SignalStore(name, signal) for name, signal in all_signals().items()]


def middleware_stores(handler: Any) -> list[Store]:
    """The methods of middlewares that a handler calls around the view."""
    holder = holder_of_lists(handler)
    events = ("process_view", "process_template_response", "process_exception")
    names = dict(zip(LISTS, events, strict=True))
    return [
        ListStore(event, f"{event} of middleware", vars(holder), attribute, walked=True)
        for attribute, event in names.items()
        if vars(holder).get(attribute) is not None
    ]


def template_stores() -> list[Store]:
    """The tags and filters of every library that templates can load."""
    engines = getattr(sys.modules.get("django.template"), "engines", None)
    if engines is None or "templates" not in vars(engines):
        return []  # nobody has asked for a template yet
    return list(_libraries(engines))


def check_stores() -> list[Store]:
    """The system checks, and those for deployment."""
    registry = getattr(sys.modules.get("django.core.checks.registry"), "registry", None)
    if registry is None:
        return []
    return [
        CheckStore(registry, "registered_checks", "checks"),
        CheckStore(registry, "deployment_checks", "deployment checks"),
    ]


def _libraries(engines: Any) -> Iterator[Store]:
    seen: set[int] = set()
    for backend in engines.all():
        engine = getattr(backend, "engine", None)
        named = dict(getattr(engine, "template_libraries", {}))
        builtins = (getattr(engine, name, ()) for name in ("builtins", "template_builtins"))
        builtin = zip(*builtins, strict=False)
        for name, library in (*builtin, *named.items()):
            if id(library) in seen:
                continue
            seen.add(id(library))
            for kind, functions in (("tag", library.tags), ("filter", library.filters)):
                if functions:
                    yield LibraryStore(kind, name, functions, engines)
