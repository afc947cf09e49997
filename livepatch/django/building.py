"""Imports apps aside: a new version of each, while requests run on what is published.

Everything an app consists of is imported and checked before anything of it becomes visible and
before its tables change. Whatever goes wrong leaves the process as it was.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.db.migrations.state import ProjectState
from django.template.utils import EngineHandler
from django.urls import include, path
from django.utils.module_loading import import_string

from livepatch.errors import LivepatchError, PatchRefused, TargetNotFound

from . import admin, dependencies, modules, registry, schema
from .naming import belongs
from .recorder import Recorder
from .versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .live import LiveDjango

ENTRY_POINTS = "livepatch.django"


@dataclass(frozen=True)
class Plan:
    """An app that shall be imported.

    Attributes:
        entry: its dotted name, or that of its AppConfig.
        old: the version whose place it takes.
        prefix: where its URLs shall begin; None: as its AppConfig says, else its label.
        database: the alias of its database.
    """

    entry: str
    old: Version | None = None
    prefix: str | None = None
    database: str | None = None


class AppBroken(LivepatchError):
    """An app could not be imported; the process is as it was before."""


def build(asked: str, plans: list[Plan], live: LiveDjango) -> list[Version]:
    """Import apps anew and leave the process as it was.

    Args:
        asked: the request in words.
        plans: the apps, those that are needed by others first.
        live: what is published.

    Returns:
        A version of each.

    Raises:
        AppBroken: an exception came out of an app's own code.
        LivepatchError: an app cannot be loaded beside the others.
    """
    importlib.invalidate_caches()
    packages = [plan.old.package if plan.old else _package_of(plan.entry) for plan in plans]
    try:
        for package in packages:
            modules.compile_all(modules.modules_of(package))
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}"
        raise AppBroken(asked, f"SyntaxError at {where}: {error.msg}", _advice(plans)) from error
    outer = {package: modules.modules_of(package) for package in packages}
    for package in packages:
        live.folders |= modules.forget_compiled(package)
        modules.exchange(package, {})
    try:
        versions = _build_all(asked, plans, live)
        for version in versions:
            version.modules = modules.modules_of(version.package)
        return versions
    except LivepatchError:
        raise
    except Exception as error:
        raise AppBroken(asked, _explained(error, packages), _advice(plans)) from error
    finally:
        for package in _loaded_meanwhile(packages, plans):
            modules.exchange(package, outer.get(package, {}))
        apps.clear_cache()


def _build_all(asked: str, plans: list[Plan], live: LiveDjango) -> list[Version]:
    snapshot = registry.live().copy()
    known = set(_all_models(registry.live()))
    for plan in plans:
        if plan.old is not None:
            snapshot.models[plan.old.label] = {}
            known -= set(plan.old.models.values())
    with contextlib.ExitStack() as stack, registry.seeing(snapshot):
        versions = [_build_one(asked, plan, snapshot, known, live, stack) for plan in plans]
        _try_templates()
        trial = dict(live.versions)
        trial.update({version.label: version for version in versions})
        live.urls.drop(live.build_urls(trial))
        states = ProjectState.from_apps(apps)
    for version in versions:
        version.states = states
        _check_accessors(asked, version, plans)
    return versions


def _build_one(
    asked: str,
    plan: Plan,
    snapshot: registry.Snapshot,
    known: set[Any],
    live: LiveDjango,
    stack: contextlib.ExitStack,
) -> Version:
    old = plan.old
    config = _config(asked, plan)
    if old is not None and config.label != old.label:
        raise PatchRefused(
            asked,
            f"its label was {old.label} and is now {config.label}, which Django takes for another "
            "app",
            f"%django_app unload {old.label}, then load it under the new label",
        )
    others = {k: c for k, c in snapshot.configs.items() if old is None or k != old.label}
    _check_names(asked, config, others)
    dependencies.check_cycle(asked, config, others, _read_config)
    dependencies.check(asked, config, others, snapshot.hidden)
    recorder = stack.enter_context(
        Recorder(known | set(_all_models(snapshot)), old.effects if old is not None else None)
    )
    old_pages = [live.pages_of(old)] if old is not None else []
    pages = stack.enter_context(admin.staged(old_pages))
    waiting = set(snapshot.pending)
    before = {label: set(found) for label, found in snapshot.models.items()}
    _insert(snapshot, config)
    config.apps = apps
    config.import_models()
    _check_pending(asked, config, set(snapshot.pending) - waiting)
    prefix = plan.prefix if plan.prefix is not None else _prefix(config)
    at_start = old is not None and old.at_start
    url = None
    if modules.has_module(f"{config.name}.urls"):
        included = import_module(f"{config.name}.urls")
        url = None if at_start else path(prefix, include(included))
    for name in _own_modules(config):
        import_module(name)
    if "django.contrib.admin.sites" in sys.modules and modules.has_module(f"{config.name}.admin"):
        import_module(f"{config.name}.admin")
    config.ready()
    middleware = tuple(getattr(config, "middleware", ()))
    for name in middleware:
        import_string(name)
    version = Version(
        entry=old.entry if old is not None else plan.entry,
        config=config,
        modules=modules.modules_of(config.name),
        models=config.models,
        effects=recorder.effects,
        pages=pages,
        alias=schema.alias_of(plan.database or (old.alias if old is not None else None)),
        migrations=schema.has_migrations(config),
        states=ProjectState(),
        url=url,
        prefix=prefix if url is not None else None,
        middleware=middleware,
        elsewhere=_elsewhere(snapshot, config.label, before),
        at_start=at_start,
    )
    _check_tables(asked, version, others)
    return version


def _config(asked: str, plan: Plan) -> Any:
    try:
        return AppConfig.create(plan.entry)
    except ModuleNotFoundError as error:
        if error.name is None or not belongs(plan.entry, error.name):
            raise
        value = entry_points().get(plan.entry)
        if value is not None:
            return AppConfig.create(value)
        raise TargetNotFound(
            asked,
            f"there is no module {error.name!r} on the path of this process ({sys.executable})",
            f"check the name, or install it there: {sys.executable} -m pip install …",
        ) from error


def entry_points() -> dict[str, str]:
    """The apps that installed packages offer: entry points of the group ``livepatch.django``.

    Example:
        >>> isinstance(entry_points(), dict)
        True
    """
    return {found.name: found.value for found in metadata.entry_points(group=ENTRY_POINTS)}


def _read_config(name: str) -> Any:
    """The config of an app that is not loaded, to see what it needs; None where it has none."""
    before = set(sys.modules)
    try:
        return AppConfig.create(name)
    except Exception:  # what is wrong with it is told when somebody loads it
        return None
    finally:
        for module in set(sys.modules) - before:
            if belongs(module, name):
                del sys.modules[module]


def _check_names(asked: str, config: Any, others: dict[str, Any]) -> None:
    for other in others.values():
        if config.label == other.label or config.name == other.name:
            what = f"label {config.label!r}" if config.label == other.label else "name"
            raise PatchRefused(
                asked,
                f"the {what} is taken: {other.name} ({other.path}) is loaded under it",
                f"%django_app reload {other.label}, or give the AppConfig another label",
            )


def _check_pending(asked: str, config: Any, pending: set[Any]) -> None:
    if pending:
        names = ", ".join(f"{label}.{model}" for label, model in sorted(pending))
        label = min(pending)[0]
        raise dependencies.DependencyError(
            asked,
            f"models of {config.label} refer to {names}, which no loaded app has",
            f"%django_app load {label}, then this one",
        )


def _check_tables(asked: str, version: Version, others: dict[str, Any]) -> None:
    taken = {
        model._meta.db_table: model
        for config in others.values()
        for model in config.get_models(include_auto_created=True)
        if not model._meta.proxy and model._meta.managed
    }
    for table in version.tables:
        if table in taken:
            raise PatchRefused(
                asked,
                f"the table {table} belongs to {taken[table]._meta.label} already",
                "give the model another db_table",
            )


def _check_accessors(asked: str, version: Version, plans: list[Plan]) -> None:
    before = {
        (cls, name)
        for plan in plans
        if plan.old is not None
        for cls, name, _ in plan.old.effects.accessors
    }
    for cls, name, _ in version.effects.accessors:
        if name in cls.__dict__ and (cls, name) not in before:
            raise PatchRefused(
                asked,
                f"a model of {version.label} would put {name!r} on {cls.__name__}, which has that",
                "give the field another related_name",
            )


def _insert(snapshot: registry.Snapshot, config: Any) -> None:
    snapshot.configs = {**snapshot.configs, config.label: config}


def _elsewhere(
    snapshot: registry.Snapshot, label: str, before: dict[str, set[str]]
) -> dict[str, dict[str, Any]]:
    found = {}
    for other, models in snapshot.models.items():
        new = {name: model for name, model in models.items() if name not in before.get(other, ())}
        if new and other != label:
            found[other] = new
    return found


def _own_modules(config: Any) -> Iterator[str]:
    """The modules that Django would import later: of template tags, migrations, commands."""
    for part in ("templatetags", "migrations"):
        package = f"{config.name}.{part}"
        if modules.has_module(package):
            holder = import_module(package)
            for found in pkgutil.iter_modules(getattr(holder, "__path__", ())):
                yield f"{package}.{found.name}"


def _try_templates() -> None:
    """Make the template engines once, to see that every library can be loaded."""
    from django.template import engines
    from django.template.utils import get_app_template_dirs

    get_app_template_dirs.cache_clear()
    try:
        if "templates" in engines.__dict__ or engines._engines:
            EngineHandler(engines._templates).all()
    finally:
        get_app_template_dirs.cache_clear()


def _prefix(config: Any) -> str:
    said = getattr(config, "url_prefix", None)
    return f"{config.label}/" if said is None else str(said)


def _package_of(entry: str) -> str:
    entry = entry_points().get(entry, entry)
    head, found, _ = entry.rpartition(".apps.")
    return head if found else entry


def _loaded_meanwhile(packages: list[str], plans: list[Plan]) -> list[str]:
    """The packages to be put back; of a config class elsewhere than in ``apps`` its package too."""
    more = [entry for plan in plans if (entry := plan.entry.rpartition(".")[0]) in sys.modules]
    inner = [name for name in more if any(belongs(name, package) for package in packages)]
    return list(dict.fromkeys([*packages, *inner]))


def _all_models(snapshot: registry.Snapshot) -> Iterator[Any]:
    for found in snapshot.models.values():
        yield from found.values()


def _explained(error: Exception, packages: list[str]) -> str:
    """What went wrong in an app's own file, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    parts = [package.replace(".", "/") for package in packages]
    own = [f for f in frames if any(f"/{part}/" in f.filename for part in parts)]
    said = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        return f"SyntaxError at {error.filename}:{error.lineno}: {error.msg}"
    where = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}{where}: {said}"


def _advice(plans: list[Plan]) -> str:
    label = plans[0].old.label if plans[0].old is not None else None
    if label is not None:
        return f"the old version keeps serving; fix it, then: %django_app reload {label}"
    return f"fix it, then: %django_app load {plans[0].entry}"
