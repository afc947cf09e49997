"""One version of an app: everything it consists of, imported once and kept as a whole."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.migrations.state import ProjectState

from . import admin, schema
from .modules import modules_of
from .recorder import effects_by_module

if TYPE_CHECKING:
    from .admin import Pages
    from .modules import Modules
    from .recorder import Effects


@dataclass(eq=False)
class Version:
    """An app as it was imported at one moment; published, taken back and published again as such.

    Attributes:
        entry: what ``INSTALLED_APPS`` has for it.
        config: its ``AppConfig``.
        modules: its modules by name.
        models: its models by lower-case name.
        elsewhere: models that it defines under the labels of other apps.
        effects: its receivers, checks, converters, lookups and accessors.
        pages: its admin pages, by site.
        url: its part of the root URLconf; None for an app that the project itself includes.
        prefix: where its URLs begin.
        middleware: the middleware it declares.
        alias: the database of its tables.
        migrations: whether it has migrations.
        states: all models of the project as they were when it had been imported.
        rests: whether its ``unready()`` was called: put back, it gets ready again.
        at_start: whether the app was in ``INSTALLED_APPS`` when the server started.
    """

    entry: str
    config: Any
    modules: Modules
    models: dict[str, Any]
    effects: Effects
    pages: Pages
    alias: str
    migrations: bool
    states: ProjectState
    url: Any = None
    prefix: str | None = None
    middleware: tuple[str, ...] = ()
    elsewhere: dict[str, dict[str, Any]] = field(default_factory=dict)
    rests: bool = False
    at_start: bool = False

    @property
    def label(self) -> str:
        """The app's label."""
        return str(self.config.label)

    @property
    def package(self) -> str:
        """The dotted name of its package."""
        return str(self.config.name)

    @property
    def tables(self) -> list[str]:
        """The names of its tables."""
        found = self.config.get_models(include_auto_created=True)
        return schema.tables_of(found, self.alias)


@dataclass(frozen=True)
class LoadedVersion:
    """A version that is loaded, and whether it is switched on."""

    version: Version
    on: bool = True


def adopt(config: Any) -> Version:
    """The version of an app that was loaded as the server started.

    Its receivers, checks, converters and admin pages are found by the modules they come from.
    """
    models = list(config.get_models(include_auto_created=True))
    middleware = tuple(getattr(config, "middleware", ()))
    return Version(
        entry=_entry_of(config),
        config=config,
        modules=modules_of(config.name),
        models=config.models,
        effects=effects_by_module(config.name, models),
        pages=admin.pages_by_label(config.label, config.name),
        alias=schema.alias_of(None),
        migrations=schema.has_migrations(config),
        states=ProjectState.from_apps(apps),
        middleware=middleware,
        at_start=True,
    )


def _entry_of(config: Any) -> str:
    from django.conf import settings

    cls = f"{type(config).__module__}.{type(config).__qualname__}"
    return cls if cls in settings.INSTALLED_APPS else str(config.name)


def version_of(config: Any) -> str:
    """The version that an app says it has; empty where it says nothing.

    Its config's ``version``, else its package's ``__version__`` or that of the top-level package,
    else that of a distribution of this name.
    """
    top = str(config.name).partition(".")[0]
    holders = ((config, "version"), (config.module, "__version__"))
    for holder, name in (*holders, (sys.modules.get(top), "__version__")):
        said = getattr(holder, name, None)
        if isinstance(said, (str, int, float)):
            return str(said)
    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        return ""
