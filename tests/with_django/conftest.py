"""What the tests with Django share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django_support import OF_THE_START, App, client, copy_app, set_up_here

import livepatch as lp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
