"""Django behind real servers: where a kernel attaches, and one command for every worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

pytest.importorskip("django")

from django_load import FIELD, cycles
from django_servers import ATTACHED, Server
from django_support import copy_app, small_app
from reach_support import place

from livepatch.errors import LivepatchError
from livepatch.reach.hearing import with_live_details
from livepatch.reach.webuis import running_webuis

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "django.ipynb"
# Once its second version is there, somebody writes a row by the first one.
LATE = """
from django.db import connection, models
from django.db.models.signals import post_migrate


class Row(models.Model):
    text = models.CharField(max_length=9)
    # more


def write(sender, **named):
    if hasattr(Row, "size") and not Row.objects.exists():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO late_row (text) VALUES ('late')")


post_migrate.connect(write)
"""
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    with place() as folder:
        monkeypatch.setenv("LIVEPATCH_RUNTIME_DIR", str(folder.runtime))
        yield folder


@pytest.fixture
def serve(here) -> Iterator[object]:
    started: list[Server] = []

    def start(kind: str, workers: int = 1) -> Server:
        server = Server(kind, here)
        started.append(server)
        return server.start(workers)

    yield start
    for server in started:
        server.end()


def do(verb: str, app: str = "notes", **options: str) -> str:
    from livepatch.django.workers import Command, in_server

    return in_server(Command(verb, app, tuple(options.items())), "site_settings")


@posix
def test_every_worker_of_gunicorn_carries_a_command_out_or_none(serve) -> None:
    """Preloading: the workers are forked from a process in which Django is set up already."""
    server = serve("gunicorn --preload", workers=2)
    workers = running_webuis()
    assert {webui.name for webui in workers} == {"site_settings"}
    assert len(workers) == 2
    assert server.process.pid not in {webui.pid for webui in workers}
    found = [with_live_details(webui, timeout=60) for webui in workers]
    assert {webui.address for webui in found} == {f"http://127.0.0.1:{server.port}"}
    notes = copy_app(server.apps)

    assert do("load").count("loaded notes") == 2
    # A request lands in either of them.
    assert {server.get("/notes/")[0] for _ in range(20)} == {200}
    notes.edit("models.py", "# more fields", FIELD)
    assert do("reload").count("add field colour to note") == 1
    assert {server.get("/notes/")[0] for _ in range(20)} == {200}
    do("unload")
    assert {server.get("/notes/")[0] for _ in range(20)} == {404}

    # The one that is asked last has it already: the one before takes it back.
    cell = "import livepatch; livepatch.django.load_app('notes')"
    (last,) = workers[:1]
    done = server.place.livepatch("exec", str(last.pid), "-c", cell)
    assert done.returncode == 0, done.stderr
    with pytest.raises(LivepatchError) as caught:
        do("load")
    assert "loaded already" in caught.value.found
    assert caught.value.found.startswith(f"in pid {last.pid}")
    assert "taken back in 1 other" in caught.value.found
    assert {server.get("/notes/")[0] for _ in range(40)} == {200, 404}


@posix
def test_the_magic_reaches_the_other_workers_too(serve) -> None:
    server = serve("gunicorn, 2 workers", workers=2)
    copy_app(server.apps)
    first = str(running_webuis()[0].pid)
    magic = "%load_ext livepatch\n%django_app load notes"
    done = server.place.livepatch("exec", first, "-c", magic)
    assert done.stdout.count("loaded notes") == 2, done.stderr
    assert "= lp.django.load_app('notes')" in done.stdout
    assert {server.get("/notes/")[0] for _ in range(20)} == {200}


@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn", "runserver"])
def test_apps_come_and_go_under_load(serve, kind: str) -> None:
    """As in tests/soak/test_django_cycles.py, at a hundredth of its size."""
    if kind == "gunicorn" and not hasattr(os, "fork"):
        pytest.skip("gunicorn needs fork")
    server = serve(kind)
    (webui,) = running_webuis()
    assert (webui.pid == server.process.pid) is (kind == "uvicorn")
    assert with_live_details(webui, timeout=60).address == f"http://127.0.0.1:{server.port}"
    found = cycles(server, 1, "site_settings")
    assert found["errors"] == []
    assert found["writer errors"] == "[]"
    assert found["requests"] > 0
    assert found["by accessor"] > 0
    if kind == "uvicorn":
        late = small_app(server.apps, "late", models=LATE)
        do("load", "late")
        late.edit("models.py", "# more", "size = models.IntegerField()")
        with pytest.raises(LivepatchError, match="taken back everywhere") as caught:
            do("reload", "late")
        assert "the tables of late could not be changed: IntegrityError" in caught.value.found
        late.edit("models.py", "IntegerField()", "IntegerField(default=3)")
        assert "add field size to row" in do("reload", "late")
    if kind == "runserver":
        # Nor has its autoreloader started it again.
        assert [found.pid for found in running_webuis()] == [webui.pid]
        done = server.manage("livepatch", "load", "nothing_there")
        assert done.returncode == 1
        assert "no module 'nothing_there'" in done.stderr
        assert "Traceback" not in done.stderr
        copy_app(server.apps)
        done = server.manage("livepatch", "load", "notes", "--url-prefix", "other/")
        assert done.stdout.startswith("loaded notes"), done.stderr
        assert server.get("/other/")[0] == 200


def test_no_other_command_gets_a_kernel(here) -> None:
    server = Server("runserver", here)
    checked = server.manage("check")
    assert checked.returncode == 0, checked.stderr
    assert ATTACHED not in checked.stdout + checked.stderr
    done = server.manage("livepatch", "load", "notes")
    assert done.returncode == 1
    assert "no process of that name has" in done.stderr
    assert "INSTALLED_APPS" in done.stderr
    assert not list(here.runtime.glob("*.json"))


def test_the_notebook_runs_against_the_small_project(serve) -> None:
    server = serve("runserver")
    (webui,) = running_webuis()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert [
        cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs
    ] == []
    place = server.place
    client = NotebookClient(
        notebook,
        kernel_name="livepatch-site_settings",
        timeout=100,
        resources={"metadata": {"path": str(place.folder)}},
    )
    with pytest.MonkeyPatch.context() as patched:
        for name, value in place.environment.items():
            patched.setenv(name, value)
        client.execute(env=place.environment)
    said = "\n".join(
        output.get("text", "") or str(output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    for line in (
        "'greeted 1 times', 'greeted 2 times'",
        "made greetings_greeting",
        "add field tone to greeting",
        "greeted in a friendly tone 3 times",
        "hello from a cell",
        "404 Not Found",
        "kept in the database: greetings_greeting",
    ):
        assert line in said, said
    (broken,) = [
        cell for cell in notebook.cells if "raises-exception" in cell.metadata.get("tags", ())
    ]
    (error,) = [output for output in broken.outputs if output.output_type == "error"]
    assert len(error.traceback) == 3
    assert "missing_name" in error.traceback[1]
    assert [found.pid for found in running_webuis()] == [webui.pid]
    assert server.get("/hello/")[0] == 404
