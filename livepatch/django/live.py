"""The published versions of apps in this process, and the step from one set to another."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django import conf
from django.apps import apps
from django.utils.autoreload import file_changed

from livepatch.engine.answers import counted
from livepatch.errors import PatchRefused

from . import admin, caches, modules, recorder, registry, reloader
from . import stack as django_stack
from .naming import belongs
from .requests import Requests
from .steps import Notes
from .urls import Urls
from .versions import LoadedVersion, Version, adopt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .admin import Pages
    from .steps import AppStep
    from .tables import TableStep


log = logging.getLogger("livepatch")


class LiveDjango:
    """The apps of this process as requests see them.

    Attributes:
        requests: which requests run.
        urls: the versions of the root URLconf.
        placements: the apps that were changed, by label: what is loaded now; None: not loaded.
        start: of the same apps, what they were when the server started.
    """

    def __init__(self) -> None:
        self.urls = Urls()
        self.requests = Requests(self.urls.pin)
        self.hooks = recorder.Hooks()
        self.placements: dict[str, LoadedVersion | None] = {}
        self.start: dict[str, LoadedVersion | None] = {}
        # Those of every app that was ever imported here, also of one that is broken or gone: what
        # the autoreloader noted of a file outlives them.
        self.folders: set[Path] = set()
        # What was unloaded last: the tables are still as it left them.
        self.unloaded: dict[str, Version] = {}
        # For a server of several processes: what is put off until all have the new version.
        self.put_off: list[TableStep] | None = None
        self.late: list[TableStep] | None = None
        self._installed: list[str] | None = None
        self._middleware: list[str] | None = None

    @property
    def versions(self) -> dict[str, Version]:
        """The versions that are switched on, of the apps that were changed."""
        found = {label: p for label, p in self.placements.items() if p is not None}
        return {label: p.version for label, p in found.items() if p.on}

    def changed(self) -> list[str]:
        """The labels of the apps that are other than at the start."""
        return [k for k, placed in self.placements.items() if placed is not self.start.get(k)]

    def begin(self) -> None:
        """Make the registry, the admin and the signals fit to be changed under requests."""
        # Imported now, and not while a thread sees what nobody else does.
        self.urls.own_patterns()
        registry.go_live()
        admin.go_live()
        self.hooks.begin()
        self.requests.begin()
        reloader.make_fit(self.requests)
        file_changed.connect(self._is_taken_care_of)

    def end(self) -> None:
        """Everything Django's own again, where no app is changed any more."""
        if self.urls.current is not None:
            self.urls.publish(None)
            running = self.requests.wait_for_older() or self.requests.is_inside_one
            self.urls.go_back(keep=bool(running))
        self.hooks.end()
        self.requests.end()
        admin.go_back()
        registry.go_back()
        if self._installed is not None:
            conf.settings.INSTALLED_APPS = self._installed
        self._installed = self._middleware = None
        self.placements, self.start = {}, {}

    def _is_taken_care_of(self, sender: Any, file_path: Any, **_: Any) -> bool:  # noqa: ARG002
        """Whether a file is of an app that is reloaded by hand, and no reason to start again.

        After a restart by ``runserver``'s autoreloader the app would not be there any more.
        """
        parents = Path(file_path).resolve().parents
        return any(folder in parents for folder in self.folders)

    def placement(self, label: str) -> LoadedVersion | None:
        """What an app is at present; None when it is not loaded."""
        if label in self.placements:
            return self.placements[label]
        config = registry.live().configs.get(label)
        if config is None:
            return None
        placement = LoadedVersion(adopt(config))
        self.placements[label] = self.start[label] = placement
        return placement

    def pages_of(self, version: Version) -> Pages:
        """The admin pages of a version; of an app of the start also those registered since."""
        placement = self.placements.get(version.label)
        is_original = placement is not None and placement is self.start.get(version.label)
        if is_original and placement is not None and version is placement.version:
            version.pages = admin.pages_by_label(version.label, version.package)
        return version.pages

    def build_urls(self, versions: Mapping[str, Version]) -> str:
        """A version of the root URLconf for some apps, made aside; the admin's as is seen now."""
        without: dict[str, Any] = {}
        for label, start in self.start.items():
            if start is not None and versions.get(label) is not start.version:
                version = versions.get(label)
                without[start.version.package] = version.modules if version is not None else None
        added = [v.url for v in versions.values() if v.url is not None]
        return self.urls.build(added, without)

    def move(self, steps: list[AppStep], tables: list[TableStep], asked: str) -> Notes:
        """Make steps true for requests: all of them, or none.

        Raises:
            LivepatchError: the tables could not be changed, or requests did not end in time.
        """
        notes, needs_gate = Notes(), any(table.needs_gate() for table in tables)
        with contextlib.ExitStack() as gate:
            if needs_gate:
                running = gate.enter_context(self.requests.held_back())
                if running:
                    raise PatchRefused(
                        asked,
                        counted(running, "request still runs", "requests still run")
                        + f" after {self.requests.patience:g} s; "
                        "livepatch cannot change its tables while they run",
                        "try again when they have ended",
                    )
            begun: list[TableStep] = []
            try:
                for table in tables:
                    begun.append(table)
                    table.expand(asked)
                self._publish(steps, notes)
            except BaseException:  # passes on, once tables and registrations are as they were
                self._retreat(steps, begun)
                raise
        late = [table for table in tables if table.has_late_part]
        if late:
            # The requests that had the old models have ended; a thread may have them still.
            threads = self.requests.wait_for_threads()
            if threads:
                notes.facts.append(
                    counted(threads, "thread still uses", "threads still use")
                    + " the tables as they were before"
                )
        if self.put_off is not None:
            self.put_off += late
        else:
            for table in late:
                table.contract()
        for table in tables:
            notes.facts += table.facts
        return notes

    def _publish(self, steps: list[AppStep], notes: Notes) -> None:
        self._hide([s for s in steps if _shown(s.before) and not _shown(s.after)], notes)
        self._exchange(steps)
        for step in steps:
            if _shown(step.after) and (not step.before or step.before.version is not _of(step)):
                _announce(_of(step))
        notes.still_running = max(notes.still_running, self.requests.wait_for_older())
        caches.forget_apps()
        self._show(steps, notes)
        if not notes.still_running and not self.requests.is_inside_one:
            self.urls.retire()

    def _retreat(self, steps: list[AppStep], begun: list[TableStep]) -> None:
        """After a failure: what was published is taken back, then the tables."""
        back = [s.reversed for s in steps if self.placements.get(s.label) is s.after]
        if back:
            self._hide([s for s in back if _shown(s.before) and not _shown(s.after)], Notes())
            self._exchange(back)
            self._show(back, Notes())
        for table in reversed(begun):
            table.give_up()

    def _hide(self, steps: list[AppStep], notes: Notes) -> None:
        """Let nobody new come to what goes: middleware, admin, URLs; then wait for the rest."""
        if not steps:
            return
        gone = {step.label for step in steps}
        rest = {label: v for label, v in self.versions.items() if label not in gone}
        self._set_middleware(rest)
        old = [self.pages_of(step.before.version) for step in steps if step.before]
        with admin.staged(old):
            urls = self.build_urls(rest)
        admin.publish(old, [])
        # The page that lists an app in the admin is gone before its URLs are.
        notes.still_running = max(notes.still_running, self.requests.wait_for_older())
        self.urls.publish(urls)
        notes.still_running = max(notes.still_running, self.requests.wait_for_older())

    def _exchange(self, steps: list[AppStep]) -> None:
        """Modules, models and registrations: what goes for what comes."""
        seen = registry.live()
        configs, models = dict(seen.configs), dict(seen.models)
        hidden = set(seen.hidden)
        for step in steps:
            old = step.before.version if step.before else None
            new = step.after.version if step.after else None
            if new is not old:
                modules.exchange(_package(step), new.modules if new else {})
                recorder.exchange_with_models(
                    old.effects if old else None, new.effects if new else None
                )
                models = _with_models(models, old, new)
            if new is None:
                configs.pop(step.label, None)
                if old is not None:
                    self.unloaded[step.label] = old
            else:
                configs[step.label] = new.config
            hidden.discard(step.label)
            if step.after is not None and not step.after.on:
                hidden.add(step.label)
        snapshot = registry.Snapshot({}, {}, {}).copy()
        snapshot.configs, snapshot.hidden = configs, frozenset(hidden)
        snapshot.models.update(models)
        snapshot.pending = seen.pending
        registry.publish(snapshot)
        for step in steps:
            recorder.exchange(_effects(step.before), _effects(step.after))
            _change_over(step)
            self.placements[step.label] = step.after
        self._set_installed_apps(configs)
        caches.forget_apps()

    def _show(self, steps: list[AppStep], notes: Notes) -> None:
        """Let requests come to what is new: URLs, middleware; then the admin."""
        old = [self.pages_of(s.before.version) for s in steps if _shown(s.before) and s.before]
        new = [s.after.version.pages for s in steps if _shown(s.after) and s.after]
        with admin.staged(old):
            admin.publish([], new)
            urls = self.build_urls(self.versions)
        if self.start or self.versions:
            self.urls.publish(urls)
        self._set_middleware(self.versions)
        notes.still_running = max(notes.still_running, self.requests.wait_for_older())
        admin.publish(old, new)

    def _set_installed_apps(self, configs: Mapping[str, Any]) -> None:
        if self._installed is None:
            self._installed = conf.settings.INSTALLED_APPS
        placed = {label: p.version.entry for label, p in self.placements.items() if p is not None}
        gone = {
            entry
            for label, start in self.start.items()
            if start is not None and label not in configs
            for entry in (start.version.entry, start.version.package)
        }
        entries = [entry for entry in self._installed if entry not in gone]
        entries += [entry for entry in placed.values() if entry not in entries]
        conf.settings.INSTALLED_APPS = type(self._installed)(entries)

    def _set_middleware(self, versions: Mapping[str, Version]) -> None:
        """Declare the middleware of these apps, and let new requests go through it."""
        declared = list(conf.settings.MIDDLEWARE)
        if self._middleware is None:
            self._middleware = declared
        off = [
            start.version.package
            for label, start in self.start.items()
            if start is not None and label not in versions
        ]
        wanted = [m for m in self._middleware if not any(belongs(m, name) for name in off)]
        for version in versions.values():
            wanted += [name for name in version.middleware if name not in wanted]
        changed = {*self.placements} & {*versions}
        renewed = any(belongs(m, versions[label].package) for label in changed for m in wanted)
        if wanted != declared or renewed:
            conf.settings.MIDDLEWARE = type(conf.settings.MIDDLEWARE)(wanted)
            django_stack.declared_again(self.requests.handlers)


