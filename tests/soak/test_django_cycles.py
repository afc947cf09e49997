"""50 cycles of load, reload, broken reload and unload on each kind of server, under load."""

from __future__ import annotations

import contextlib
import json

import pytest
from django_load import cycles
from django_servers import Server
from postgres_support import postgres, programs
from reach_support import place

from .sizes import size

CYCLES = size("DJANGO", full=50, reduced=3)
pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize("migrations", [False, True], ids=["models", "migrations"])
@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn", "runserver"])
def test_fifty_cycles(
    kind: str, database: str, migrations: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database == "PostgreSQL" and programs() is None:
        pytest.skip("no PostgreSQL is installed here")
    with contextlib.ExitStack() as stack:
        environment = {}
        if database == "PostgreSQL":
            environment["SITE_POSTGRES"] = json.dumps(stack.enter_context(postgres()))
        here = stack.enter_context(place())
        monkeypatch.setenv("LIVEPATCH_RUNTIME_DIR", str(here.runtime))
        server = Server(kind, here, **environment)
        stack.callback(server.end)
        try:
            found = cycles(server.start(), CYCLES, "site_settings", migrations=migrations)
        except BaseException:
            print("".join(server.lines)[-10_000:])
            raise
    print(kind, database, "with migrations" if migrations else "", found)
    said = "".join(server.lines)
    assert found["errors"] == [], said[-10_000:]
    assert found["writer errors"] == "[]"
    assert found["requests"] > 10 * CYCLES
