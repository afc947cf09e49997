"""The app registry of a running Django: snapshots, and a view of its own for the loading thread.

Django's registry is filled once, in place, before the first request. Here the same object gets
another class: what it holds becomes one immutable snapshot, exchanged in one store, and a thread
that loads an app sees a *staged* snapshot that no request sees.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.apps.registry import Apps

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Snapshot:
    """What the registry holds.

    Attributes:
        configs: the app configs by label.
        models: the models by label and lower-case name, those of apps that are not loaded too.
        pending: what waits for models that do not exist yet, as Django keeps it.
        hidden: labels of disabled apps: their models are there, everything else is not.
        memo: what ``get_models`` has answered for this snapshot.
    """

    configs: dict[str, Any]
    models: dict[str, dict[str, Any]]
    pending: dict[Any, list[Any]]
    hidden: frozenset[str] = frozenset()
    memo: dict[tuple[bool, bool], list[Any]] = field(default_factory=dict)

    def copy(self) -> Snapshot:
        """One to be changed aside: no dictionary is shared."""
        models: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        models.update({label: dict(found) for label, found in self.models.items()})
        pending: defaultdict[Any, list[Any]] = defaultdict(list)
        pending.update({key: list(calls) for key, calls in self.pending.items()})
        return Snapshot(dict(self.configs), models, pending, self.hidden)


class _Views(threading.local):
    staged: Snapshot | None = None
    everything: bool = False


_views = _Views()
_MAIN = ("app_configs", "all_models", "_pending_operations")


class LiveApps(Apps):
    """``django.apps.apps`` while apps come and go; the object is the same, only its class changes.

    Django's own code reads and assigns ``app_configs``, also in its tests.
    """

    @property
    def app_configs(self) -> dict[str, Any]:
        """The configs by label."""
        return _of(self).configs

    @app_configs.setter
    def app_configs(self, configs: dict[str, Any]) -> None:
        seen = _of(self)
        _put(self, Snapshot(configs, seen.models, seen.pending, seen.hidden))

    @app_configs.deleter
    def app_configs(self) -> None:
        # unittest.mock deletes an attribute before it puts the old value back.
        self.app_configs = {}

    @property
    def all_models(self) -> dict[str, dict[str, Any]]:
        """The models by label and lower-case name."""
        return _of(self).models

    @all_models.setter
    def all_models(self, models: dict[str, dict[str, Any]]) -> None:
        seen = _of(self)
        _put(self, Snapshot(seen.configs, models, seen.pending, seen.hidden))

    @property
    def _pending_operations(self) -> dict[Any, list[Any]]:
        return _of(self).pending

    @_pending_operations.setter
    def _pending_operations(self, pending: dict[Any, list[Any]]) -> None:
        _of(self).pending = pending

    def get_app_configs(self) -> Any:
        """The configs of the apps that are switched on: of templates, commands and so on."""
        self.check_apps_ready()
        seen = _of(self)
        if not seen.hidden or _views.everything:
            return seen.configs.values()
        return [config for label, config in seen.configs.items() if label not in seen.hidden]

    def get_models(
        self, include_auto_created: bool = False, include_swapped: bool = False
    ) -> list[Any]:
        """All models, remembered per snapshot: an answer never outlives what it was made from."""
        memo, key = _of(self).memo, (include_auto_created, include_swapped)
        found = memo.get(key)
        if found is None:
            found = memo[key] = Apps.get_models.__wrapped__(self, *key)
        return found


def _forget_models() -> None:
    _of(apps).memo = {}
    Apps.get_models.cache_clear()


def _models_info() -> Any:
    return functools._CacheInfo(0, 0, None, len(_of(apps).memo))


LiveApps.get_models.cache_clear = _forget_models  # type: ignore[attr-defined]
LiveApps.get_models.cache_info = _models_info  # type: ignore[attr-defined]


def _of(registry: Any) -> Snapshot:
    staged = _views.staged
    if staged is not None:
        return staged
    snapshot: Snapshot | None = registry.__dict__.get("_livepatch")
    if snapshot is None:  # it went back to Django's own class while this call was under way
        return Snapshot(*(registry.__dict__[name] for name in _MAIN))
    return snapshot


def _put(registry: Any, snapshot: Snapshot) -> None:
    if _views.staged is not None:
        _views.staged = snapshot
    else:
        registry.__dict__["_livepatch"] = snapshot


def go_live() -> None:
    """Give the registry its live class; what it holds stays as it is.

    Between any two steps a request may read it: what it holds is there before the class changes.
    """
    if type(apps) is Apps:
        apps.__dict__["_livepatch"] = Snapshot(*(apps.__dict__[name] for name in _MAIN))
        apps.__class__ = LiveApps
        for name in _MAIN:  # unseen already, behind the properties of the class
            del apps.__dict__[name]


def go_back() -> None:
    """Give the registry Django's own class again."""
    if type(apps) is LiveApps:
        snapshot = live()
        held = (snapshot.configs, snapshot.models, snapshot.pending)
        apps.__dict__.update(zip(_MAIN, held, strict=True))
        apps.__class__ = Apps
        del apps.__dict__["_livepatch"]
        Apps.get_models.cache_clear()


def live() -> Snapshot:
    """What requests see."""
    snapshot: Snapshot = apps.__dict__["_livepatch"]
    return snapshot


def publish(snapshot: Snapshot) -> None:
    """Let everybody see a snapshot: one store."""
    apps.__dict__["_livepatch"] = snapshot


def is_staging() -> bool:
    """Whether this thread sees a staged snapshot."""
    return _views.staged is not None


@contextlib.contextmanager
def seeing(snapshot: Snapshot) -> Iterator[Snapshot]:
    """Let this thread, and no other, see a snapshot."""
    outer, _views.staged = _views.staged, snapshot
    try:
        yield snapshot
    finally:
        _views.staged = outer


@contextlib.contextmanager
def seeing_disabled() -> Iterator[None]:
    """Let this thread see disabled apps as well: others' migrations may build on theirs."""
    outer, _views.everything = _views.everything, True
    try:
        yield
    finally:
        _views.everything = outer
