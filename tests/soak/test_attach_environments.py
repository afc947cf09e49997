"""``livepatch attach PID`` of processes with environments of their own, and of many in turn."""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attach_support import BY_HYPNO, STATE_SERVER, attach, refusal

import livepatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reach_support import Place, RunningWebui

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the cases are Linux's"
)

if BY_HYPNO:
    pytest.importorskip("hypno")


def bare_environment(here: Place) -> Path:
    """A Python of ours without any package."""
    folder = here.folder / "bare"
    venv.create(folder, with_pip=False, symlinks=True)
    return folder


def pretend(environment: Path, name: str, version: str) -> None:
    """Another version of a distribution in that environment."""
    (packages,) = environment.glob("lib/python*/site-packages")
    information = packages / f"{name}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )


def test_an_environment_without_livepatch_borrows_it_and_nothing_else(here: Place) -> None:
    here.script.write_text(STATE_SERVER)
    webui = here.start_unprepared(str(bare_environment(here) / "bin/python"))
    before = webui.get()
    for _ in range(2):
        attach(here, webui, "--name", "bare")
        code = "%load_ext livepatch\nimport IPython, zmq, tornado\n"
        code += (
            "from livepatch.this_webui.memory import resident_bytes\nint(resident_bytes() > 10**6)"
        )
        assert here.livepatch("exec", "bare", "-c", code).stdout == "1\n"
        versions = (
            "from importlib.metadata import entry_points, version\n"
            "version('prompt_toolkit'), version('IPython'), list(entry_points())"
        )
        ours = (importlib.metadata.version(name) for name in ("prompt_toolkit", "IPython"))
        assert here.livepatch("exec", "bare", "-c", versions).stdout == f"{(*ours, [])}\n"
        for foreign in ("pytest", "PIL", "websocket", "jupyter_server"):
            absent = here.livepatch("exec", "bare", "-c", f"import {foreign}")
            assert "ModuleNotFoundError" in absent.stderr
        assert webui.get() != before
        assert here.livepatch("detach", "bare").returncode == 0
        deadline = time.monotonic() + 30  # the thread that has detached is on its way out
        while webui.get() != before:
            assert time.monotonic() < deadline, webui.get()


@pytest.mark.parametrize(("package", "version"), [("tornado", "4.5.3"), ("psutil", "5.6.7")])
def test_packages_that_do_not_fit_ours_are_named_before_anything_is_loaded(
    here: Place, package: str, version: str
) -> None:
    environment = bare_environment(here)
    pretend(environment, package, version)
    webui = here.start_unprepared(str(environment / "bin/python"))
    lines = refusal(here, webui.pid)
    assert f"{package} {version} is there, " in lines[1]
    assert f"needs {package}>=" in lines[1]
    kept = f"-m pip install livepatch {package}=={version} (which keeps that version)"
    assert lines[2].endswith(f"bin/python {kept}")
    assert webui.get() == "hello"


@pytest.mark.parametrize("open_to_all", [".", "livepatch"])
def test_packages_that_everybody_can_write_are_not_lent(here: Place, open_to_all: str) -> None:
    """Whoever wrote there would run code in the webui."""
    library = here.folder / "library"
    shutil.copytree(Path(livepatch.__file__).parent, library / "livepatch")
    for path in (library, *library.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    writable = library / open_to_all
    writable.chmod(0o777)
    webui = here.start_unprepared(str(bare_environment(here) / "bin/python"))
    here.environment["PYTHONPATH"] = str(library)
    lines = refusal(here, webui.pid)
    assert f"this one cannot be lent: {writable} is writable by everybody" in lines[1]
    assert f"chmod o-w {writable}" in lines[2]
    assert "-m pip install livepatch" in lines[2]
    assert webui.get() == "hello"
    writable.chmod(0o755)
    attach(here, webui)


def test_another_livepatch_in_its_environment_is_the_one_to_use(here: Place) -> None:
    environment = bare_environment(here)
    pretend(environment, "livepatch", "0.0.1")
    webui = here.start_unprepared(str(environment / "bin/python"))
    lines = refusal(here, webui.pid)
    assert "its environment has livepatch 0.0.1" in lines[1]
    assert webui.get() == "hello"


def test_a_python_of_another_minor_version(here: Place) -> None:
    program = here.folder / "python3.8"  # told by its name; it is `cat`
    shutil.copy(str(shutil.which("cat")), program)
    with subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        lines = refusal(here, other.pid)
        assert lines[1].startswith(f"it runs Python 3.8 ({program}), this is Python 3.")
        assert lines[2].endswith(f"{program} -m livepatch attach {other.pid}")
        assert other.communicate(b"unharmed")[0] == b"unharmed"


@contextlib.contextmanager
def used_throughout(webui: RunningWebui) -> Iterator[None]:
    """Somebody asks the webui again and again, and no request fails."""
    stop, failures, answers = threading.Event(), [], []

    def use() -> None:
        while not stop.wait(0.005):
            try:
                answers.append(webui.get())
            except Exception as error:
                failures.append(error)

    user = threading.Thread(target=use)
    user.start()
    try:
        yield
    finally:
        stop.set()
        user.join(30)
    assert failures == []
    assert len(answers) > 20
    assert set(answers) == {"hello"}


def test_many_processes_in_turn_lose_no_request(here: Place) -> None:
    """The same as tests/benchmarks/attach.py, with the standard library's server."""
    for _ in range(3):
        webui = here.start_unprepared()
        with used_throughout(webui):
            attach(here, webui)
            assert here.livepatch("detach", str(webui.pid)).returncode == 0
        webui.end()
