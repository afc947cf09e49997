"""Limits of the process: a kernel fits, or is refused whole before anything of it is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from reach_support import Place

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="Linux tells what is open"
)

# A process that attaches with so many descriptors left, and says what became of it.
BEGINS = """
import json, os, resource, sys, threading, time
import livepatch, livepatch.kernel.limits as limits, livepatch.kernel.configuration
from livepatch.kernel import RunningKernel

def open_files():
    return len(os.listdir("/proc/self/fd"))

def threads():
    return sorted(thread.name for thread in threading.enumerate())

def try_to_attach(name):
    said = {}
    try:
        livepatch.attach(name)
        said["served"] = True
        livepatch.detach()
    except livepatch.LivepatchError as error:
        said["refused"] = str(error).splitlines()
    return said

def leave(number):
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        for _ in range(number):
            os.close(taken.pop())
    return taken

"""

FEW_DESCRIPTORS = """
livepatch.attach("warm"); livepatch.detach()  # what is imported is no leak
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for number in NUMBERS:
    taken = leave(number)
    said = try_to_attach("few")
    for descriptor in taken:
        os.close(descriptor)
    print(json.dumps([number, said, open_files(), threads()]), flush=True)
"""


def run(here: Place, code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", BEGINS + code],
        env=here.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_with_few_descriptors_left_a_kernel_is_refused_whole(here: Place) -> None:
    numbers = [*range(61), 68, 69, 90]
    lines = run(here, FEW_DESCRIPTORS.replace("NUMBERS", repr(numbers)))
    results = [json.loads(line) for line in lines]
    assert [number for number, *_ in results] == numbers
    for number, said, *_ in results:
        if number < 69:
            _asked, found, advice = said["refused"]
            files = "file" if number == 1 else "files"
            assert found.startswith(f"{number} more {files} may be open in this process")
            assert "ulimit -n" in advice
        else:
            assert said == {"served": True}
    assert len({(count, tuple(names)) for _, _, count, names in results}) == 1


# Each step of a start fails, before it does something or when it has.
FAILS_ON_ITS_WAY = """
from livepatch.kernel.app import WebuiKernelApp
import asyncio
livepatch.attach("warm"); livepatch.detach()

def full(*args, **options):
    raise OSError(28, os.strerror(28))

def failing(step, when):
    def fail(self, *args, **options):
        if when == "after":
            step(self, *args, **options)
        full()
    return fail

names = ("init_heartbeat", "init_sockets", "init_control", "init_iopub", "init_io")
names += ("init_kernel", "init_shell", "publish_connection_file")
for name in names:
    for when in ("before", "after"):
        step = getattr(WebuiKernelApp, name)
        setattr(WebuiKernelApp, name, failing(step, when))
        said = try_to_attach("fails")
        setattr(WebuiKernelApp, name, step)
        print(json.dumps([[name, when], said, open_files(), threads()]), flush=True)
print(json.dumps(sorted(os.listdir(os.environ["LIVEPATCH_RUNTIME_DIR"]))), flush=True)
"""


def test_a_start_that_fails_on_its_way_leaves_nothing_open(here: Place) -> None:
    *lines, files = run(here, FAILS_ON_ITS_WAY)
    results = [json.loads(line) for line in lines]
    assert len(results) == 16
    for _, said, *_ in results:
        assert "No space left on device" in said["refused"][1]
    assert len({(count, tuple(names)) for _, _, count, names in results}) == 1, results
    assert {name.rpartition(".")[2] for name in json.loads(files)} == {"key"}


LITTLE_ADDRESS_SPACE = """
import re
livepatch.attach("warm"); livepatch.detach()
for megabytes in (10, 40, 80, 120, 250, 500, 1000):
    size = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size + megabytes * 2**20, resource.RLIM_INFINITY))
    said = try_to_attach("little")
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(json.dumps([megabytes, said, open_files(), threads()]), flush=True)
"""


def test_with_little_address_space_left_a_kernel_is_refused_whole(here: Place) -> None:
    results = [json.loads(line) for line in run(here, LITTLE_ADDRESS_SPACE)]
    *refused, (_, served, *_) = results
    assert served == {"served": True}
    for _, said, *_ in refused:
        assert "MB of address space left" in said["refused"][1]
    assert len({(count, tuple(names)) for _, _, count, names in results}) == 1


NO_THREADS = """
import _thread
own = _thread.start_new_thread
livepatch.attach("warm"); livepatch.detach()
left = [5]
def start(*args, **options):
    left[0] -= 1
    if left[0] < 0:
        raise RuntimeError("can't start new thread")
    return own(*args, **options)
limits._thread.start_new_thread = start
said = try_to_attach("none")
print(json.dumps([said, open_files()]))
limits._thread.start_new_thread = own
said = try_to_attach("some")
print(json.dumps([said, open_files()]))
"""


def test_with_few_threads_left_a_kernel_is_refused_whole(here: Place) -> None:
    (refused, before), (served, after) = map(json.loads, run(here, NO_THREADS))
    assert "may not start 12 more threads" in refused["refused"][1]
    assert (served, after) == ({"served": True}, before)


# The greeting takes all descriptors until the file OPEN is there.
TAKES_ALL = """
def greeting():
    import os, resource, threading, time
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    def hold():
        taken = []
        while not os.path.exists(OPEN):
            try:
                taken.append(os.dup(0))
            except OSError:
                time.sleep(0.05)
        for descriptor in taken:
            os.close(descriptor)
    threading.Thread(target=hold, daemon=True).start()
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_connects_where_no_descriptor_is_left_does_not_end_the_webui(
    here: Place,
) -> None:
    """libzmq aborts the process then; the door is closed before."""

    def door_is_open() -> bool:
        return any(path.name.endswith("-1") for path in here.runtime.iterdir())

    go_on = here.folder / "open"
    taking = TAKES_ALL.replace("OPEN", repr(str(go_on))) + "    return 'hello'\n"
    script = here.script.read_text()
    here.script.write_text(script.replace('def greeting():\n    return "hello"\n', taking))
    webui = here.start()
    assert webui.get() == "hello"
    wait_until(lambda: not door_is_open())
    (listed,) = json.loads(here.livepatch("list", "--json").stdout)
    assert listed["pid"] == webui.pid
    assert webui.process.poll() is None
    go_on.touch()
    wait_until(door_is_open)
    assert here.livepatch("exec", "-c", "1").stdout == "1\n"
    assert webui.process.poll() is None


FULL_DISK = """
import subprocess
livepatch.attach("warm"); livepatch.detach()
folder = os.environ["LIVEPATCH_RUNTIME_DIR"]
for inodes in range(1, 11):
    options = f"size=64k,nr_inodes={inodes},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        said = try_to_attach("disk")
        left = [name for name in os.listdir(folder) if not name.endswith(".key")]
    finally:
        subprocess.run(["umount", folder], check=True)
    print(json.dumps([inodes, said, [open_files(), threads(), left]]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_at_each_file_that_a_start_writes(here: Place) -> None:
    """Key, five sockets, record: with one more file each time the next one is refused."""
    results = [json.loads(line) for line in run(here, FULL_DISK)]
    served = [said == {"served": True} for _, said, _ in results]
    assert served == [False] * 7 + [True] * 3
    for _, said, _ in results[:7]:
        assert "No space left on device" in said["refused"][1]
    assert {json.dumps(state) for *_, state in results} == {json.dumps(results[0][2])}
    assert results[0][2][2] == []
