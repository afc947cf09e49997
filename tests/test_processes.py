"""Processes told apart: whether the one that wrote something has ended."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from livepatch.processes import ProcessIdentity
from livepatch.processes.activity import Activity

TELLS = (
    "import json; from livepatch.processes import ProcessIdentity as P;"
    "print(json.dumps(P.of_this_process().as_data()), flush=True); input()"
)


@pytest.fixture
def other():
    """A running process, and what it says of itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", TELLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process, ProcessIdentity.from_data(json.loads(process.stdout.readline()))
    process.kill()
    process.communicate()


def test_a_process_has_ended_when_it_has_and_not_before(other):
    process, identity = other
    assert identity.pid == process.pid
    assert identity.has_ended() is False
    assert not identity.is_this_process()
    process.kill()
    process.wait()
    assert identity.has_ended() is True


def test_another_process_of_the_same_pid_is_another_one(other):
    _, identity = other
    assert replace(identity, started="1").has_ended() is True
    assert replace(identity, started=None).has_ended() is False


@pytest.mark.skipif(sys.platform != "linux", reason="boots and namespaces are Linux's")
def test_an_earlier_start_of_the_system_has_ended_what_ran_on_it(other):
    _, identity = other
    assert replace(identity, boot="another").has_ended() is True


def test_of_another_machine_nobody_knows(other):
    _, identity = other
    elsewhere = replace(identity, boot="another", machine="another", host="far")
    assert elsewhere.has_ended() is None
    assert elsewhere.whereabouts() == "the machine far"
    assert identity.whereabouts() == "this machine"


@pytest.mark.skipif(sys.platform != "linux", reason="boots and namespaces are Linux's")
def test_a_machine_that_was_named_anew_is_known_by_its_boot(other):
    _, identity = other
    assert replace(identity, machine="another", host="new").has_ended() is False


@pytest.mark.skipif(sys.platform != "linux", reason="boots and namespaces are Linux's")
def test_a_process_in_a_container_of_its_own_cannot_be_seen():
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("a pid namespace takes root and unshare")
    command = [unshare, "--pid", "--fork", "--mount-proc", sys.executable, "-c", TELLS]
    told = subprocess.run(command, input="\n", capture_output=True, text=True)
    if told.returncode:
        pytest.skip(told.stderr.strip())
    identity = ProcessIdentity.from_data(json.loads(told.stdout))
    assert identity.pid == 1
    assert identity.has_ended() is None
    assert identity.whereabouts().startswith("the container ")


def test_it_is_this_process_after_an_exec_too():
    script = (
        "import os, sys; from livepatch.processes import ProcessIdentity as P; import json;"
        "a = P.of_this_process().as_data();"
        "code = 'import json, sys; from livepatch.processes import ProcessIdentity as P;'"
        "       'print(P.from_data(json.loads(sys.argv[1])).is_this_process())';"
        "os.execv(sys.executable, [sys.executable, '-c', code, json.dumps(a)])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.stdout == "True\n", told.stderr


@pytest.mark.parametrize(
    "change",
    [{"pid": "1"}, {"pid": True}, {"pid": 0}, {"pid": 1e999}, {"host": []}, {"boot": 3},
     {"started": {}}, {"pid": None}],
)  # fmt: skip
def test_what_cannot_be_a_process_is_none(change):
    data = ProcessIdentity.of_this_process().as_data()
    assert ProcessIdentity.from_data(data) == ProcessIdentity.of_this_process()
    assert ProcessIdentity.from_data({**data, **change}) is None


def test_a_main_thread_that_hangs_on_a_disk_was_seen_so_at_both_ends():
    reading = Activity(waits_for_a_disk=True)
    assert reading.is_held_up_since(reading, 0.25)
    assert not reading.is_held_up_since(Activity(), 0.25)
    assert not Activity().is_held_up_since(reading, 0.25)
