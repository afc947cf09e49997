"""Code of one account in a webui of another: what works, what is refused, what allows it.

The table "Other accounts" of docs/security.md, with real accounts.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from account_support import environment_of, run_as
from install_support import LOADERS, webui_folder
from install_support import WEBUI as LOADING
from reach_support import WEBUI, place

pytest.importorskip("watchfiles")

PATCH = "import livepatch as lp\nlp.replace('string.capwords', lambda text: 'patched')\n"
WATCH = """
import sys, livepatch as lp, string
watched = lp.watch({folder!r})
print(string.capwords("own"), [error.message for error in watched.errors])
"""
CAPWORDS = "import string, livepatch.watching.watches as w; print(string.capwords('own'), "
CAPWORDS += "[e.message for one in w.watches() for e in one.errors])"


class Account:
    """An account with a folder of its own that others may read, and webuis that it runs."""

    def __init__(self, entry, command_as, here) -> None:
        self.entry, self._command_as, self._here = entry, command_as, here
        self.uid = os.geteuid() if entry is None else entry.pw_uid
        self.home = here.folder / "root" if entry is None else Path(entry.pw_dir)
        self.home.mkdir(exist_ok=True)
        self.home.chmod(0o755)
        self.environment = {"LIVEPATCH_RUNTIME_DIR": str(self.home / "rt"), "HOME": str(self.home)}

    def python(self, *arguments, **options):
        return run_as(self._command_as, self.entry, *arguments, **{**self.environment, **options})

    def livepatch(self, *arguments, **options):
        return self.python("-m", "livepatch", *arguments, **options)

    def start(self, *arguments, **variables):
        """Start a webui of this account, and wait until it serves."""
        command = [*self._command_as(self.entry), sys.executable, *arguments]
        environment = environment_of(self.entry or _root(), **{**self.environment, **variables})
        return self._here.serve(command, skipped=[], env=environment)

    def write(self, name, text, mode=0o644):
        """A file of this account; its folders are made."""
        path = self.home / name
        missing = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        for made in (path, *missing):
            os.chown(made, self.uid, -1 if self.entry is None else self.entry.pw_gid)
        return path


def _root():
    import pwd

    return pwd.getpwuid(0)


@pytest.fixture
def here():
    with place() as folder:
        folder.folder.chmod(0o755)
        yield folder


@pytest.fixture
def account(make_user, command_as, here):
    yield lambda entry=None, *, root=False: Account(
        None if root else entry or make_user(), command_as, here
    )
    here.end_webuis()  # before the accounts go


def watched_by(account, folder):
    found = account.livepatch("exec", "-c", WATCH.format(folder=str(folder)))
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_root_runs_a_webui_whose_code_belongs_to_somebody_else(account) -> None:
    """A container: the code is bind-mounted, and belongs to uid 1000."""
    root, developer = account(root=True), account()
    script = developer.write("app/webui.py", WEBUI)
    patch = developer.write("playground/mine.py", PATCH)
    # The webui runs: it is root who started that code.
    webui = root.start("-m", "livepatch", "run", str(script))
    assert webui.get() == "hello"
    assert root.livepatch("exec", "-c", "6 * 7").stdout == "42\n"
    said = watched_by(root, patch.parent)
    assert said.startswith("Own ['FileNotTrusted: run the watched file ")
    assert f"belongs to {developer.entry.pw_name} (uid {developer.uid})" in said
    assert f"LIVEPATCH_TRUST_UIDS={developer.uid}" in said
    webui.end()
    webui = root.start(
        "-m", "livepatch", "run", str(script), LIVEPATCH_TRUST_UIDS=str(developer.uid)
    )
    assert watched_by(root, patch.parent) == "patched []\n"


def test_roots_home_that_belongs_to_somebody_else_is_no_place_for_kernelspecs(account) -> None:
    """``docker run -v $HOME:/root``: JupyterLab's folder is the developer's."""
    root, developer = account(root=True), account()
    data = developer.write("jupyter/kernels/other/kernel.json", "{}").parents[2]
    script = developer.write("app/webui.py", WEBUI)
    webui = root.start("-m", "livepatch", "run", str(script), JUPYTER_DATA_DIR=str(data))
    assert webui.get() == "hello"
    assert os.listdir(data / "kernels") == ["other"]
    webui.end()
    allowed = {"JUPYTER_DATA_DIR": str(data), "LIVEPATCH_TRUST_UIDS": str(developer.uid)}
    root.start("-m", "livepatch", "run", str(script), **allowed)
    assert "livepatch-plain" in os.listdir(data / "kernels")


def given_to(account, folder):
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.uid, account.entry.pw_gid, follow_symlinks=False)


def test_root_installs_for_the_owner_of_the_webui(account) -> None:
    root, developer = account(root=True), account()
    webui = webui_folder(developer.home, "a1111", "webui")
    given_to(developer, webui)
    said = root.livepatch("install", str(webui), umask=0)
    assert said.returncode == 0, said.stderr
    extension = webui / "extensions/livepatch"
    made = {path.relative_to(webui): path.stat() for path in (extension, *extension.rglob("*"))}
    assert {(status.st_uid, status.st_gid) for status in made.values()} == {
        (developer.uid, developer.entry.pw_gid)
    }
    assert {stat.S_IMODE(status.st_mode) for status in made.values()} == {0o700, 0o600}
    note = said.stdout.splitlines()[1]
    assert f"belongs to {developer.entry.pw_name} (uid {developer.uid}) alone" in note
    assert f"chmod -R go+rX {extension}" in note
    assert f"LIVEPATCH_TRUST_UIDS={developer.uid}" in note
    assert root.livepatch("uninstall", str(webui)).returncode == 0
    assert not extension.exists()


def test_a_link_in_the_owners_webui_leads_root_nowhere(account, here) -> None:
    root, developer = account(root=True), account()
    webui = webui_folder(developer.home, "a1111", "webui")
    roots_own = here.folder / "roots_own"
    roots_own.mkdir()
    (roots_own / "x").touch()
    shutil.rmtree(webui / "extensions")
    (webui / "extensions").symlink_to(roots_own)
    given_to(developer, webui)
    said = root.livepatch("install", str(webui))
    assert said.returncode == 2
    assert "PermissionError" in said.stderr.splitlines()[1]
    assert os.listdir(roots_own) == ["x"]


def test_the_webuis_own_python_is_asked_as_its_owner(account) -> None:
    root, developer = account(root=True), account()
    webui = webui_folder(developer.home, "a1111", "webui")
    python = webui / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nid -u > {developer.home}/ran-as\n")
    python.chmod(0o755)
    given_to(developer, webui)
    os.chown(developer.home, developer.uid, -1)
    assert root.livepatch("install", str(webui)).returncode == 0
    assert (developer.home / "ran-as").read_text().strip() == str(developer.uid)


def test_a_private_group_may_write_and_one_with_others_in_it_may_not(account) -> None:
    """umask 002, as Debian and Fedora give it together with a group for each user."""
    user, colleague = account(), account()
    script = user.write("app/webui.py", WEBUI, 0o664)
    patch = user.write("playground/mine.py", PATCH, 0o664)
    patch.parent.chmod(0o775)
    webui = user.start("-m", "livepatch", "run", str(script))
    assert watched_by(user, patch.parent) == "patched []\n"
    webui.end()
    group = user.entry.pw_name
    subprocess.run(["usermod", "-a", "-G", group, colleague.entry.pw_name], check=True)
    user.start("-m", "livepatch", "run", str(script))
    said = watched_by(user, patch.parent)
    assert f"{patch.parent} is writable by the group {group}" in said
    assert f"chmod g-w {patch.parent}" in said
    assert said.startswith("Own ")
    patch.parent.chmod(0o755)
    patch.chmod(0o644)
    assert watched_by(user, patch) == "patched []\n"


def test_www_data_runs_the_code_of_a_deploy_account(account) -> None:
    deploy, www = account(), account()
    webui = webui_folder(deploy.home, "a1111", "webui")
    given_to(deploy, webui)
    (webui / "outputs").mkdir()
    os.chown(webui / "outputs", www.uid, -1)  # it has run here before
    said = deploy.livepatch("install", str(webui))
    assert said.returncode == 0, said.stderr
    extension = webui / "extensions/livepatch"
    note = said.stdout.splitlines()[1]
    assert f"if {www.entry.pw_name} (uid {www.uid}) runs the webui: chmod -R go+rX " in note
    deploy.write("webui/extensions/livepatch/playground/mine.py", PATCH)
    code = LOADING.format(
        folder=str(webui),
        script=str(extension / "scripts/livepatch_attach.py"),
        loader=LOADERS["a1111"],
        greeter=str(deploy.write("greeter.py", WEBUI)),
    )
    # As it was installed, the webui cannot even read it, and says so by itself.
    refused = www.python("-c", code)
    assert "PermissionError" in refused.stderr
    # What the note says, first half: attached, and the playground is an error.
    subprocess.run(note.partition("webui: ")[2].partition(", and ")[0].split(), check=True)
    running = www.start("-c", code)
    assert running.get() == "hello"
    said = www.livepatch("exec", "-c", CAPWORDS).stdout
    assert said.startswith("Own [")
    assert f"belongs to {deploy.entry.pw_name} (uid {deploy.uid})" in said
    running.end()
    # Second half.
    running = www.start("-c", code, LIVEPATCH_TRUST_UIDS=str(deploy.uid))
    found = www.livepatch("exec", "-c", CAPWORDS)
    assert found.stdout == "patched []\n", found.stderr
    # The record, the key and the sockets are www-data's own, and closed to the deploy account.
    assert deploy.livepatch("list", LIVEPATCH_RUNTIME_DIR=str(www.home / "rt")).returncode == 2
