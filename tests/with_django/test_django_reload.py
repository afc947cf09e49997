"""Reloading apps: a new field, a broken edit, the way back; and what Django is afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("django")

from django_support import App, client, columns, model, small_app, state_of_django

import livepatch as lp
from livepatch.errors import LivepatchError

COLOUR = 'colour = models.CharField(max_length=20, default="teal")'


def greeting() -> str:
    return client().get("/notes/").content.decode().split()[0][::-1]


def test_a_new_field_is_there_with_its_column_and_old_rows_have_its_default(notes_app: App) -> None:
    lp.django.load_app("notes")
    model().objects.create(text="old")
    notes_app.edit("models.py", "# more fields", COLOUR)
    notes_app.edit("views.py", 'GREETING = "notes"', 'GREETING = "coloured"')
    old = model()
    said = str(lp.django.reload_app("notes"))
    assert said.startswith("reloaded notes · notes 1.0 · add field colour to note")
    assert model() is not old
    assert "colour" in columns("notes_note")
    assert model().objects.get(text="old").colour == "teal"
    model().objects.create(text="new", colour="red")
    assert greeting() == "coloured"
    from django.db import IntegrityError, connection

    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute("UPDATE notes_note SET colour = NULL")


def test_a_broken_reload_leaves_the_old_version_serving(notes_app: App) -> None:
    lp.django.load_app("notes")
    greeting()
    before, apart = model(), columns("notes_note")
    edits = {
        "views.py": ('GREETING = "notes"', "GREETING = undefined"),
        "models.py": ("# more fields", "colour = models.NoSuchField()"),
        "templatetags/notes_tags.py": ("from django import template", "import not_there"),
        "apps.py": ("register(check_notes)", "raise RuntimeError('not ready')"),
        "urls.py": ("register_converter(FourDigits", "register_converter(Nothing"),
        "middleware.py": ("class Stamp", "class Stamped"),
        "receivers.py": ("posts = []", "posts = ["),
    }
    for file, (old, new) in edits.items():
        # A field that would need a column comes with every one of them.
        notes_app.edit("models.py", "def __str__", f"{COLOUR}\n\n    def __str__")
        notes_app.edit(file, old, new)
        with pytest.raises(LivepatchError) as caught:
            lp.django.reload_app("notes")
        assert caught.value.asked == "reload_app notes"
        assert Path(file).name in caught.value.found or "Stamp" in caught.value.found
        assert "the old version keeps serving" in caught.value.advice
        assert len(str(caught.value).splitlines()) == 3
        assert model() is before
        assert columns("notes_note") == apart
        assert greeting() == "notes"
        assert sys.modules["notes.models"].Note is before
        notes_app.edit(file, new, old)
        notes_app.edit("models.py", f"{COLOUR}\n\n    def __str__", "def __str__")
    lp.django.reload_app("notes")
    assert greeting() == "notes"


def test_undo_and_redo_go_along_the_journal(notes_app: App) -> None:
    before = state_of_django()
    lp.django.load_app("notes")
    first = model()
    notes_app.edit("models.py", "# more fields", COLOUR)
    lp.django.reload_app("notes")
    second = model()
    second.objects.create(text="kept", colour="red")
    assert [c.verb for entry in lp.journal[-2:] for c in entry.changes] == ["load", "reload"]

    assert str(lp.undo()).startswith("undone: reload app notes")
    assert model() is first
    assert "colour" not in columns("notes_note")
    assert greeting() == "notes"
    first.objects.create(text="of the old version")
    lp.redo()
    assert model() is second
    assert second.objects.get(text="of the old version").colour == "teal"
    lp.undo()
    lp.undo()
    assert client().get("/notes/").status_code == 404
    assert "notes_note" in _tables()
    lp.redo()
    assert first.objects.filter(text="kept").exists()
    lp.undo()
    assert state_of_django() == before


def test_a_transaction_takes_everything_back(notes_app: App) -> None:
    before = state_of_django()
    with pytest.raises(ZeroDivisionError), lp.transaction():  # noqa: PT012
        lp.django.load_app("notes")
        assert greeting() == "notes"
        lp.django.disable_app("blog")
        assert client().get("/blog/").status_code == 404
        1 / 0  # noqa: B018
    assert client().get("/blog/").status_code == 200
    assert state_of_django() == before


def test_restore_all_leaves_django_as_it_was(notes_app: App, apps_folder: Path) -> None:
    before = state_of_django()
    lp.django.load_app("notes")
    lp.django.disable_app("notes")
    lp.django.reload_app("blog")
    small_app(apps_folder, "plain", models="from django.db import models\n")
    layer = lp.django.load_app("plain")
    assert {(found.target, found.state) for found in lp.patches()} == {
        ("app notes", "off"),
        ("app blog", "active"),
        ("app plain", "active"),
    }
    layer.remove()
    assert layer.state == "removed"
    lp.restore_all()
    assert state_of_django() == before
    assert client().get("/blog/").status_code == 200


def test_an_app_of_the_start_is_reloaded_in_its_place(django_project: Path) -> None:
    from blog.models import Post

    views = django_project / "blog" / "views.py"
    text = views.read_text()
    old = client().get("/blog/").content
    try:
        views.write_text(
            text.replace('"blog/index.html", {', '"blog/index.html", {"posts": "12", ')
        )
        views.write_text(text.replace("Post.objects.order_by", "[] and Post.objects.order_by"))
        lp.django.reload_app("blog")
        assert client().get("/blog/").content == b"the blog\n"
        sys.modules["blog.signals"].saved.clear()
        model("blog", "Post").objects.create(title="heard once")
        assert sys.modules["blog.signals"].saved == ["heard once"]
    finally:
        views.write_text(text)
    lp.restore_all()
    assert model("blog", "Post") is Post
    assert client().get("/blog/").content != b"the blog\n" or old == b"the blog\n"


def test_a_removed_field_takes_its_column_along_and_a_removed_model_keeps_its_table(
    notes_app: App,
) -> None:
    notes_app.edit("models.py", "# more fields", "colour = models.CharField(max_length=20)")
    lp.django.load_app("notes")
    model().objects.create(text="first", colour="red")
    notes_app.edit("models.py", "    colour = models.CharField(max_length=20)\n", "")
    notes_app.edit("models.py", "    tags = models.ManyToManyField(Tag)\n", "")
    notes_app.edit(
        "models.py", "class Tag(models.Model)", "class Other:\n    pass\n\n\nclass _T(object)"
    )
    said = str(lp.django.reload_app("notes"))
    assert "remove field colour from note" in said
    assert "kept the table notes_tag" in said
    assert "colour" not in columns("notes_note")
    assert "notes_tag" in _tables()
    model().objects.create(text="second")


def test_a_field_without_a_default_is_refused_where_there_are_rows(notes_app: App) -> None:
    lp.django.load_app("notes")
    notes_app.edit("models.py", "# more fields", "weight = models.IntegerField()")
    model().objects.create(text="a row")
    with pytest.raises(LivepatchError, match="has rows") as caught:
        lp.django.reload_app("notes")
    assert "default" in caught.value.advice
    assert "weight" not in columns("notes_note")
    model().objects.all().delete()
    lp.django.reload_app("notes")
    model().objects.create(text="a row", weight=3)


def test_rows_survive_unload_and_an_edit_meanwhile(notes_app: App) -> None:
    lp.django.load_app("notes")
    model().objects.create(text="kept")
    said = str(lp.django.unload_app("notes"))
    assert "kept in the database: notes_note" in said.replace("notes_tag, ", "")
    notes_app.edit("models.py", "# more fields", COLOUR)
    said = str(lp.django.load_app("notes"))
    assert "add field colour to note" in said
    assert model().objects.get(text="kept").colour == "teal"


def test_a_table_from_elsewhere_is_brought_to_the_models(notes_app: App) -> None:
    """As a process finds it that has not loaded the app before."""
    from django.db import connection

    create = "CREATE TABLE notes_note (id integer PRIMARY KEY, text varchar(100) NOT NULL"
    with connection.cursor() as cursor:
        cursor.execute(f"{create}, size integer NOT NULL)")
    with pytest.raises(LivepatchError, match="size that must be filled"):
        lp.django.load_app("notes")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE notes_note")
        cursor.execute(f"{create}, size integer)")
    said = str(lp.django.load_app("notes"))
    assert "notes_note.user_id" in said
    assert "columns without a field: notes_note.size" in said
    assert greeting() == "notes"


def test_apps_lists_states(notes_app: App) -> None:
    lp.django.load_app("notes", url_prefix="n/")
    table = {row.label: row for row in lp.django.apps()}
    assert table["notes"].state == "loaded"
    assert table["notes"].url_prefix == "n/"
    assert table["blog"].owner == "the project"
    assert client().get("/n/").status_code == 200
    lp.django.disable_app("notes")
    assert {row.label: row.state for row in lp.django.apps()}["notes"] == "disabled"
    lp.django.unload_app("notes")
    assert {row.label: row.state for row in lp.django.apps()}["notes"] == "unloaded"
    assert "notes" in str(lp.django.apps())


def test_a_package_that_is_installed_meanwhile_is_found(apps_folder: Path) -> None:
    with pytest.raises(LivepatchError):
        lp.django.load_app("later")
    small_app(apps_folder, "later", models="from django.db import models\n")
    assert str(lp.django.load_app("later")).startswith("loaded later")


def test_a_cell_on_an_event_loop_can_load(notes_app: App) -> None:
    """Where Django's ORM refuses to work, as in a notebook's cell."""
    import asyncio

    async def cell() -> str:
        return str(lp.django.load_app("notes"))

    assert asyncio.run(cell()).startswith("loaded notes")
    assert greeting() == "notes"


def _tables() -> list[str]:
    from django.db import connection

    return connection.introspection.table_names()
