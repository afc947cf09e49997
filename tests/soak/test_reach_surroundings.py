"""``livepatch attach PID`` of a process in a world of its own: containers, sandboxes, chroots."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attach_support import attach, refusal, threads

if TYPE_CHECKING:
    from reach_support import Place

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="namespaces are Linux's"
)

WAITS = "import sys, time; print('ready', flush=True); time.sleep(600)"


def unshared(*kinds: str) -> list[str]:
    """What stands before a command that runs in namespaces of its own."""
    command = [str(shutil.which("unshare")), *kinds]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("namespaces are not allowed here")
    return command


class InAWorld:
    """A Python that was started by a command, which may have made it its child."""

    def __init__(self, command: list[str]) -> None:
        self.starter = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.starter.stdout is not None
        assert self.starter.stdout.readline() == "ready\n"
        children = Path(f"/proc/{self.starter.pid}/task/{self.starter.pid}/children").read_text()
        self.pid = int((children.split() or [self.starter.pid])[0])

    def __enter__(self) -> InAWorld:
        return self

    def __exit__(self, *_: object) -> None:
        self.starter.kill()
        self.starter.communicate()


@pytest.mark.parametrize(
    ("kinds", "named"),
    [
        (["--mount"], "mount namespace"),
        (["--pid", "--fork", "--kill-child"], "pid namespace"),
        (["--pid", "--fork", "--kill-child", "--mount-proc"], "mount, pid namespace"),
        (["--user", "--map-root-user"], "user namespace"),
        (["--time", "--boottime", "1000", "--fork", "--kill-child"], "time namespace"),
        (["--mount", "--net"], "mount namespace"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value).replace("--", ""),
)
def test_it_is_refused_by_name_before_it_is_touched(
    here: Place, kinds: list[str], named: str
) -> None:
    with InAWorld([*unshared(*kinds), sys.executable, "-c", WAITS]) as world:
        lines = refusal(here, world.pid)
        assert lines[1].startswith(f"it runs in another {named} (a container or a sandbox)")
        inside = 1 if "--pid" in kinds else world.pid
        assert lines[2].startswith(f"run livepatch in there, where its pid is {inside}: ")
        assert len(os.listdir(f"/proc/{world.pid}/task")) == 1


def test_after_a_chroot(here: Place) -> None:
    if os.geteuid() != 0:
        pytest.skip("chroot takes root")
    code = f"import os; os.chroot({str(here.folder)!r}); {WAITS}"
    with InAWorld([sys.executable, "-c", code]) as world:
        lines = refusal(here, world.pid)
        assert lines[1].startswith("it runs in another root folder (a container or a sandbox)")


def test_another_network_is_no_hindrance_for_sockets_in_a_folder(here: Place) -> None:
    web = [*unshared("--net"), "sh", "-c", 'ip link set lo up; exec "$@"', "-"]
    webui = here.serve([*web, sys.executable, str(here.script)], env=here.environment)
    attach(here, webui)
    (listed,) = json.loads(here.livepatch("list", "--json").stdout)
    assert (listed["name"], listed["pid"]) == ("greeter", webui.pid)
    code = "import os; print(os.readlink('/proc/self/ns/net'))"
    theirs = os.readlink(f"/proc/{webui.pid}/ns/net")
    assert here.livepatch("exec", "greeter", "-c", code).stdout == f"{theirs}\n"
    assert theirs != os.readlink("/proc/self/ns/net")
    assert here.livepatch("detach", "greeter").returncode == 0
    deadline = time.monotonic() + 30
    while threads(webui) > 1:
        assert time.monotonic() < deadline

    lines = refusal(here, webui.pid, LIVEPATCH_TRANSPORT="tcp")
    assert lines[1].startswith("it runs in another network namespace, and LIVEPATCH_TRANSPORT=tcp")
    assert threads(webui) == 1


HIDDEN = f"import ctypes; ctypes.CDLL(None).prctl(4, 0); {WAITS}"  # PR_SET_DUMPABLE


def test_what_the_system_hides_is_said(here: Place, make_user, command_as) -> None:  # type: ignore[no-untyped-def]
    user = make_user()
    here.folder.chmod(0o777)
    prefix = command_as(user)
    with InAWorld([*prefix, sys.executable, "-c", HIDDEN]) as world:
        command = [*prefix, sys.executable, "-m", "livepatch", "attach", str(world.pid)]
        environment = {**here.environment, "HOME": user.pw_dir}
        found = subprocess.run(
            command, cwd="/", env=environment, capture_output=True, text=True, timeout=60
        )
        lines = found.stderr.splitlines()
        assert len(lines) == 3, found.stderr
        assert lines[1] == (
            "the system hides what runs in it, and whether that is in a sandbox: Permission denied"
        )
        assert lines[2].startswith("sudo ")
