"""Apps of a running Django: everything an app brings is there after load and gone after unload."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django")

from django_support import App, client

import livepatch as lp


def _template() -> Any:
    from django.template.loader import render_to_string

    return render_to_string("notes/index.html", {"greeting": "abc"}).split()[0]


def _tag() -> Any:
    from django.template import engines

    text = "{% load notes_tags %}{{ 'abc'|backwards }}"
    return engines["django"].from_string(text).render()


def _command() -> Any:
    from django.core.management import call_command

    out = io.StringIO()
    call_command("count_notes", stdout=out)
    return out.getvalue().split()[1]


def _translation() -> Any:
    from django.utils.translation import gettext, override

    with override("de"):
        return gettext("a phrase of the notes")


def _static() -> Any:
    from django.contrib.staticfiles import finders

    return Path(finders.find("notes/notes.css")).name


def _check() -> Any:
    from django.core.checks import run_checks

    return next(message.msg for message in run_checks() if message.id == "notes.I001")


def _receiver() -> Any:
    import sys

    from blog.models import Post

    heard = sys.modules["notes.receivers"].posts if "notes.receivers" in sys.modules else []
    heard.clear()
    Post.objects.create(title="heard")
    return heard[0]


def _reverse_relation() -> Any:
    from django.contrib.auth.models import User

    user = User.objects.create(username="of a note")
    try:
        user.note_set.create(text="mine")
        names = [f.name for f in User._meta.get_fields()]
        return User.objects.filter(note__text="mine").count(), "note" in names
    finally:
        user.delete()


def _content_type() -> Any:
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.get(app_label="notes", model="note").model_class().__name__


def _permission() -> Any:
    from django.contrib.auth.models import Permission

    found = Permission.objects.get(codename="add_note", content_type__app_label="notes")
    return found.content_type.model_class().__name__


def _model() -> Any:
    from django.apps import apps

    return apps.get_model("notes", "Note").__name__


def _lookup() -> Any:
    from blog.models import Post

    Post.objects.create(title="loud")
    return Post.objects.filter(title__shouts="LOUD").exists()


def _url() -> Any:
    page = client().get("/notes/")
    assert page.status_code == 200, page.status_code
    return page.content.decode().split()[0], page["X-Reversed"]


def _converter() -> Any:
    page = client().get("/notes/0042/")
    assert page.status_code == 200, page.status_code
    return page.content.decode()


def _middleware() -> Any:
    return client().get("/blog/")["X-Notes"]


def _installed() -> Any:
    from django.apps import apps
    from django.conf import settings

    assert apps.is_installed("notes")
    assert "notes" in settings.INSTALLED_APPS
    return True


EFFECTS = {
    "URL": (_url, ("seton", "/notes/0007/")),
    "URL converter": (_converter, "number 42"),
    "template": (_template, "cba"),
    "template tag": (_tag, "cba"),
    "command": (_command, "notes"),
    "static file": (_static, "notes.css"),
    "translation": (_translation, "eine Wendung"),
    "check": (_check, "notes are here"),
    "signal receiver": (_receiver, "heard"),
    "reverse relation": (_reverse_relation, (1, True)),
    "content type": (_content_type, "Note"),
    "permission": (_permission, "Note"),
    "model": (_model, "Note"),
    "lookup of a field": (_lookup, True),
    "middleware": (_middleware, "1"),
    "installed": (_installed, True),
}
OF_MODELS = {
    "reverse relation",
    "content type",
    "permission",
    "model",
    "lookup of a field",
    "installed",
}


def seen(admin: Any) -> dict[str, Any]:
    """Every effect of the app as it can be seen now; None where there is nothing of it."""
    found: dict[str, Any] = {}
    for name, (look, _) in EFFECTS.items():
        try:
            found[name] = look()
        except Exception:
            found[name] = None
    found["translation"] = (
        None if found["translation"] == "a phrase of the notes" else found["translation"]
    )
    page = admin.get("/admin/notes/note/")
    found["admin URL"] = page.status_code if page.status_code == 200 else None
    found["admin index"] = "/admin/notes/note/" in admin.get("/admin/").content.decode() or None
    return found


ALL = {name: expected for name, (_, expected) in EFFECTS.items()} | {
    "admin URL": 200,
    "admin index": True,
}
NOTHING = dict.fromkeys(ALL)


def test_every_effect_is_there_after_load_and_gone_after_unload(
    notes_app: App, admin_client
) -> None:
    assert seen(admin_client) == NOTHING
    for _ in range(3):
        lp.django.load_app("notes")
        assert seen(admin_client) == ALL
        lp.django.reload_app("notes")
        assert seen(admin_client) == ALL
        lp.django.disable_app("notes")
        only_models = {name: ALL[name] if name in OF_MODELS else None for name in ALL}
        assert seen(admin_client) == only_models
        lp.django.enable_app("notes")
        assert seen(admin_client) == ALL
        lp.django.unload_app("notes")
        assert seen(admin_client) == NOTHING
    assert client().get("/blog/").status_code == 200


def test_who_implements_what(notes_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    import sys
    from types import ModuleType

    import pluggy

    mark = pluggy.HookimplMarker("shop")
    spec = pluggy.HookspecMarker("shop")

    class Hooks:
        @spec
        def price(self, item: str) -> int: ...

    class Plugin:
        @mark
        def price(self, item: str) -> int:
            return 3

    manager = pluggy.PluginManager("shop")
    manager.add_hookspecs(Hooks)
    manager.register(Plugin())
    holder = ModuleType("holder_of_a_manager")
    holder.manager = manager  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, holder.__name__, holder)
    installed = notes_app.folder.parent / "shop_notes-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-notes\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[livepatch.django]\nshop-notes = notes\n")
    assert str(lp.django.load_app("shop-notes")).startswith("loaded notes")
    found = {(row.kind, row.point, row.name, row.app) for row in lp.django.implementations()}
    assert {
        ("signal", "django.db.models.signals.post_save", "note_saved_post", "notes"),
        ("signal", "django.db.models.signals.post_save", "note_saved", "blog"),
        ("entry point", "livepatch.django", "shop-notes", "notes"),
    } <= found
    (hook,) = [row for row in lp.django.implementations() if row.kind == "pluggy hook"]
    assert hook.point == "shop.price"
    assert hook.place.startswith(__file__)
    assert {row.app for row in lp.django.implementations("notes")} == {"notes"}
    assert "receivers.py:" in str(lp.django.implementations("notes"))
    lp.django.unload_app("notes")
    assert [row.kind for row in lp.django.implementations("notes")] == ["entry point"]
    shutil.rmtree(installed)


def test_changes_are_exported_as_an_app(
    apps_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from django.http import HttpResponse

    own = client().get("/blog/write/").content

    def write(request):
        return HttpResponse("written by an export")

    lp.replace("blog.views.write", write)
    folder = Path(str(lp.export(tmp_path, name="own-words", flavor="django").path))
    lp.restore_all()
    assert client().get("/blog/write/").content == own
    monkeypatch.syspath_prepend(str(folder / "src"))
    (package,) = [path.name for path in (folder / "src").iterdir()]
    lp.django.load_app(package)
    assert client().get("/blog/write/").content == b"written by an export"
    lp.django.disable_app(package)
    assert client().get("/blog/write/").content == own
    lp.django.enable_app(package)
    assert client().get("/blog/write/").content == b"written by an export"
    lp.django.unload_app(package)
    assert client().get("/blog/write/").content == own
    assert "django.apps" in (folder / "src" / package / "apps.py").read_text()
    assert package not in sys.modules
