"""Clients and writer threads of a Django server, and cycles of load and unload under them."""

from __future__ import annotations

import collections
import http.client
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django_support import copy_app

from livepatch.errors import LivepatchError

if TYPE_CHECKING:
    from django_servers import Server

FIELD = 'colour = models.CharField(max_length=20, default="teal")'
OTHER_URLS = ["/blog/", "/blog/write/", "/admin/login/", "/blog/async/"]
OWN_URLS = ["/notes/", "/notes/0007/"]

# Run in the server: threads that write rows, also through the accessor of the app that comes and
# goes; what they meet is kept.
WRITERS = """
import threading
from blog.models import Post
from django.contrib.auth.models import User
from django.db import connection, transaction

writing, errors, counts = threading.Event(), [], [0, 0]
writing.set()

def write(number):
    user, _ = User.objects.get_or_create(username=f"writer {number}")
    while writing.is_set():
        try:
            post = Post.objects.create(title="by a thread", author=user)
            Post.objects.filter(pk=post.pk).delete()
            notes = getattr(user, "note_set", None)
            if notes is not None:
                # As a form would: with what the model has, read and written back.
                note = notes.create(text="by a thread")
                notes.filter(pk=note.pk).update(text="seen")
                counts[1] += 1
            counts[0] += 1
        except Exception as error:
            errors.append(repr(error))
    connection.close()

threads = [threading.Thread(target=write, args=(n,), daemon=True) for n in range(2)]
[thread.start() for thread in threads] and None
"""
STOPPED = """
writing.clear()
[thread.join(30) for thread in threads]
print(counts[0], counts[1], errors[:3])
"""


class Clients:
    """Threads that ask for URLs until they are told to stop.

    Attributes:
        statuses: how often each status came, by URL.
        errors: 5xx answers and broken connections.
    """

    def __init__(self, port: int, count: int = 6) -> None:
        self.port = port
        self.statuses: collections.Counter[tuple[str, int]] = collections.Counter()
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number,), daemon=True)
            for number in range(count)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, number: int) -> None:
        urls = OTHER_URLS if number % 3 else OWN_URLS
        position = number
        while not self._stop.is_set():
            url = urls[position % len(urls)]
            position += 1
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.request("GET", url)
                answer = connection.getresponse()
                answer.read()
            except OSError as error:
                self.errors.append(f"{url}: {error!r}")
                continue
            finally:
                connection.close()
            self.statuses[url, answer.status] += 1
            if answer.status >= 500:
                self.errors.append(f"{url}: {answer.status}")


INITIAL = """
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel("Tag", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=50)),
        ]),
        migrations.CreateModel("Note", [
            ("id", models.BigAutoField(primary_key=True)),
            ("text", models.CharField(max_length=100)),
            ("user", models.ForeignKey(
                null=True, on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL)),
            ("tags", models.ManyToManyField(to="notes.Tag")),
        ]),
    ]
"""
LATER = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("notes", "{before}")]
    operations = [migrations.{operation}]
"""
ADDED = 'AddField("Note", "colour", models.CharField(max_length=20, default="teal"))'


def _migrate(app: Any, name: str, before: str, operation: str) -> None:
    app.write(f"migrations/{name}.py", LATER.format(before=before, operation=operation))


def cycles(server: Server, count: int, name: str, *, migrations: bool = False) -> dict[str, Any]:
    """Load, reload with a new field, a broken reload, unload, under clients and writers.

    Args:
        server: where.
        count: how often.
        name: the server's name.
        migrations: whether the app has migrations: one adds the field, another takes it away.

    Returns:
        How many requests there were, of which kinds, and what went wrong.
    """
    from livepatch.django.workers import Command, in_server

    def do(verb: str) -> str:
        return in_server(Command(verb, "notes"), name)

    # Threads are no requests: none waits at the gate while a migration runs.
    writers = WRITERS.replace('"note_set"', '"no such accessor"') if migrations else WRITERS
    started = server.place.livepatch("exec", name, "-c", writers)
    assert started.returncode == 0, started.stderr
    with Clients(server.port) as clients:
        for number in range(count):
            notes = copy_app(server.apps)
            second, third = f"0002_in_{number}", f"0003_in_{number}"
            if migrations:
                notes.write("migrations/__init__.py", "")
                notes.write("migrations/0001_initial.py", INITIAL)
            assert do("load").startswith("loaded notes")
            assert server.get("/notes/")[0] == 200
            notes.edit("models.py", "# more fields", FIELD)
            notes.edit("views.py", 'GREETING = "notes"', 'GREETING = "edited"')
            if migrations:
                _migrate(notes, second, "0001_initial", ADDED)
            assert do("reload").startswith("reloaded notes")
            assert server.get("/notes/")[1].startswith("detide")
            broken = (
                'size = models.TextField(default="")\n    wrong = no_such_name\n\n    def __str__'
            )
            notes.edit("models.py", "def __str__", broken)
            with pytest.raises(LivepatchError, match="NameError"):
                do("reload")
            assert server.get("/notes/")[1].startswith("detide")
            if migrations:
                notes.edit("models.py", broken, "def __str__")
                notes.edit("models.py", FIELD, "")
                _migrate(notes, third, second, 'RemoveField("Note", "colour")')
                assert f"applied {third}" in do("reload")
            assert do("unload").startswith("unloaded notes")
            assert server.get("/notes/")[0] == 404
    stopped = server.place.livepatch("exec", name, "-c", STOPPED)
    rounds, by_accessor, errors = stopped.stdout.split(maxsplit=2)
    return {
        "requests": sum(clients.statuses.values()),
        "statuses": dict(clients.statuses),
        "errors": clients.errors,
        "written": int(rounds),
        "by accessor": int(by_accessor),
        "writer errors": errors.strip(),
    }
