"""Tables that change while the server runs: SQLite and PostgreSQL, with migrations and without."""

from __future__ import annotations

import contextlib
import threading
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("django")

from django_support import App, client, small_app
from postgres_support import postgres, programs

import livepatch as lp
from livepatch.errors import LivepatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODELS = """
from django.conf import settings
from django.db import models


class Entry(models.Model):
    text = models.CharField(max_length=20)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    # more
"""
VIEWS = """
from django.http import HttpResponse

from .models import Entry


def index(request):
    entry = Entry.objects.using("{alias}").create(text="seen")
    return HttpResponse("{said}")
"""
URLS = (
    'from django.urls import path\n\nfrom . import views\n\nurlpatterns = [path("", views.index)]\n'
)
FIRST = """
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel("Entry", [
            ("id", models.BigAutoField(primary_key=True)),
            ("text", models.CharField(max_length=20)),
            ("user", models.ForeignKey(
                null=True, on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL)),
        ])
    ]
"""
NEXT = """
from django.db import migrations, models


def run(apps, editor):
    {body}


class Migration(migrations.Migration):
    dependencies = [("ledger", "{before}")]
    operations = [{operations}migrations.RunPython(run, migrations.RunPython.noop)]
"""
ADD = "migrations.AddField('Entry', 'kind', models.CharField(max_length=9, default='note')), "


def migration(before: str, operations: str = "", body: str = "pass") -> str:
    return NEXT.format(before=before, operations=operations, body=body)


@pytest.fixture(scope="module")
def postgres_alias(django_project: Path):
    """A second database of the project, in a real PostgreSQL."""
    from django.core.management import call_command
    from django.db import connections

    if programs() is None:
        pytest.skip("no PostgreSQL is installed here")
    pytest.importorskip("psycopg")
    with postgres() as settings:
        known = dict(connections.settings)
        connections.settings = connections.configure_settings({**known, "second": settings})
        call_command("migrate", database="second", verbosity=0)
        yield "second"
        connections["second"].close()
        del connections["second"]
        connections.settings = known


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def alias(request: pytest.FixtureRequest, apps_folder: Path):
    """A database that has the project's tables, and after the test no others."""
    from django.db import connections

    name = "default" if request.param == "SQLite" else request.getfixturevalue("postgres_alias")
    connection = connections[name]
    before = set(connection.introspection.table_names())
    yield name
    lp.restore_all()
    with connection.schema_editor() as editor:
        for table in set(connection.introspection.table_names()) - before:
            editor.execute(f'DROP TABLE "{table}"' + (" CASCADE" if name == "second" else ""))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ledger'")


@pytest.fixture
def ledger(apps_folder: Path, alias: str) -> App:
    views = VIEWS.format(alias=alias, said="first")
    return small_app(apps_folder, "ledger", models=MODELS, views=views, urls=URLS)


@pytest.fixture
def migrated(ledger: App) -> App:
    ledger.write("migrations/__init__.py", "")
    ledger.write("migrations/0001_initial.py", FIRST)
    return ledger


def columns(alias: str) -> list[str]:
    from django.db import connections

    connection = connections[alias]
    with connection.cursor() as cursor:
        if "ledger_entry" not in connection.introspection.table_names(cursor):
            return []
        found = connection.introspection.get_table_description(cursor, "ledger_entry")
    return [column.name for column in found]


def applied(alias: str) -> list[str]:
    from django.db import connections
    from django.db.migrations.recorder import MigrationRecorder

    found = MigrationRecorder(connections[alias]).applied_migrations()
    return sorted(name for label, name in found if label == "ledger")


def entries(alias: str) -> Any:
    from django.apps import apps

    return apps.get_model("ledger", "Entry").objects.using(alias)


