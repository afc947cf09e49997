"""Records what an app registers with Django while it loads, instead of doing it.

While a thread loads an app, its receivers are not connected, and the accessors that its models
would put on other apps' models (``User.note_set``) are not set: other threads serve requests, and
the tables may not exist yet. All of it is done at once when the app is published.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core.checks.registry import registry as check_registry
from django.db.models import signals as model_signals
from django.db.models.base import ModelBase
from django.db.models.query_utils import RegisterLookupMixin
from django.dispatch import Signal
from django.urls import converters

from .hooks import all_signals, receiver_of
from .naming import belongs

if TYPE_CHECKING:
    from collections.abc import Iterator

_recording = threading.local()


@dataclass(eq=False)
class Effects:
    """What one version of an app adds to the process beside its models, URLs and admin pages.

    Attributes:
        receivers: signals, each with the entry of its list of receivers.
        held: the receivers themselves: signals hold them weakly.
        accessors: classes of other apps, each with the attribute's name and the descriptor.
        checks: system checks, and those for deployment.
        converters: URL converters by name.
        lookups: field classes, each with the lookup's name and the lookup.
    """

    receivers: list[tuple[Any, Any]] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)
    accessors: list[tuple[type, str, Any]] = field(default_factory=list)
    checks: tuple[frozenset[Any], frozenset[Any]] = (frozenset(), frozenset())
    converters: dict[str, Any] = field(default_factory=dict)
    lookups: list[tuple[type, str, Any]] = field(default_factory=list)


class Recorder:
    """Writes down what this thread registers while the ``with`` body runs.

    Args:
        known: the models of the apps that are loaded: only these are other apps' models.
        old: the effects of the version whose place is taken.
    """

    def __init__(self, known: set[type], old: Effects | None = None) -> None:
        self.known = known
        self.old = old or Effects()
        self.effects = Effects()
        self._really: list[tuple[Any, Any]] = []
        self._before: tuple[set[Any], set[Any]] = (set(), set())
        self._converters: dict[str, Any] = {}
        self._lookups: dict[tuple[type, str], Any] = {}
        self._outer: Recorder | None = None

    def __enter__(self) -> Recorder:
        self._before = set(check_registry.registered_checks), set(check_registry.deployment_checks)
        self._converters = dict(converters.REGISTERED_CONVERTERS)
        for name in self.old.converters:
            # Django refuses a name that is taken.
            converters.REGISTERED_CONVERTERS.pop(name, None)
        self._lookups = dict(_all_lookups())
        self._outer, _recording.recorder = getattr(_recording, "recorder", None), self
        return self

    def __exit__(self, *_: object) -> None:
        """Take back what could only be done: the process is as before."""
        _recording.recorder = self._outer
        seen, deployment = self._before
        self.effects.checks = (
            frozenset(check_registry.registered_checks - seen),
            frozenset(check_registry.deployment_checks - deployment),
        )
        now = converters.REGISTERED_CONVERTERS
        known = {n: c for n, c in self._converters.items() if n not in self.old.converters}
        changed = {n: c for n, c in now.items() if known.get(n) is not c}
        self.effects.converters = changed
        new = [(k, lookup) for k, lookup in _all_lookups() if self._lookups.get(k) is not lookup]
        self.effects.lookups = [(cls, name, lookup) for (cls, name), lookup in new]
        for signal, entry in self._really:
            _exchange(signal, [entry], [])
        _exchange_checks(self.effects.checks, (frozenset(), frozenset()))
        replaced = [(*key, self._lookups[key]) for key, _ in new if key in self._lookups]
        _exchange_lookups(self.effects.lookups, replaced)
        for name in changed:
            del now[name]
        now.update(self._converters)
        converters.get_converters.cache_clear()

    def connect(self, original: Any, signal: Any, receiver: Any, arguments: Any) -> None:
        """Write a connection down; Django's own code makes and checks its entry."""
        scratch = Signal()
        original(scratch, receiver, **arguments)
        entry = scratch.receivers[0]
        self.effects.receivers.append((signal, entry))
        self.effects.held.append(receiver)
        if signal is model_signals.class_prepared:
            # Waits for models that this very app is about to define.
            _exchange(signal, [], [entry])
            self._really.append((signal, entry))


class Hooks:
    """The places where Django is asked to write down instead of doing; on while apps are live."""

    def __init__(self) -> None:
        self._connect: Any = None

    def begin(self) -> None:
        """Put the hooks in; other threads notice nothing of them."""
        if self._connect is None:
            self._connect = Signal.connect
            Signal.connect = _recorded_connect(self._connect)
            ModelBase.__setattr__ = _recorded_setattr

    def end(self) -> None:
        """Take them out again."""
        if self._connect is not None:
            Signal.connect, self._connect = self._connect, None
            del ModelBase.__setattr__


def _recorded_connect(original: Any) -> Any:
    @functools.wraps(original)
    def connect(self: Any, receiver: Any, *positional: Any, **named: Any) -> Any:
        recorder = getattr(_recording, "recorder", None)
        if recorder is None:
            return original(self, receiver, *positional, **named)
        names = ("sender", "weak", "dispatch_uid")
        arguments = {**dict(zip(names, positional, strict=False)), **named}
        return recorder.connect(original, self, receiver, arguments)

    return connect


