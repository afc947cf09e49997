"""``livepatch attach PID`` of another user: refused, or by root, and all of it that user's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from attach_support import BY_HYPNO, with_remote_exec
from reach_support import WEBUI

from livepatch.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="accounts are made as on Linux"
)

NO_ACCOUNT = SimpleNamespace(pw_name="#54321", pw_uid=54321, pw_gid=54321, pw_dir="/nonexistent")
LIVEPATCH = (sys.executable, "-m", "livepatch")


class Theirs:
    """A folder of another user, in which a webui of that user runs."""

    def __init__(self, folder: Path, account: Any, command_as: Any) -> None:
        self.account, self.command_as, self.folder = account, command_as, folder / "theirs"
        folder.chmod(0o755)
        self.folder.mkdir()
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.script = folder / "greeter.py"
        self.script.write_text(WEBUI)
        self.script.chmod(0o644)
        self.runtime = self.folder / "rt"
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self.plain = {**kept, "LIVEPATCH_STATE_DIR": str(self.folder / "state")}
        self.environment = {
            **self.plain,
            "HOME": str(self.folder),
            "LIVEPATCH_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
        }

    def serve(self, account: Any, *command: str) -> subprocess.Popen[str]:
        """Start a webui that says one line when it serves."""
        webui = subprocess.Popen(
            [*self.command_as(account), *command],
            cwd="/",
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert webui.stdout is not None
        assert webui.stdout.readline().strip()
        return webui

    def livepatch(
        self, account: Any, *arguments: str, python: tuple[str, ...] = LIVEPATCH, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line as that account, None for root, who has none of their variables."""
        return subprocess.run(
            [*self.command_as(account), *python, *arguments],
            cwd="/",
            env=self.plain if account is None else self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            **options,
        )

    def owners(self) -> set[int]:
        """Who owns what is in their folder."""
        return {path.lstat().st_uid for path in (self.folder, *self.folder.rglob("*"))}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


def refusal(found: subprocess.CompletedProcess[str]) -> list[str]:
    lines = found.stderr.splitlines()
    assert (found.returncode, found.stdout, len(lines)) == (2, "", 3), found.stderr
    return lines


def test_another_users_process_is_refused(folder: Path, make_user: Any, command_as: Any) -> None:
    victim, other = make_user(), make_user()
    theirs = Theirs(folder, victim, command_as)
    with theirs.serve(victim, sys.executable, str(theirs.script)) as webui:
        try:
            command = [*command_as(other), *LIVEPATCH, "attach", str(webui.pid)]
            lines = refusal(subprocess.run(command, cwd="/", capture_output=True, text=True))
            assert lines[1].startswith(f"it is a process of user {victim.pw_uid}, not yours")
            assert len(os.listdir(f"/proc/{webui.pid}/task")) == 1
            assert not theirs.runtime.exists()
        finally:
            webui.kill()


@pytest.mark.parametrize("has_account", [True, False], ids=["account", "number only"])
@pytest.mark.parametrize("way", ["hypno", "remote_exec"])
def test_for_root_the_kernel_is_the_owners_and_so_is_all_that_belongs_to_it(
    folder: Path, make_user: Any, command_as: Any, has_account: bool, way: str
) -> None:
    if way == "hypno" and not BY_HYPNO:
        pytest.skip("Python can do it itself")
    victim = make_user() if has_account else NO_ACCOUNT
    theirs = Theirs(folder, victim, command_as)
    python = LIVEPATCH
    if way == "remote_exec" and BY_HYPNO:
        python = with_remote_exec(
            "import hypno, os",
            f"assert os.geteuid() == 0 and os.stat(script).st_uid == {victim.pw_uid}",
            "hypno.inject_py(pid, f'exec(open({script!r}).read())')",
        )
    with theirs.serve(victim, sys.executable, str(theirs.script)) as webui:
        try:
            found = theirs.livepatch(None, "attach", str(webui.pid), python=python)
            assert (found.returncode, found.stderr) == (0, "")
            name = victim.pw_name if has_account else "'#54321'"
            assert found.stdout == (
                f"attached to greeter (pid {webui.pid}); open a notebook on it: "
                f"sudo -u {name} livepatch lab greeter\n"
            )
            (listed,) = json.loads(theirs.livepatch(victim, "list", "--json").stdout)
            assert listed["pid"] == webui.pid
            code = "import os; os.getuid()"
            assert theirs.livepatch(victim, "exec", "-c", code).stdout == f"{victim.pw_uid}\n"
            assert theirs.owners() == {victim.pw_uid}
            assert theirs.runtime.stat().st_mode & 0o777 == 0o700
            assert [path.name for path in theirs.runtime.iterdir() if "-" not in path.name] == [
                "greeter.key"
            ]
            # A second time it is the same kernel.
            again = theirs.livepatch(None, "attach", str(webui.pid), python=python)
            assert (again.returncode, again.stdout) == (0, found.stdout)
            assert theirs.livepatch(victim, "detach", "greeter").returncode == 0
        finally:
            webui.kill()


