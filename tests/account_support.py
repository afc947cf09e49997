"""Real accounts beside the one that runs the tests, made as root and removed afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def why_no_accounts():
    """Why no accounts can be made here, None where they can."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("useradd") is None:
        return "making accounts takes root and useradd"
    return None


@contextmanager
def accounts():
    """A function that makes accounts; they and their homes go in the end."""
    import pwd

    made = []

    def make():
        name = f"lp{secrets.token_hex(5)}"
        with _one_at_a_time():
            subprocess.run(["useradd", "--create-home", "--user-group", name], check=True)
        made.append(name)
        return pwd.getpwnam(name)

    try:
        yield make
    finally:
        for name in made:
            with _one_at_a_time():  # by force: a process that was killed may not be gone yet
                command = ["userdel", "--remove", "--force", name]
                subprocess.run(command, check=False, capture_output=True)


@contextmanager
def _one_at_a_time():
    """useradd and userdel wait for nobody: of two at once one fails, and its account stays."""
    import fcntl

    with open("/tmp/livepatch-tests-accounts.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# Every closed folder on the way is covered by an empty one, in which only what is needed stands.
OPEN_A_WAY = """
set -e
behind=$(mktemp -d)
trap 'rmdir "$behind"' EXIT
cover() {
    mount --bind "$1" "$behind"
    mount -t tmpfs -o mode=755 tmpfs "$1"
    top=$1
    shift
    for needed in "$@"; do
        mkdir -p "$needed"
        mount --bind "$behind${needed#"$top"}" "$needed"
    done
    umount -l "$behind"
}
"""


@contextmanager
def same_files_for_all():
    """Prefixes of commands that accounts run; where they may not enter the folder of this Python
    (root's home, often), all run in a file system in which they may."""
    needed = {Path(os.path.realpath(folder)) for folder in (sys.base_prefix, sys.prefix, ROOT)}
    closed = {}
    for folder in sorted(needed):
        for parent in [*reversed(folder.parents), folder]:
            if not parent.stat().st_mode & 0o001:
                closed.setdefault(parent, []).append(folder)
                break
    if not closed:
        yield lambda account: [] if account is None else ["setpriv", *_ids(account, "setpriv")]
        return
    lines = [
        " ".join(["cover", *(f"'{path}'" for path in (top, *inside))])
        for top, inside in closed.items()
    ]
    script = "\n".join([OPEN_A_WAY, *lines, "echo ready", "cat"])
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if holder.stdout.readline() != "ready\n":
            pytest.skip("mounting is not allowed here, and others may not run this Python")
        enter = ["nsenter", f"--target={holder.pid}", "--mount"]
        yield lambda account: enter if account is None else [*enter, *_ids(account, "nsenter")]
    finally:
        holder.communicate("")


def _ids(account, program):
    user, group = ("--reuid", "--regid") if program == "setpriv" else ("--setuid", "--setgid")
    ids = [f"{user}={account.pw_uid}", f"{group}={account.pw_gid}"]
    return [*ids, "--clear-groups"] if program == "setpriv" else ids


def run_as(command_as, account, *arguments, umask=0o022, timeout=60, **variables):
    """Run this Python as an account, in its home and with its environment, to the end.

    Args:
        command_as: what the fixture of that name answers.
        account: the account, None for root.
        arguments: what Python is given.
        umask: what the process begins with.
        timeout: seconds that it may take.
        variables: more of its environment.
    """
    import pwd

    account_ = pwd.getpwuid(0) if account is None else account
    return subprocess.run(
        [*command_as(account), sys.executable, *arguments],
        env=environment_of(account_, **variables),
        cwd=account_.pw_dir,
        umask=umask,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def environment_of(account, **variables):
    """What a login of that account would have, and no folder of the tests."""
    theirs = ("XDG_", "LIVEPATCH_", "JUPYTER_", "IPYTHONDIR", "TMPDIR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    return {**kept, "HOME": account.pw_dir, "USER": account.pw_name, **variables}