def _shown(placement: LoadedVersion | None) -> bool:
    return placement is not None and placement.on


def _change_over(step: AppStep) -> None:
    """Tell an app that goes, and one that was told so and is back: ``unready()``, ``ready()``.

    What it registers with Django as it gets ready again is known from the first time.
    """
    old, new = step.before, step.after
    stays = old is not None and new is not None and new.on and new.version is old.version
    if old is not None and old.on and not stays and hasattr(old.version.config, "unready"):
        old.version.rests = True
        _call(old.version.config.unready)
    if new is not None and new.on and new.version.rests:
        new.version.rests = False
        with recorder.Recorder(set(), _effects(new)):
            _call(new.version.config.ready)


def _call(function: Any) -> None:
    try:
        function()
    except Exception:
        # The change is made, and requests run on it: the app's own fault is told, never passed on.
        log.exception("livepatch: %s failed", function.__qualname__)


def _of(step: AppStep) -> Version:
    assert step.after is not None
    return step.after.version


def _package(step: AppStep) -> str:
    placement = step.before or step.after
    assert placement is not None
    return placement.version.package


def _effects(placement: LoadedVersion | None) -> recorder.Effects | None:
    return placement.version.effects if placement is not None and placement.on else None


def _with_models(
    models: dict[str, Any], old: Version | None, new: Version | None
) -> dict[str, Any]:
    """The models by label with those of one version in the place of another's."""
    result = dict(models)
    for version in (old, new):
        for label, found in version.elsewhere.items() if version else ():
            present = result.setdefault(label, {})
            for name, model in found.items():
                # In place: the config of the other app holds this very dictionary.
                if version is new:
                    present[name] = model
                elif present.get(name) is model:
                    del present[name]
    if old is not None:
        result.pop(old.label, None)
    if new is not None:
        result[new.label] = new.models
    return result


def _announce(version: Version) -> None:
    """What ``migrate`` tells when it has ended: content types, permissions, an app's own data."""
    from django.db import connections
    from django.db.models.signals import post_migrate

    if connections[version.alias].vendor == "unknown":
        return  # a project without a database
    post_migrate.send(
        sender=version.config,
        app_config=version.config,
        verbosity=0,
        interactive=False,
        using=version.alias,
        plan=[],
        apps=apps,
    )


live = LiveDjango()