def test_root_is_killed_and_nothing_goes_on(folder: Path, make_user: Any, command_as: Any) -> None:
    victim = make_user()
    theirs = Theirs(folder, victim, command_as)
    with theirs.serve(victim, sys.executable, str(theirs.script)) as webui:
        try:
            webui.send_signal(signal.SIGSTOP)
            command = [*command_as(None), *LIVEPATCH, "attach", str(webui.pid)]
            with subprocess.Popen(command, cwd="/", env=theirs.plain) as root:
                while not (theirs.runtime.is_dir() and [*theirs.runtime.glob(".ask-*")]):
                    assert root.poll() is None
                    time.sleep(0.01)
                (entry,) = theirs.runtime.glob(".ask-*")
                root.kill()
            child = int(entry.name.split("-")[1])
            deadline = time.monotonic() + 30
            while is_alive(child):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            webui.send_signal(signal.SIGCONT)
            while len(os.listdir(f"/proc/{webui.pid}/task")) > 1:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert not entry.exists()
            assert json.loads(theirs.livepatch(victim, "list", "--json").stdout) == []
        finally:
            webui.kill()


def test_for_root_too_what_is_refused_is_three_lines(
    folder: Path, make_user: Any, command_as: Any
) -> None:
    victim = make_user()
    theirs = Theirs(folder, victim, command_as)
    with theirs.serve(victim, "sh", "-c", "echo ready; exec sleep 99") as webui:
        try:
            lines = refusal(theirs.livepatch(None, "attach", str(webui.pid)))
            assert lines[1].startswith("no Python runs in it: ")
        finally:
            webui.kill()


def test_a_process_that_can_become_root_again_is_left_alone(
    folder: Path, make_user: Any, command_as: Any
) -> None:
    victim = make_user()
    theirs = Theirs(folder, victim, command_as)
    uid = victim.pw_uid
    code = f"import os, time; os.setresuid({uid}, {uid}, 0); print(1, flush=True); time.sleep(99)"
    with theirs.serve(None, sys.executable, "-c", code) as webui:
        try:
            lines = refusal(theirs.livepatch(None, "attach", str(webui.pid)))
            assert lines[1].endswith(f"that can become another user: user 0, user {uid}")
            assert len(os.listdir(f"/proc/{webui.pid}/task")) == 1
        finally:
            webui.kill()


def test_a_python_that_the_owner_cannot_read(folder: Path, make_user: Any) -> None:
    python = Path(os.path.realpath(sys.executable))
    if all(parent.stat().st_mode & 0o001 for parent in python.parents):
        pytest.skip("everybody can read this Python")
    victim = make_user()
    theirs = Theirs(folder, victim, lambda _: [])
    program = theirs.folder / f"python3.{sys.version_info.minor}"  # told by its name; it is `sleep`
    shutil.copy(str(shutil.which("sleep")), program)
    with subprocess.Popen([program, "60"], user=victim.pw_uid) as other:
        try:
            lines = refusal(theirs.livepatch(None, "attach", str(other.pid)))
            assert (
                f"process of {victim.pw_name} (uid {victim.pw_uid}), who may not read" in lines[1]
            )
        finally:
            other.kill()
