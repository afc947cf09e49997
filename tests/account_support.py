"""Real accounts beside the one that runs the tests, made as root and removed afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess

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
