"""The runtime folder: whose it is, what is made in it, and what is removed from it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from account_support import run_as
from reach_support import Place, place

from livepatch.errors import FileNotTrusted, LivepatchError
from livepatch.reach import folder as folders
from livepatch.reach.webuis import running_webuis

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")
as_root = pytest.mark.skipif(
    os.name == "posix" and os.geteuid() != 0, reason="only root can give files away"
)
SOMEBODY = 54321  # an id that has no account
FOUND = ("-c", "import livepatch.reach.folder as folders; print(folders.runtime_folder())")


@pytest.fixture
def here(monkeypatch):
    with place() as folder:
        monkeypatch.setenv("LIVEPATCH_RUNTIME_DIR", str(folder.runtime))
        yield folder


def refusal():
    with pytest.raises(LivepatchError) as refused:
        folders.runtime_folder()
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert "LIVEPATCH_RUNTIME_DIR=~/.livepatch" in lines[2]
    return lines[1]


def test_the_folder_is_the_users_alone(here: Place) -> None:
    assert stat.S_IMODE(folders.runtime_folder().stat().st_mode) == 0o700
    here.runtime.chmod(0o755)
    assert stat.S_IMODE(folders.runtime_folder().stat().st_mode) == 0o700
    here.runtime.chmod(0o777)
    assert "mode 0777" in refusal()


@as_root
def test_a_folder_of_somebody_else_is_refused(here: Place, monkeypatch) -> None:
    os.chown(folders.runtime_folder(), SOMEBODY, -1)
    assert f"belongs to uid {SOMEBODY}" in refusal()
    monkeypatch.setenv("LIVEPATCH_TRUST_UIDS", str(SOMEBODY))  # his code may run, but not here
    assert f"belongs to uid {SOMEBODY}" in refusal()


@pytest.mark.parametrize("what", ["a file", "a link", "a dangling link", "under a file"])
def test_something_else_in_its_place_is_three_lines_for_every_command(
    here: Place, what: str
) -> None:
    if what == "a link":
        (here.folder / "elsewhere").mkdir()
        here.runtime.symlink_to(here.folder / "elsewhere")
    elif what == "a dangling link":
        here.runtime.symlink_to(here.folder / "nowhere")
    elif what == "under a file":
        (here.folder / "file").touch()
        here.environment["LIVEPATCH_RUNTIME_DIR"] = str(here.folder / "file" / "rt")
    else:
        here.runtime.touch()
    for command in (["list"], ["exec", "-c", "1"], ["lab"], ["detach", "x"]):
        found = here.livepatch(*command)
        assert (found.returncode, found.stdout) == (2, "")
        assert len(found.stderr.splitlines()) == 3, found.stderr
        assert "LIVEPATCH_RUNTIME_DIR=~/.livepatch" in found.stderr


@as_root
def test_a_link_swapped_in_above_the_folder_is_not_followed(here: Place, make_user) -> None:
    """Defect 80: through it the record of another user named a file to be removed."""
    attacker = make_user()
    shared = here.folder / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    here.folder.chmod(0o755)
    victim = here.folder / "victim"
    victim.write_text("kept")
    Path(f"{victim}-1").write_text("kept")
    crafted = here.folder / "crafted"
    (crafted / "rt").mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    record = {
        "transport": "ipc",
        "ip": str(victim),
        "hb_port": 1,
        "key": "k",
        "livepatch": {"name": "x", "pid": dead.pid, "since": "2026", "python": "3.11"},
    }
    (crafted / "rt" / f"x-{dead.pid}.json").write_text(json.dumps(record))
    os.chown(crafted, attacker.pw_uid, attacker.pw_gid)
    (shared / "own").symlink_to(crafted)
    os.chown(shared / "own", attacker.pw_uid, attacker.pw_gid, follow_symlinks=False)
    found = here.livepatch("list", LIVEPATCH_RUNTIME_DIR=str(shared / "own" / "rt"))
    assert Path(f"{victim}-1").read_text() == "kept"
    assert found.returncode == 2
    assert f"{shared} is writable by everybody" in found.stderr
    shared.chmod(0o755)
    found = here.livepatch("list", LIVEPATCH_RUNTIME_DIR=str(shared / "own" / "rt"))
    assert f"own belongs to {attacker.pw_name}" in found.stderr


def test_without_the_variable_the_folder_lies_in_the_users_runtime_folder(
    here: Place, monkeypatch
) -> None:
    monkeypatch.delenv("LIVEPATCH_RUNTIME_DIR")
    here.folder.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(here.folder))
    folder = folders.runtime_folder()
    assert folder.name == "livepatch"
    if sys.platform.startswith("linux"):
        assert folder == here.folder / "livepatch"


@pytest.fixture
def shared_folder(a_user):
    """``/tmp/runtime-UID`` of a user for whom the system has made no folder."""
    path = Path(f"/tmp/runtime-{a_user.pw_uid}")
    yield path
    if path.is_symlink() or path.is_file():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def test_a_user_whom_the_system_gives_no_folder_has_one_below_tmp(
    a_user, command_as, shared_folder
) -> None:
    found = run_as(command_as, a_user, *FOUND)
    assert found.stdout.strip() == f"{shared_folder}/livepatch", found.stderr
    assert shared_folder.stat().st_uid == a_user.pw_uid
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (shared_folder, shared_folder / "livepatch")]
    assert modes == [0o700, 0o700]


@pytest.mark.parametrize("what", ["somebody's folder", "open to all", "a link", "a file"])
def test_who_makes_that_folder_first_keeps_nobody_from_working(
    a_user, make_user, command_as, shared_folder, what: str
) -> None:
    """Defect 81: a pre-created ``/tmp/runtime-UID`` was a traceback in every command."""
    other = make_user()
    if what == "a link":
        shared_folder.symlink_to(other.pw_dir)
        os.chown(shared_folder, other.pw_uid, other.pw_gid, follow_symlinks=False)
    else:
        shared_folder.touch() if what == "a file" else shared_folder.mkdir()
        shared_folder.chmod(0o777 if what == "open to all" else 0o755)
        os.chown(shared_folder, other.pw_uid, other.pw_gid)
    found = run_as(command_as, a_user, "-m", "livepatch", "list")
    assert found.stderr.startswith("no webui with a livepatch kernel is running")
    assert (found.stdout, found.returncode) == ("", 0)
    (folder,) = run_as(command_as, a_user, *FOUND).stdout.split()
    home = Path(a_user.pw_dir)
    assert Path(folder).parent == home / ".local/state/livepatch"
    made = [home / ".local", home / ".local/state", Path(folder).parent, Path(folder)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


def test_the_variable_of_the_user_who_typed_sudo_counts_for_nothing(
    a_user, make_user, command_as, shared_folder
) -> None:
    """``su`` and ``sudo -E`` keep ``XDG_RUNTIME_DIR``; root could write there."""
    other = make_user()
    found = run_as(command_as, a_user, *FOUND, XDG_RUNTIME_DIR=other.pw_dir)
    assert found.stdout.strip() == f"{shared_folder}/livepatch"
    assert list(Path(other.pw_dir).glob("livepatch")) == []


def test_a_long_path_gets_a_short_folder_for_its_sockets(here: Place) -> None:
    long = here.folder / ("x" * 90)
    webui = here.start(LIVEPATCH_RUNTIME_DIR=str(long))
    found = here.livepatch("exec", "-c", "6 * 7", LIVEPATCH_RUNTIME_DIR=str(long))
    assert (found.stdout, found.returncode) == ("42\n", 0)
    (record,) = long.glob("*.json")
    sockets = Path(json.loads(record.read_text())["ip"]).parent
    assert sockets.name.startswith("lp-")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    webui.end()
    here.livepatch("list", LIVEPATCH_RUNTIME_DIR=str(long))
    assert not sockets.exists()
    webui = here.start(LIVEPATCH_RUNTIME_DIR=str(long))
    (record,) = long.glob("*.json")
    sockets = Path(json.loads(record.read_text())["ip"]).parent
    assert here.livepatch("detach", "greeter", LIVEPATCH_RUNTIME_DIR=str(long)).returncode == 0
    assert not sockets.exists()


CLIENT = """
import os, signal
from jupyter_client import KernelManager
manager = KernelManager(kernel_name="livepatch-greeter")
manager.start_kernel()
for step in range(2):
    print(os.path.dirname(manager.ip), flush=True)
    manager.restart_kernel() if input() == "restart" else manager.shutdown_kernel()
