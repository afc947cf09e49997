"""Real accounts beside the one that runs the tests, made as root and removed afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def a_user(make_user):
    """One more account."""
    return make_user()


@pytest.fixture
def make_user():
    """Make accounts with a group and a home of their own; they and their homes go with the test."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("useradd") is None:
        pytest.skip("making accounts takes root and useradd")
    import pwd

    made = []

    def make():
        name = f"lp{secrets.token_hex(5)}"
        subprocess.run(["useradd", "--create-home", "--user-group", name], check=True)
        made.append(name)
        return pwd.getpwnam(name)

    yield make
    for name in made:
        subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)


AS_ANOTHER = """
import ctypes, email.parser, importlib, os, sys
for name in {modules!r}:
    importlib.import_module(name)
os.setgroups([])
os.setresgid({gid}, {gid}, {gid})
os.setresuid({uid}, {uid}, {uid})
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/self is the user's own again
os.umask({umask})
os.chdir({home!r})
"""


def run_as(user, code, *modules, umask=0o022, **variables):
    """Run code as another account, in a process that has imported those modules before.

    This Python may lie in a folder that the account cannot enter, so what the code imports has to
    be there by then.

    Returns:
        The process when it has ended, with what it printed.
    """
    before = AS_ANOTHER.format(
        modules=modules, uid=user.pw_uid, gid=user.pw_gid, home=user.pw_dir, umask=umask
    )
    names = ("XDG_RUNTIME_DIR", "LIVEPATCH_RUNTIME_DIR", "LIVEPATCH_STATE_DIR", "JUPYTER_DATA_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment.update(HOME=user.pw_dir, USER=user.pw_name, **variables)
    return subprocess.run(
        [sys.executable, "-c", before + code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
