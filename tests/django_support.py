"""A Django project in a folder of the test's own, and apps that are put into it."""

from __future__ import annotations

import os
import shutil
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import livepatch as lp

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def django_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = set_up_here(tmp_path_factory.mktemp("django"))
    yield folder
    from django.db import connections

    connections.close_all()


@pytest.fixture
def apps_folder(django_project: Path):
    """Where apps can be put; no table of theirs stays."""
    from django.db import connection

    before = set(connection.introspection.table_names())
    yield django_project / "apps"
    lp.restore_all()
    from django.contrib.contenttypes.models import ContentType

    tables = set(connection.introspection.table_names()) - before
    with connection.schema_editor() as editor:
        for table in tables:
            editor.execute(f'DROP TABLE "{table}"')
    ContentType.objects.exclude(app_label__in=OF_THE_START).delete()


@pytest.fixture
def notes_app(apps_folder: Path) -> App:
    return copy_app(apps_folder)


@pytest.fixture
def admin_client(django_project: Path):
    from django.contrib.auth.models import User

    user, _ = User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)
    found = client()
    found.force_login(user)
    return found