def _recorded_setattr(cls: type, name: str, value: Any) -> None:
    recorder = getattr(_recording, "recorder", None)
    if recorder is not None and cls in recorder.known:
        recorder.effects.accessors.append((cls, name, value))
    else:
        type.__setattr__(cls, name, value)


_NOTHING = Effects()


def exchange(old: Effects | None, new: Effects | None) -> None:
    """Put receivers, checks and converters of one version in the place of another's.

    Each registry is exchanged in one store.

    Args:
        old: what is taken away.
        new: what comes.
    """
    old, new = old or _NOTHING, new or _NOTHING
    signals = {id(signal): signal for signal, _ in (*old.receivers, *new.receivers)}
    for key, signal in signals.items():
        gone = [entry for s, entry in old.receivers if id(s) == key]
        come = [entry for s, entry in new.receivers if id(s) == key]
        _exchange(signal, gone, come)
    _exchange_checks(old.checks, new.checks)
    registered = converters.REGISTERED_CONVERTERS
    for name, converter in old.converters.items():
        if registered.get(name) is converter and name not in new.converters:
            del registered[name]
    registered.update(new.converters)
    converters.get_converters.cache_clear()


def exchange_with_models(old: Effects | None, new: Effects | None) -> None:
    """Put what belongs to the models of one version in the place of another's.

    Those are the accessors on other apps' models, and the lookups of fields.

    Args:
        old: what is taken away.
        new: what comes.
    """
    old, new = old or _NOTHING, new or _NOTHING
    come = new.accessors
    names = {(cls, name) for cls, name, _ in come}
    for cls, name, descriptor in come:
        type.__setattr__(cls, name, descriptor)
    for cls, name, descriptor in old.accessors:
        if (cls, name) not in names and cls.__dict__.get(name) is descriptor:
            type.__delattr__(cls, name)
    _exchange_lookups(old.lookups, new.lookups)


def _exchange(signal: Any, old: list[Any], new: list[Any]) -> None:
    with signal.lock:
        # Another list: a send under way goes on along its own.
        signal.receivers = _exchanged(signal.receivers, old, new)
        signal.sender_receivers_cache.clear()


def _exchanged(present: list[Any], old: list[Any], new: list[Any]) -> list[Any]:
    # Weak references compare equal when what they lead to does, so entries are told apart by
    # identity.
    gone = [id(entry) for entry in old]
    kept = [entry for entry in present if id(entry) not in gone]
    taken = [entry[0] for entry in kept]
    return [*kept, *(entry for entry in new if entry[0] not in taken)]


def _exchange_checks(old: Any, new: Any) -> None:
    seen = check_registry.registered_checks
    check_registry.registered_checks = type(seen)((seen - old[0]) | new[0])
    deployment = check_registry.deployment_checks
    check_registry.deployment_checks = type(deployment)((deployment - old[1]) | new[1])


def _exchange_lookups(old: list[Any], new: list[Any]) -> None:
    for cls, name, lookup in new:
        cls.class_lookups = {**cls.__dict__.get("class_lookups", {}), name: lookup}
        cls._clear_cached_class_lookups()
    for cls, name, lookup in old:
        if cls.__dict__.get("class_lookups", {}).get(name) is lookup:
            cls.class_lookups = {n: one for n, one in cls.class_lookups.items() if n != name}
            cls._clear_cached_class_lookups()


def _all_lookups() -> Iterator[tuple[tuple[type, str], Any]]:
    seen, waiting = set(), [RegisterLookupMixin]
    while waiting:
        cls = waiting.pop()
        if cls in seen:
            continue
        seen.add(cls)
        waiting += type.__subclasses__(cls)
        for name, lookup in list(cls.__dict__.get("class_lookups", {}).items()):
            yield (cls, name), lookup


def effects_by_module(package: str, models: list[Any]) -> Effects:
    """The effects of an app that was loaded when the server started: found by the module's name.

    Args:
        package: the app's dotted name.
        models: its models.
    """
    receivers = [
        (signal, entry)
        for signal in all_signals().values()
        for entry in signal.receivers
        if belongs(_module_of(receiver_of(entry)), package)
    ]
    checks = [
        frozenset(check for check in registered if belongs(_module_of(check), package))
        for registered in (check_registry.registered_checks, check_registry.deployment_checks)
    ]
    return Effects(
        receivers,
        [receiver_of(entry) for _, entry in receivers],
        _accessors_of(models),
        (checks[0], checks[1]),
        {
            name: converter
            for name, converter in converters.REGISTERED_CONVERTERS.items()
            if belongs(type(converter).__module__, package)
        },
        [
            (cls, name, lookup)
            for (cls, name), lookup in _all_lookups()
            if belongs(_module_of(lookup), package) and not belongs(cls.__module__, package)
        ],
    )


def _module_of(thing: Any) -> str:
    thing = getattr(thing, "func", thing)
    return str(getattr(thing, "__module__", None) or type(thing).__module__)


def _accessors_of(models: list[Any]) -> list[tuple[type, str, Any]]:
    mine, found = set(models), []
    for model in models:
        meta = model._meta
        for one in (*meta.local_fields, *meta.local_many_to_many, *meta.private_fields):
            remote: Any = getattr(one, "remote_field", None)
            target = getattr(remote, "model", None)
            if not isinstance(target, type) or target in mine or remote.hidden:
                continue
            name = remote.get_accessor_name()
            if name and name in target.__dict__:
                found.append((target, name, target.__dict__[name]))
    return found