def greeting() -> str:
    answer = client().get("/ledger/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_fields_indexes_and_constraints_without_migrations(ledger: App, alias: str) -> None:
    from django.db import IntegrityError, connections, transaction

    lp.django.load_app("ledger", database=alias)
    assert greeting() == "first"
    lines = [
        'kind = models.CharField(max_length=9, default="note", db_index=True)',
        "weight = models.IntegerField(null=True)",
        "others = models.ManyToManyField('self')",
        "",
        "class Meta:",
        '    indexes = [models.Index(fields=["kind", "weight"], name="ledger_kind")]',
    ]
    ledger.edit("models.py", "# more", "\n".join([lines[0], *(f"    {x}" for x in lines[1:])]))
    assert "add field kind to entry" in str(lp.django.reload_app("ledger"))
    assert entries(alias).get().kind == "note"
    greeting()
    with connections[alias].cursor() as cursor:
        found = connections[alias].introspection.get_constraints(cursor, "ledger_entry")
    assert "ledger_kind" in found
    # What neither version could stand alone waits until no request runs.
    ledger.edit("models.py", "max_length=20", "max_length=40, unique=True")
    entries(alias).all().delete()
    lp.django.reload_app("ledger")
    greeting()
    with pytest.raises(IntegrityError), transaction.atomic(using=alias):
        entries(alias).create(text="seen")
    assert lp.undo()
    assert lp.undo()
    assert columns(alias) == ["id", "text", "user_id"]
    assert greeting() == "first"


FILLED = """
    kind = models.CharField(max_length=9, default="it's 5%")
    amount = models.DecimalField(max_digits=5, decimal_places=2, default=1.5)
    is_open = models.BooleanField(default=True)
    said = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    raw = models.BinaryField(default=b"\\x00\\xff")
    key = models.UUIDField(default=uuid.uuid4)
    since = models.DateTimeField(auto_now_add=True)
    kept = models.IntegerField(db_default=7)
    doubled = models.GeneratedField(
        expression=models.F("kept") * 2, output_field=models.IntegerField(), db_persist=True)
    of_group = models.ForeignKey("auth.Group", models.CASCADE, null=True)
    boss = models.ForeignKey("self", models.CASCADE, default=1)
"""


def test_a_thread_goes_on_writing_by_the_old_models(ledger: App, alias: str) -> None:
    """Nobody can wait for it as for a request: it may hold a manager as long as it likes."""
    from django.db import Error, connections, transaction

    lp.django.load_app("ledger", database=alias)
    old = entries(alias)
    before = old.create(text="before")
    with connections[alias].cursor() as cursor:
        cursor.execute("UPDATE ledger_entry SET id = 1")
    ledger.edit("models.py", "    # more", FILLED)
    ledger.edit("models.py", "from django.conf", "import uuid\n\nfrom django.conf")
    holds, may_go_on, ids = threading.Event(), threading.Event(), []

    def write() -> None:
        manager = old.all()
        holds.set()
        assert may_go_on.wait(60)
        ids.append(manager.create(text="by the old model").pk)
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    assert holds.wait(60)
    try:
        lp.django.reload_app("ledger")
    finally:
        may_go_on.set()
        thread.join(60)
    first = entries(alias).get(text="before")
    late = entries(alias).get(pk=ids[0])
    assert before.text == first.text
    for row in (first, late):
        found = [row.kind, row.amount, row.is_open, row.said, row.facts, bytes(row.raw)]
        assert found == ["it's 5%", Decimal("1.50"), True, "", {}, b"\x00\xff"]
        assert (row.kept, row.doubled, row.of_group, row.boss_id) == (7, 14, None, 1)
        assert (row.key, row.since) == (first.key, first.since)
        assert isinstance(row.key, uuid.UUID)
        assert row.since is not None
    # And yet no column may be empty.
    with pytest.raises(Error), transaction.atomic(using=alias):
        entries(alias).filter(pk=first.pk).update(kind=None)
    lp.undo()
    assert columns(alias) == ["id", "text", "user_id"]
    assert old.count() == 2


HELD = """
def held():
    import builtins

    holds, may_go_on = builtins.ledger_events
    holds.set()
    assert may_go_on.wait(60)
    return "note"


class Entry(models.Model):
    kind = models.CharField(max_length=9, default=held)
"""


@contextlib.contextmanager
def change_during_a_write(write: Callable[[], None], change: Callable[[], None]) -> Iterator[None]:
    """Run both in threads; in the body the write is held inside the ORM, and the change waits."""
    import builtins

    held, may_go_on = builtins.ledger_events = threading.Event(), threading.Event()
    writing, changing = threading.Thread(target=write), threading.Thread(target=change)
    pause = threading.Event()
    try:
        writing.start()
        assert held.wait(60)
        changing.start()
        while changing.is_alive() and not live().requests.awaited:
            pause.wait(0.01)
        yield
    finally:
        may_go_on.set()
        writing.join(60)
        changing.join(60)
        del builtins.ledger_events


def test_a_column_goes_when_no_thread_is_inside_the_orm_any_more(ledger: App, alias: str) -> None:
    """One that began to write with the old model waits for the database as long as it takes."""
    from django.db import connections

    ledger.edit("models.py", "\nclass Entry(models.Model):\n", HELD)
    lp.django.load_app("ledger", database=alias)
    old, began = entries(alias), []

    def write() -> None:
        began.append(old.create(text="of the old model").pk)
        connections.close_all()

    def change() -> None:
        lp.django.reload_app("ledger")
        connections.close_all()

    ledger.edit("models.py", "    kind = models.CharField(max_length=9, default=held)\n", "")
    with change_during_a_write(write, change):
        assert live().requests.awaited == 1
        assert "kind" in columns(alias)
        assert entries(alias).model is not old.model
    assert entries(alias).get(pk=began[0]).text == "of the old model"
    assert "kind" not in columns(alias)


def test_a_column_that_cannot_be_filled_in_the_end_is_taken_back(ledger: App, alias: str) -> None:
    """A row of the old version came between: nothing can stand in a field without a default."""
    from django.db import connections

    ledger.edit("models.py", "\nclass Entry(models.Model):\n", HELD)
    lp.django.load_app("ledger", database=alias)
    old = entries(alias)
    caught: list[LivepatchError] = []

    def write() -> None:
        old.create(text="between")
        connections.close_all()

    def change() -> None:
        with pytest.raises(LivepatchError, match="could not be changed: IntegrityError") as found:
            lp.django.reload_app("ledger")
        caught.append(found.value)
        connections.close_all()

    ledger.edit("models.py", "    # more", "    weight = models.IntegerField()")
    before = columns(alias)
    with change_during_a_write(write, change):
        pass
    assert len(str(caught[0]).splitlines()) == 3
    assert str(caught[0]).startswith("reload ledger")
    assert columns(alias) == before
    assert entries(alias).model is old.model
    assert entries(alias).get(text="between").kind == "note"


def test_a_constraint_that_rows_break_is_refused(ledger: App, alias: str) -> None:
    lp.django.load_app("ledger", database=alias)
    greeting()
    greeting()
    ledger.edit("models.py", "max_length=20", "max_length=20, unique=True")
    with pytest.raises(LivepatchError, match="could not be changed: IntegrityError") as caught:
        lp.django.reload_app("ledger")
    assert len(str(caught.value).splitlines()) == 3
    assert greeting() == "first"


def test_migrations_run_on_load_and_reload_and_back(migrated: App, alias: str) -> None:
    said = str(lp.django.load_app("ledger", database=alias))
    assert "applied 0001_initial" in said
    assert applied(alias) == ["0001_initial"]
    assert greeting() == "first"
    migrated.edit("models.py", "# more", "kind = models.CharField(max_length=9, default='note')")
    migrated.edit("views.py", "first", "second")
    migrated.write("migrations/0002_kind.py", migration("0001_initial", ADD))
    assert "applied 0002_kind" in str(lp.django.reload_app("ledger"))
    assert "kind" in columns(alias)
    assert greeting() == "second"
    lp.undo()
    assert applied(alias) == ["0001_initial"]
    assert "kind" not in columns(alias)
    assert greeting() == "first"
    lp.redo()
    assert applied(alias) == ["0001_initial", "0002_kind"]
    assert greeting() == "second"
    lp.django.unload_app("ledger")
    assert applied(alias) == ["0001_initial", "0002_kind"]
    lp.django.load_app("ledger", database=alias)
    assert greeting() == "second"


def test_a_migration_that_fails_half_way_leaves_everything_as_before(
    migrated: App, alias: str
) -> None:
    migrated.write("migrations/0002_bad.py", migration("0001_initial", body="1 / 0"))
    with pytest.raises(LivepatchError) as caught:
        lp.django.load_app("ledger", database=alias)
    lines = str(caught.value).splitlines()
    assert lines[0] == "load ledger"
    assert "ledger.0002_bad failed: ZeroDivisionError" in lines[1]
    assert "the 1 before it was taken back" in lines[1]
    assert len(lines) == 3
    assert columns(alias) == []
    assert applied(alias) == []
    assert client().get("/ledger/").status_code == 404

    (migrated.folder / "migrations" / "0002_bad.py").unlink()
    lp.django.load_app("ledger", database=alias)
    before = columns(alias)
    migrated.edit("models.py", "# more", "kind = models.CharField(max_length=9, default='note')")
    migrated.write("migrations/0002_kind.py", migration("0001_initial", ADD))
    rows = "apps.get_model('ledger', 'Entry').objects.using(editor.connection.alias).get(pk=0)"
    migrated.write("migrations/0003_rows.py", migration("0002_kind", body=rows))
    with pytest.raises(LivepatchError, match="0003_rows failed: DoesNotExist"):
        lp.django.reload_app("ledger")
    assert columns(alias) == before
    assert applied(alias) == ["0001_initial"]
    assert greeting() == "first"


def test_what_the_database_does_not_know_of_a_field_waits_for_nobody(
    ledger: App, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another label, other choices; and a function of the app is another in each version."""
    ledger.edit(
        "models.py",
        "    # more",
        "    kind = models.CharField(max_length=9, default=held, validators=[held])",
    )
    ledger.edit("models.py", "class Entry", "def held(*_):\n    return 'first'\n\n\nclass Entry")
    lp.django.load_app("ledger", database=alias)
    monkeypatch.setattr(live().requests, "held_back", None)
    ledger.edit("models.py", "'first'", "'second'")
    ledger.edit(
        "models.py", "validators=", 'verbose_name="sort", choices=[("a", "b")], validators='
    )
    said = str(lp.django.reload_app("ledger"))
    assert "field" not in said
    assert entries(alias).create(text="new").kind == "second"
    monkeypatch.undo()
    ledger.edit("models.py", "max_length=9", "max_length=19")
    assert "alter field kind on entry" in str(lp.django.reload_app("ledger"))


def test_requests_wait_while_a_migration_runs_that_the_old_code_cannot_stand(
    migrated: App, alias: str
) -> None:
    import builtins

    lp.django.load_app("ledger", database=alias)
    began, may_end = threading.Event(), threading.Event()
    builtins.ledger_events = began, may_end
    body = "import builtins; builtins.ledger_events[0].set(); builtins.ledger_events[1].wait(60)"
    migrated.edit("models.py", "# more", "kind = models.CharField(max_length=9, default='note')")
    migrated.edit("views.py", "first", "second")
    migrated.write("migrations/0002_kind.py", migration("0001_initial", ADD, body))
    answers: list[str] = []
    stood: list[int] = []
    asking = threading.Thread(target=_greet, args=(answers,))

    def ask() -> None:
        began.wait(60)
        asking.start()
        # The request stands at the gate: only then may the migration end.
        for _ in range(3000):
            if live().requests.at_gate:
                break
            may_end.wait(0.01)
        stood.append(live().requests.at_gate)
        may_end.set()

    watching = threading.Thread(target=ask)
    watching.start()
    try:
        lp.django.reload_app("ledger")
    finally:
        may_end.set()
        watching.join(60)
        asking.join(60)
        del builtins.ledger_events
    assert stood == [1]
    assert answers == ["second"]


def test_a_request_that_does_not_end_stands_against_such_a_migration(
    migrated: App, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blog import views

    lp.django.load_app("ledger", database=alias)
    monkeypatch.setattr(live().requests, "patience", 0.2)
    migrated.edit("models.py", "# more", "kind = models.CharField(max_length=9, default='note')")
    migrated.write("migrations/0002_kind.py", migration("0001_initial", ADD))
    views.slow_began.clear()
    views.slow_may_end.clear()
    slow = threading.Thread(target=_get_slow)
    slow.start()
    try:
        assert views.slow_began.wait(60)
        with pytest.raises(LivepatchError, match=r"1 request still runs after 0\.2 s"):
            lp.django.reload_app("ledger")
        assert "kind" not in columns(alias)
        assert greeting() == "first"
    finally:
        views.slow_may_end.set()
        slow.join(60)
    lp.django.reload_app("ledger")
    assert "kind" in columns(alias)


def live() -> Any:
    from livepatch.django.verbs import live as found

    return found


def _greet(answers: list[str]) -> None:
    from django.db import connections

    answers.append(greeting())
    connections.close_all()


def _get_slow() -> None:
    from django.db import connections

    client().get("/blog/slow/")
    connections.close_all()
