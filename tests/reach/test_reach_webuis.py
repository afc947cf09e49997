"""Finding webuis: the runtime folder, the records in it, and the choice among them."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from reach_support import Place, place

from livepatch.errors import AttachFailed, WebuiAmbiguous, WebuiNotFound
from livepatch.processes.process import is_alive, start_time
from livepatch.reach import folder as folders
from livepatch.reach.hearing import with_live_details
from livepatch.reach.webuis import choose, running_webuis

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place() as folder:
        monkeypatch.setenv("LIVEPATCH_RUNTIME_DIR", str(folder.runtime))
        yield folder


def test_a_running_webui_is_found_with_its_facts_and_gone_when_it_ended(here: Place) -> None:
    webui = here.start()
    (found,) = running_webuis()
    assert (found.name, found.pid) == ("greeter", webui.pid)
    assert found.since.endswith("+00:00")
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.connection["key"] not in json.dumps(found.as_dict())
    assert with_live_details(found, timeout=10).flavor is not None

    sockets = list(here.runtime.glob("greeter-*-*"))
    assert sockets
    webui.end()
    assert running_webuis() == []
    assert [path.name for path in here.runtime.iterdir()] == ["greeter.key"]


LAUNCHER = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def test_a_webui_is_known_by_the_process_that_its_python_started(here: Place) -> None:
    """On Windows the Python of a virtual environment starts another one, and waits for it."""
    run = [sys.executable, "-m", "livepatch", "run", str(here.script)]
    launcher = here.serve([sys.executable, "-c", LAUNCHER, *run], env=here.environment)
    (found,) = running_webuis()
    try:
        assert found.pid != launcher.pid
        assert found.was_started_as(launcher.pid)
        assert found.was_started_as(found.pid)
        assert not found.was_started_as(os.getpid())
    finally:
        os.kill(found.pid, signal.SIGTERM)
        launcher.process.wait(20)


def test_a_record_of_a_reused_pid_is_swept(here: Place) -> None:
    webui = here.start()
    (found,) = running_webuis()
    record = dict(found.connection, livepatch={**found.connection["livepatch"], "started": "1"})
    found.connection_file.write_text(json.dumps(record))
    assert running_webuis() == []
    assert is_alive(webui.pid)
    assert not found.connection_file.exists()


def test_what_the_dead_left_half_done_is_swept_and_what_the_living_write_is_not(
    here: Place,
) -> None:
    folder = folders.runtime_folder()
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    for pid in (dead.pid, os.getpid()):
        (folder / f".x-{pid}.json.{pid}").touch()  # a connection file on a full disk
        (folder / f"inject-{pid}.py").touch()  # a script for a main thread that never came
    assert running_webuis() == []
    left = {f".x-{os.getpid()}.json.{os.getpid()}", f"inject-{os.getpid()}.py"}
    assert {path.name for path in folder.iterdir()} == left


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM")
def test_nothing_is_left_of_a_kernel_but_what_is_swept_when_its_webui_is_terminated(
    here: Place,
) -> None:
    """The user has no IPython profile; SIGTERM makes no exit call."""
    temporary = here.folder / "tmp"
    temporary.mkdir()
    webui = here.start(TMPDIR=str(temporary))
    assert here.livepatch("exec", "-c", "%load_ext storemagic\nx = 1\n%store x").returncode == 0
    webui.process.terminate()
    webui.process.wait(20)
    assert running_webuis() == []
    assert list(temporary.iterdir()) == []
    assert not (here.folder / "ipython").exists()
    assert [path.name for path in here.runtime.iterdir()] == ["greeter.key"]


def test_a_choice_names_what_runs(here: Place) -> None:
    with pytest.raises(WebuiNotFound, match="livepatch run SCRIPT"):
        choose()
    first = here.start("--name", "One")
    assert choose().pid == first.pid
    second = here.start("--name", "two")
    assert choose("ONE").pid == first.pid
    assert choose(second.pid).name == "two"
    with pytest.raises(WebuiAmbiguous) as ambiguous:
        choose()
    assert f"one (pid {first.pid})" in ambiguous.value.found
    assert f"two (pid {second.pid})" in ambiguous.value.found
    with pytest.raises(WebuiNotFound, match=r"two \(pid"):
        choose("three")
    third = here.start("--name", "two")
    with pytest.raises(WebuiAmbiguous, match="choose one by its pid"):
        choose("two")
    assert choose(str(third.pid)).pid == third.pid


def test_a_webui_of_the_same_name_has_the_same_key_after_a_restart(here: Place) -> None:
    here.start("--name", "web").end()
    key = (here.runtime / "web.key").read_bytes()
    here.start("--name", "web")
    assert choose("web").connection["key"] == key.decode()
    assert stat.S_IMODE((here.runtime / "web.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(choose("web").connection_file.stat().st_mode) == 0o600


def test_names_are_made_normal_or_refused() -> None:
    assert folders.normal_name("My WebUI (2)") == "my-webui-2"
    assert folders.normal_name("../../etc") == "etc"
    with pytest.raises(AttachFailed, match="a-z"):
        folders.normal_name("…")


def test_a_process_is_told_from_its_successor() -> None:
    assert is_alive(os.getpid(), start_time(os.getpid()))
    assert not is_alive(os.getpid(), "another time")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = start_time(child.pid)
        assert is_alive(child.pid, started)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(child.pid, started)  # a zombie
    assert not is_alive(child.pid)
    assert start_time(child.pid) is None
