"""What Django remembers of the set of installed apps, and has to forget when that changes.

The list moves from version to version. :func:`unknown_caches` finds what the installed Django has
and this file does not name.
"""

from __future__ import annotations

import functools
import gettext
import sys
from typing import Any

from django import conf
from django.apps import apps

CLEARED = frozenset(
    {
        "django.apps.registry.Apps.get_models",
        "django.apps.registry.Apps.get_swappable_settings_name",
        "django.conf.urls.i18n.is_language_prefix_patterns_used",
        "django.contrib.staticfiles.finders.get_finder",
        "django.core.management.commands.loaddata.Command.find_fixtures",
        "django.core.management.get_commands",
        "django.db.models.fields.related.ForeignObject.get_class_lookups",
        "django.db.models.query_utils.RegisterLookupMixin.get_class_lookups",
        "django.forms.renderers.get_default_renderer",
        "django.template.engine.Engine.get_default",
        "django.template.utils.get_app_template_dirs",
        "django.urls.converters.get_converters",
        "django.urls.resolvers._get_cached_resolver",
        "django.urls.resolvers._route_to_regex",
        "django.urls.resolvers.get_ns_resolver",
        "django.urls.utils.get_callable",
        "django.utils.autoreload.iter_modules_and_files",
        "django.utils.translation.trans_real._get_supported_language_variant",
        "django.utils.translation.trans_real.check_for_language",
        "django.utils.translation.trans_real.get_languages",
        "django.utils.translation.trans_real.get_supported_language_variant",
        "django.utils.translation.trans_real.translation_catalog_exists",
    }
)
"""The caches that depend on the installed apps: emptied whenever these change."""

INDEPENDENT = frozenset(
    {
        # By settings, which an app does not bring.
        "django.contrib.auth.hashers.get_hashers",
        "django.contrib.auth.hashers.get_hashers_by_algorithm",
        "django.contrib.auth.password_validation.get_default_password_validators",
        "django.utils.timezone.get_default_timezone",
        "django.views.debug.get_default_exception_reporter_filter",
        # By the database and its driver.
        "django.contrib.postgres.signals.get_citext_oids",
        "django.contrib.postgres.signals.get_hstore_oids",
        "django.db.backends.postgresql.base.psycopg_version",
        "django.db.backends.postgresql.operations.get_json_dumps",
        "django.db.backends.postgresql.psycopg_any.get_adapters_template",
        # By their arguments alone: a function, a text, field names, Django's own files.
        "django.core.management.color.no_style",
        "django.db.models.expressions._resolve_combined_type",
        "django.db.models.utils.create_namedtuple_class",
        "django.utils.autoreload.WatchmanReloader._get_clock",
        "django.utils.autoreload.common_roots",
        "django.utils.deprecation.django_file_prefixes",
        "django.utils.formats.sanitize_strftime_format",
        "django.utils.inspect._get_func_parameters",
        "django.utils.translation.trans_real._parse_accept_lang_header",
        "django.utils.version.get_git_changeset",
    }
)
"""The caches that stay."""

_CACHED = type(functools.lru_cache(maxsize=None)(lambda: None))


def forget_apps() -> None:
    """Empty every cache of this process that depends on which apps are installed.

    Called twice for each change: a request that was under way may store in between what it had
    worked out before.
    """
    apps.clear_cache()
    for cached in _loaded_caches().values():
        cached.cache_clear()
    content_types = sys.modules.get("django.contrib.contenttypes.models")
    if content_types is not None:
        content_types.ContentType.objects.clear_cache()
    renew_template_engines()
    _forget_translations()


def renew_template_engines() -> None:
    """Exchange the template engines: they keep folders, libraries and compiled templates."""
    from django.template import engines
    from django.template.utils import EngineHandler

    if "templates" not in engines.__dict__ and not engines._engines:
        return  # nobody has asked for a template yet
    new = EngineHandler(engines._templates)
    new.all()
    engines.__dict__["templates"] = new.templates
    engines._engines = new._engines


def _forget_translations() -> None:
    trans_real = sys.modules.get("django.utils.translation.trans_real")
    if trans_real is not None and conf.settings.USE_I18N:
        gettext._translations = {}  # type: ignore[attr-defined]
        trans_real.__dict__["_translations"] = catalogs = _Catalogs()
        if trans_real.__dict__["_default"] is not None:
            trans_real.__dict__["_default"] = catalogs[conf.settings.LANGUAGE_CODE]


class _Catalogs(dict[str, Any]):
    """The translations by language, each made as it is asked for.

    Django looks a language up again that it has just found there, or put there: in between
    another thread may have forgotten all.
    """

    def __missing__(self, language: str) -> Any:
        from django.utils.translation.trans_real import DjangoTranslation

        made = self[language] = DjangoTranslation(language)
        return made


def _loaded_caches() -> dict[str, Any]:
    return {name: cached for name, cached in all_caches().items() if name in CLEARED}


def unknown_caches() -> list[str]:
    """The caches of the installed Django that livepatch does not know, by their dotted names.

    Looks at the ``functools.cache`` functions of the modules that are loaded. An empty list means
    that every one of them is either emptied when apps change or known not to depend on them.

    Example:
        >>> unknown_caches()
        []
    """
    return sorted(set(all_caches()) - CLEARED - INDEPENDENT)


def all_caches() -> dict[str, Any]:
    """Every ``functools`` cache of the loaded modules of Django, by dotted name."""
    found = {}
    for name, module in list(sys.modules.items()):
        if not name.startswith("django.") or module is None:
            continue
        for attribute, value in list(vars(module).items()):
            # By its class alone: a lazy object would wake when it is asked.
            kind = type(value)
            if kind is not _CACHED and not issubclass(kind, type):
                continue
            if value.__module__ != name:
                continue
            if kind is _CACHED:
                found[f"{name}.{attribute}"] = value
                continue
            for inner, member in list(vars(value).items()):
                cached = member.__func__ if type(member) is classmethod else member
                if type(cached) is _CACHED:
                    found[f"{name}.{attribute}.{inner}"] = cached
    return found
