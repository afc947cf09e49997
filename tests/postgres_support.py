"""A PostgreSQL server of the test's own, from the system's packages, on a socket in its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def programs() -> Path | None:
    """Where ``initdb`` and ``pg_ctl`` are; Debian keeps them out of the path."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@contextmanager
def postgres() -> Iterator[dict[str, Any]]:
    """Run a server; yields what Django's ``DATABASES`` takes."""
    where = programs()
    assert where is not None
    # It refuses to run as root; Debian's package comes with a user for it.
    other: dict[str, Any] = {"user": "postgres"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        if other:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        run = {"check": True, "capture_output": True, "timeout": 60, "cwd": "/", **other}
        options = ["-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([str(where / "initdb"), "-D", data, *options], **run)
        settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        control = [str(where / "pg_ctl"), "-D", data, "-w"]
        subprocess.run([*control, "-o", settings, "-l", f"{folder}/log", "start"], **run)
        try:
            yield {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": "postgres",
                "USER": "tests",
                "HOST": folder,
            }
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **run)