"""


def test_a_clients_links_have_a_name_that_nobody_foresees_and_go_with_it(here: Place) -> None:
    """Defect 82: the folder was made again under a name that everybody had seen."""
    long = here.folder / ("x" * 90)
    here.environment["LIVEPATCH_RUNTIME_DIR"] = str(long)
    here.start()

    def client():
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            env=here.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with client() as orderly:
        links = Path(orderly.stdout.readline().strip())
        assert links.name.startswith("lp-")
        assert stat.S_IMODE(links.stat().st_mode) == 0o700
        made = links.stat().st_ino
        orderly.stdin.write("restart\n")
        orderly.stdin.flush()
        assert orderly.stdout.readline().strip() == str(links)
        assert links.stat().st_ino == made  # never removed in between: nobody else could make it
        orderly.stdin.write("end\n")
        orderly.stdin.close()
        assert orderly.wait(30) == 0
    assert not links.exists()
    assert list(long.glob("c-*")) == []

    with client() as killed:
        links = Path(killed.stdout.readline().strip())
        here.livepatch("list")
        assert links.is_dir()  # it lives
        killed.kill()
    here.end_webuis()
    here.livepatch("list")
    assert not links.exists()
    assert [path.name for path in long.iterdir()] == ["greeter.key"]


def test_what_is_removed_is_computed_and_nothing_is_followed(here: Place) -> None:
    """Records of the dead name sockets; only links and sockets of that very name are removed."""
    folder = folders.runtime_folder()
    webui = here.start()
    (found,) = running_webuis()
    os.kill(webui.pid, signal.SIGKILL)
    webui.process.wait()
    elsewhere = here.folder / "elsewhere"
    elsewhere.mkdir()
    kept = [elsewhere / "greeter-1", Path(f"{found.connection['ip']}-7")]
    for path in kept:
        path.write_text("kept")
    Path(f"{found.connection['ip']}-8").symlink_to(kept[0])
    record = dict(found.connection, ip=str(elsewhere / "greeter"))
    (folder / f"greeter-{webui.pid}.json").write_text(json.dumps(record))
    assert running_webuis() == []
    assert len(list(folder.glob("greeter-*-1"))) == 1  # that record was passed over
    (folder / f"greeter-{webui.pid}.json").write_text(json.dumps(found.connection))
    assert running_webuis() == []
    assert [path.read_text() for path in kept] == ["kept", "kept"]
    assert {path.name for path in folder.iterdir()} == {"greeter.key", kept[1].name}


@as_root
def test_a_short_folder_of_somebody_else_is_not_entered(here: Place, monkeypatch) -> None:
    folder = folders.runtime_folder()
    here.folder.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    theirs = here.folder / "lp-theirs"
    theirs.mkdir(mode=0o700)
    stem = f"c-{dead.pid}-12345678"
    (theirs / f"{stem}-1").symlink_to("/nowhere")
    os.chown(theirs, SOMEBODY, -1)
    (folder / f"{stem}-0").symlink_to(theirs)
    running_webuis()
    assert not (folder / f"{stem}-0").is_symlink()
    assert (theirs / f"{stem}-1").is_symlink()


def test_the_key_is_one_and_the_same_for_all_who_start_at_once(here: Place) -> None:
    folder = folders.runtime_folder()
    code = (
        "import sys; from pathlib import Path; from livepatch.reach.folder import connection_key;"
        "input(); print(connection_key(Path(sys.argv[1]), 'web').decode())"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in starting:
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate()[0] for process in starting}
    assert keys == {(folder / "web.key").read_text() + "\n"}


@pytest.mark.parametrize(
    ("content", "said"), [("x" * 64, "not 64 hexadecimal"), ("y" * 2000, "longer than")]
)
def test_a_key_that_is_none_is_refused_and_says_how_to_get_one(
    here: Place, content: str, said: str
) -> None:
    folder = folders.runtime_folder()
    (folder / "web.key").write_text(content)
    with pytest.raises(LivepatchError, match=said):
        folders.connection_key(folder, "web")
    (folder / "web.key").unlink()
    (folder / "web.key").symlink_to("/etc/hostname")
    with pytest.raises(FileNotTrusted, match="is a link"):
        folders.connection_key(folder, "web")
