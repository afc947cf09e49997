"""A Django project in a folder of the test's own, and apps that are put into it."""

from __future__ import annotations

import os
import shutil
import struct
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples"
OF_THE_START = ["admin", "auth", "contenttypes", "sessions", "blog"]
GERMAN = {"": "Content-Type: text/plain; charset=UTF-8\n", "a phrase of the notes": "eine Wendung"}


def copy_project(folder: Path) -> Path:
    """The sample project, in a folder that tests may write to."""
    project = folder / "site"
    shutil.copytree(SAMPLES / "django_site", project, ignore=shutil.ignore_patterns("__pycache__"))
    return project


def copy_app(folder: Path, name: str = "notes", source: str = "notes") -> App:
    """The sample app under a name of its own, with its translations compiled."""
    target = folder / name
    if target.exists():
        shutil.rmtree(target)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SAMPLES / "django_apps" / source, target, ignore=ignored)
    catalog = target / "locale" / "de" / "LC_MESSAGES" / "django.mo"
    if catalog.parent.exists():
        catalog.write_bytes(compiled_catalog(GERMAN))
    return App(target)


class App:
    """The source of an app, to be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new))

    def write(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def small_app(folder: Path, name: str, **files: str) -> App:
    """An app of a few lines: ``models="…"``, ``apps="…"``."""
    app = App(folder / name)
    if app.folder.exists():
        shutil.rmtree(app.folder)
    app.write("__init__.py", files.pop("init", ""))
    for file, text in files.items():
        app.write(f"{file.replace('__', '/')}.py", text)
    return app


def compiled_catalog(messages: dict[str, str]) -> bytes:
    """What ``msgfmt`` makes of messages (the format is described in GNU gettext's manual)."""
    keys = sorted(messages)
    ids, texts, offsets = b"", b"", []
    for key in keys:
        one, other = key.encode(), messages[key].encode()
        offsets.append((len(ids), len(one), len(texts), len(other)))
        ids += one + b"\0"
        texts += other + b"\0"
    start = 7 * 4
    ids_start = start + 16 * len(keys)
    texts_start = ids_start + len(ids)
    originals = [number for o in offsets for number in (o[1], o[0] + ids_start)]
    translations = [number for o in offsets for number in (o[3], o[2] + texts_start)]
    header = (0x950412DE, 0, len(keys), start, start + 8 * len(keys), 0, 0)
    numbers = (*header, *originals, *translations)
    return struct.pack(f"{len(numbers)}I", *numbers) + ids + texts


def set_up_here(folder: Path) -> Path:
    """Set Django up in the process of the tests, once, with the sample project."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    if settings.configured:
        return Path(settings.FOLDER)
    project = copy_project(folder)
    (project / "apps").mkdir()
    sys.path[:0] = [str(project), str(project / "apps")]
    os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
    django.setup()
    call_command("migrate", verbosity=0)
    return project


def client() -> Any:
    from django.test import Client

    return Client()


def columns(table: str) -> list[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        return [c.name for c in connection.introspection.get_table_description(cursor, table)]


def model(label: str = "notes", name: str = "Note") -> Any:
    from django.apps import apps

    return apps.get_model(label, name)


def state_of_django() -> dict[str, Any]:
    """What livepatch could have left different."""
    from django.apps import apps
    from django.apps.registry import Apps
    from django.conf import settings
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.checks.registry import registry
    from django.core.handlers.base import BaseHandler
    from django.db.models import CharField, signals
    from django.db.models.base import ModelBase
    from django.dispatch import Signal
    from django.urls import converters, get_resolver, get_urlconf

    root = import_module(settings.ROOT_URLCONF)
    return {
        "registry": (type(apps), sorted(apps.__dict__), list(apps.app_configs), id(apps)),
        "is Django's": type(apps) is Apps,
        "models": {label: sorted(found) for label, found in apps.all_models.items() if found},
        "pending": list(apps._pending_operations),
        "installed": list(settings.INSTALLED_APPS),
        "middleware": list(settings.MIDDLEWARE),
        "urlpatterns": [id(pattern) for pattern in root.urlpatterns],
        "urlconf": (settings.ROOT_URLCONF, get_urlconf(), id(get_resolver().url_patterns)),
        "versions": [name for name in sys.modules if "__livepatch" in name],
        "admin": (type(admin.site._registry), list(admin.site._registry)),
        "accessors": sorted(name for name in vars(User) if not name.startswith("__")),
        "lookups": sorted(CharField.get_lookups()),
        "converters": sorted(converters.REGISTERED_CONVERTERS),
        "checks": len(registry.registered_checks),
        "receivers": [len(signals.post_save.receivers), len(signals.class_prepared.receivers)],
        "hooks": (
            Signal.connect,
            BaseHandler.get_response,
            BaseHandler.get_response_async,
            "__setattr__" in vars(ModelBase),
        ),
        "modules": sorted(name for name in sys.modules if name.startswith("notes")),
    }
