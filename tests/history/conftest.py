"""What the tests of the journal share."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
from journal_support import KEEPS, start

import livepatch as lp
from livepatch.history.places import Place


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the sessions of the webui ``a-webui`` lie; nothing is kept yet."""
    monkeypatch.setenv("LIVEPATCH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(lp.journal, "_entries", deque(maxlen=100))
    yield Place.of("A Webui")
    lp.journal.end()


@pytest.fixture
def kept(place):
    """The same, and this process writes there from now on."""
    lp.journal.keep("A Webui")
    return place


@pytest.fixture
def sibling(place):
    """Starts processes that keep the same journal; they run until the test's end, or are killed."""
    started = []

    def begin(*lines):
        script = KEEPS + "\n".join(lines) + "\nprint(lp.journal.path, flush=True)\ninput()"
        process = start(script, state=place.folder.parent.parent)
        started.append(process)
        path = process.stdout.readline().strip()
        assert path, process.stderr.read()
        return process, int(Path(path).name.partition(".")[0])

    yield begin
    for process in started:
        process.kill()
        process.communicate()
