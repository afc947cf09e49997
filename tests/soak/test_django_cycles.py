"""50 cycles of load, reload, broken reload and unload on each kind of server, under load."""

from __future__ import annotations

import pytest
from django_load import cycles
from django_servers import Server
from reach_support import place


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn", "runserver"])
def test_fifty_cycles(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with place() as here:
        monkeypatch.setenv("LIVEPATCH_RUNTIME_DIR", str(here.runtime))
        server = Server(kind, here)
        try:
            found = cycles(server.start(), 50, "site_settings")
        finally:
            server.end()
    print(kind, found)
    assert found["errors"] == []
    assert found["writer errors"] == "[]"
    assert found["requests"] > 1000
