"""What cannot be loaded, reloaded, unloaded: three lines that say why, and nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("django")

from django_support import App, client, columns, model, small_app, state_of_django

import livepatch as lp
from livepatch.errors import LivepatchError

if TYPE_CHECKING:
    from pathlib import Path

MODELS = "from django.db import models\n\n\n"


def config(name: str, *lines: str) -> str:
    body = "\n    ".join([f"name = {name!r}", *lines])
    return f"from django.apps import AppConfig\n\n\nclass Config(AppConfig):\n    {body}\n"


def refused(call, *words: str) -> LivepatchError:
    """What a call says; Django is as before, rows and tables too."""
    from django.db import connection

    before, tables = state_of_django(), sorted(connection.introspection.table_names())
    with pytest.raises(LivepatchError) as caught:
        call()
    said = str(caught.value)
    assert len(said.splitlines()) == 3, said
    for word in words:
        assert word in said, said
    assert state_of_django() == before
    assert sorted(connection.introspection.table_names()) == tables
    assert client().get("/blog/").status_code == 200
    return caught.value


def test_no_such_app(django_project: Path) -> None:
    refused(lambda: lp.django.load_app("nothing.of.that"), "load_app nothing.of.that", "'nothing'")
    refused(lambda: lp.django.reload_app("blogg"), "no app 'blogg' is loaded", "did you mean blog?")
    refused(lambda: lp.django.unload_app("blogg"), "did you mean blog?")
    refused(lambda: lp.django.load_app("blog"), "loaded already, as blog", "reload blog")


def test_an_import_error_says_where(apps_folder: Path) -> None:
    app = small_app(apps_folder, "broken", models="import not_there\n")
    refused(
        lambda: lp.django.load_app("broken"), "broken/models.py:1", "No module named 'not_there'"
    )
    app.write("models.py", MODELS + "x = 1 +\n")
    refused(lambda: lp.django.load_app("broken"), "SyntaxError", "models.py:4")
    app.write("models.py", MODELS)
    app.write("apps.py", config("broken", "def ready(self):", "    1 / 0"))
    refused(lambda: lp.django.load_app("broken"), "ZeroDivisionError", "apps.py:7")
    app.write("apps.py", config("broken"))
    app.write("urls.py", "urlpatterns = [1]\n")
    refused(lambda: lp.django.load_app("broken"), "broken")


def test_names_that_are_taken(apps_folder: Path) -> None:
    small_app(apps_folder, "other_blog", apps=config("other_blog", 'label = "blog"'))
    refused(lambda: lp.django.load_app("other_blog"), "'blog' is taken", "blog", "reload blog")
    text = MODELS + "class Mine(models.Model):\n    class Meta:\n        db_table = 'blog_post'\n"
    small_app(apps_folder, "thief", models=text)
    refused(lambda: lp.django.load_app("thief"), "blog_post", "blog.Post")
    text = MODELS + (
        "class Post(models.Model):\n    user = models.ForeignKey('auth.User', models.CASCADE)\n"
    )
    small_app(apps_folder, "clash", models=text)
    refused(lambda: lp.django.load_app("clash"), "post_set", "related_name")


def test_dependencies_between_apps(apps_folder: Path) -> None:
    small_app(apps_folder, "stock", init="__version__ = '1.4'\n", models=MODELS)
    needing = small_app(
        apps_folder, "shop", apps=config("shop", 'depends_on = ["stock>=1.2"]'), models=MODELS
    )
    refused(lambda: lp.django.load_app("shop"), "shop needs the app stock>=1.2", "load stock")
    lp.django.load_app("stock")
    needing.write("apps.py", config("shop", 'depends_on = ["stock>=2"]'))
    refused(lambda: lp.django.load_app("shop"), "stock>=2", "version 1.4")
    needing.write("apps.py", config("shop", 'requires = ["django>=99"]'))
    refused(lambda: lp.django.load_app("shop"), "django>=99", "pip install")
    needing.write("apps.py", config("shop", 'requires = ["no-such-package"]'))
    refused(lambda: lp.django.load_app("shop"), "not installed")
    needing.write("apps.py", config("shop", 'depends_on = ["stock >< 1"]'))
    refused(lambda: lp.django.load_app("shop"), "is not a requirement")
    needing.write("apps.py", config("shop", 'depends_on = ["stock~=1.3"]'))
    lp.django.load_app("shop")
    refused(lambda: lp.django.unload_app("stock"), "shop (depends_on)", "unload first: shop")
    refused(lambda: lp.django.disable_app("stock"), "shop depends on it", "disable shop first")
    lp.django.disable_app("shop")
    lp.django.disable_app("stock")
    refused(lambda: lp.django.enable_app("shop"), "which is disabled", "enable stock")


def test_apps_that_need_each_other_in_a_circle(apps_folder: Path) -> None:
    small_app(apps_folder, "hen", apps=config("hen", 'depends_on = ["egg"]'))
    small_app(apps_folder, "egg", apps=config("egg", 'depends_on = ["hen"]'))
    refused(lambda: lp.django.load_app("hen"), "in a cycle", "hen needs egg needs hen")
    small_app(apps_folder, "alone", apps=config("alone", 'depends_on = ["alone"]'))
    refused(lambda: lp.django.load_app("alone"), "alone needs alone")


def test_a_model_that_refers_to_an_app_that_is_not_there(apps_folder: Path) -> None:
    text = MODELS + (
        "class Item(models.Model):\n    of = models.ForeignKey('absent.Thing', models.CASCADE)\n"
    )
    small_app(apps_folder, "referring", models=text)
    refused(lambda: lp.django.load_app("referring"), "absent.thing", "load absent")


def test_dependents_are_taken_along_on_reload_and_stand_against_unload(
    notes_app: App, apps_folder: Path
) -> None:
    text = MODELS + (
        "class Star(models.Model):\n    note = models.ForeignKey('notes.Note', models.CASCADE)\n"
    )
    lp.django.load_app("notes")
    small_app(apps_folder, "stars", models=text)
    lp.django.load_app("stars")
    refused(lambda: lp.django.unload_app("notes"), "stars (stars.Star.note)", "unload first: stars")
    notes_app.edit(
        "models.py", "# more fields", "colour = models.CharField(max_length=9, default='')"
    )
    said = str(lp.django.reload_app("notes"))
    assert "with stars" in said
    assert "colour" in columns("notes_note")
    note = model().objects.create(text="starred")
    model("stars", "Star").objects.create(note=note)
    assert note.star_set.count() == 1
    note.delete()
    assert model("stars", "Star").objects.count() == 0
    lp.undo()
    assert model("stars", "Star")._meta.get_field("note").related_model is model()


def test_rows_of_other_tables_stand_against_unload_and_own_references_are_named(
    notes_app: App,
) -> None:
    from django.contrib.auth.models import User
    from django.db import connection

    lp.django.load_app("notes")
    user = User.objects.create(username="of a note")
    note = model().objects.create(text="mine", user=user)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE notes_pins (id integer, note_id bigint REFERENCES notes_note (id))"
        )
        cursor.execute("INSERT INTO notes_pins VALUES (1, %s)", [note.pk])
    refused(lambda: lp.django.unload_app("notes"), "notes_pins (to notes_note)", "disable notes")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notes_pins")
    said = str(lp.django.unload_app("notes"))
    assert "its rows refer to auth_user: deleting those rows fails" in said
    lp.django.load_app("notes")
    user.delete()
    assert model().objects.count() == 0


def test_other_bad_input(notes_app: App) -> None:
    refused(lambda: lp.django.load_app("notes", database="second"), "'second'", "default")
    refused(lambda: lp.django.unload_app("contenttypes"), "restart the server")
    refused(lambda: lp.django.unload_app("auth"), "loaded apps need it: admin (")
    lp.django.load_app("notes")
    assert "nothing to do" in str(lp.django.enable_app("notes"))
    lp.django.disable_app("notes")
    assert "nothing to do" in str(lp.django.disable_app("notes"))
    refused(lambda: lp.django.load_app("notes"), "loaded already", "enable notes")


def test_a_failure_while_it_is_published_takes_the_tables_back(
    notes_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    from livepatch.django.live import LiveDjango

    lp.django.load_app("notes")
    before = model()
    notes_app.edit(
        "models.py", "# more fields", "colour = models.CharField(max_length=9, default='')"
    )
    show, shown = LiveDjango._show, []

    def fail_once(self, steps, noted):
        shown.append(steps)
        if len(shown) == 1:
            raise LivepatchError("show", "broken for the test", "nothing")
        show(self, steps, noted)

    with monkeypatch.context() as patched:
        patched.setattr(LiveDjango, "_show", fail_once)
        with pytest.raises(LivepatchError, match="broken for the test"):
            lp.django.reload_app("notes")
    assert model() is before
    assert "colour" not in columns("notes_note")
    assert client().get("/notes/").status_code == 200
