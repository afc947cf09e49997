"""Records of running webuis are data: one that is wrong is named and passed over."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reach_support import place

from livepatch.reach.hearing import hear
from livepatch.reach.provisioner import LivepatchProvisioner
from livepatch.reach.webuis import choose, look_for_webuis, running_webuis

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ipc")

# Of a process that lives, with something that listens at its sockets: only its shape decides.
OTHER = f"other-{os.getpid()}"
SECRET = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def there():
    """A folder with a running webui, and sockets of another one."""
    with place() as here, pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("LIVEPATCH_RUNTIME_DIR", str(here.runtime))
        patch.delenv("LIVEPATCH_WEBUI", raising=False)
        here.start()
        for port in range(1, 6):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(f"{here.runtime}/{OTHER}-{port}")
            listening.listen(1000)
        yield here


def record_of(here):
    facts = {"name": "other", "pid": os.getpid(), "parent": 1, "started": None, "since": "2026"}
    facts |= {"python": "3.11.7", "flavor": "plain", "version": None, "address": "http://[::1]:80"}
    ports = {f"{name}_port": n for n, name in enumerate(("shell", "iopub", "stdin", "control"), 1)}
    return {
        **ports,
        "hb_port": 5,
        "ip": f"{here.runtime}/{OTHER}",
        "transport": "ipc",
        "key": SECRET,
        "signature_scheme": "hmac-sha256",
        "kernel_name": "livepatch",
        "livepatch": facts,
    }


def put(here, content):
    path = here.runtime / f"{OTHER}.json"
    path.unlink(missing_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def changed(here, part, value):
    record = record_of(here)
    place, _, name = part.rpartition(".")
    (record[place] if place else record)[name] = value
    return record


def lacking(here, part):
    record = changed(here, part, None)
    place, _, name = part.rpartition(".")
    del (record[place] if place else record)[name]
    return record


WRONG = {
    "no ip": (lambda here: lacking(here, "ip"), "its ip is missing, not a string"),
    "a port": (lambda here: changed(here, "hb_port", 99999999), "its hb_port is 99999999, not 1"),
    "a zero byte": (lambda here: changed(here, "ip", "/tmp/a\0b"), "its ip cannot be '/tmp/a"),
    "a list": (lambda here: changed(here, "ip", ["a"]), "its ip is a list, not a string"),
    "endless": (
        lambda here: json.dumps(changed(here, "livepatch.pid", 7)).replace("7", "1e999").encode(),
        "not a whole number",
    ),
    "deep": (lambda _: b'{"a":' * 16000 + b"1" + b"}" * 16000, "it is nested too deeply"),
    "long": (lambda _: b" " * 200_000, "is longer than 100,000 bytes"),
    "cut off": (lambda _: b'{"ip": ', "it is not JSON"),
    "bytes": (lambda _: b"\xff\xfe\x00", "it is not JSON"),
    "a number": (lambda _: b"1", "it is a number, not an object"),
    "many digits": (lambda _: b"1" * 5000, "it is "),
    "another's": (lambda _: {"ip": "127.0.0.1"}, "its livepatch is missing, not an object"),
    "elsewhere": (lambda here: changed(here, "ip", "/etc/other"), "would lie elsewhere: '/etc/"),
    "above": (
        lambda here: changed(here, "ip", f"{here.runtime}/../{OTHER}"),
        "would lie elsewhere",
    ),
    "another name": (
        lambda here: changed(here, "livepatch.name", "../x"),
        f"it is about '../x', pid {os.getpid()}",
    ),
    "another pid": (lambda here: changed(here, "livepatch.pid", 1), "it is about 'other', pid 1"),
    "true": (lambda here: changed(here, "livepatch.pid", True), "its pid is true or false"),
    "for all": (
        lambda here: changed(here, "transport", "tcp") | {"ip": "0.0.0.0"},
        "its ip is '0.0.0.0', not 127.0.0.1",
    ),
    "in the clear": (
        lambda here: changed(here, "transport", "tcp") | {"ip": "127.0.0.1"},
        "its curve_publickey is missing",
    ),
    "a key": (lambda here: changed(here, "key", "é\n"), "its key cannot be …"),
    "a scheme": (lambda here: changed(here, "signature_scheme", "none"), "its signature_scheme"),
    "a title": (
        lambda here: changed(here, "livepatch.flavor", "\x1b]0;x\x07"),
        r"its flavor cannot be '\x1b]0;x\x07'",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_record_that_is_wrong_is_named_and_passed_over(there, wrong) -> None:
    """Defect 81: 7 of 8 such files ended ``livepatch list`` with a traceback."""
    make, reason = WRONG[wrong]
    path = put(there, make(there))
    found = look_for_webuis()
    assert [webui.name for webui in found.webuis] == ["greeter"]
    (line,) = found.passed_over
    assert line.startswith(f"skipped {path}: ")
    assert reason in line
    assert f"rm {path}" in line
    assert line.isprintable()
    assert path.exists()


@pytest.mark.parametrize("what", ["a pipe", "a folder", "a link", "for all to write", "a loop"])
def test_what_is_no_file_of_ours_is_named_too_and_nothing_waits(there, what) -> None:
    path = put(there, record_of(there))
    if what == "for all to write":
        path.chmod(0o666)
    else:
        path.unlink()
        if what == "a pipe":
            os.mkfifo(path)
        elif what == "a folder":
            path.mkdir()
        else:
            path.symlink_to(path if what == "a loop" else "/dev/zero")
    found = look_for_webuis()
    path.rmdir() if what == "a folder" else path.unlink()
    assert [webui.name for webui in found.webuis] == ["greeter"]
    (line,) = found.passed_over
    assert line.startswith(f"skipped {path}: ")


def test_a_record_with_its_shape_is_taken(there) -> None:
    put(there, record_of(there))
    found = look_for_webuis()
    assert found.passed_over == []
    assert {webui.name for webui in found.webuis} == {"greeter", "other"}


def test_every_command_goes_on_beside_a_wrong_record_and_list_names_it_once(there) -> None:
    path = put(there, changed(there, "ip", ["a"]))
    found = there.livepatch("list", "--json")
    assert [webui["name"] for webui in json.loads(found.stdout)] == ["greeter"]
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"livepatch: skipped {path}: its ip is a list")
    found = there.livepatch("exec", "-c", "6 * 7")
    assert (found.stdout, found.stderr, found.returncode) == ("42\n", "", 0)
    found = there.livepatch("exec", "other", "-c", "1")
    assert found.returncode == 2
    assert f"skipped {path}" in found.stderr.splitlines()[1]


def parts(record):
    for name, value in record.items():
        yield (record, name)
        if isinstance(value, dict):
            yield from parts(value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["ipc", "tcp", "127.0.0.1", "/", "..", "/tmp/lp-x/s", "hmac-shake_128"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@st.composite
def tampered(draw, record):
    """A record with some parts exchanged or gone, or its text cut and overwritten somewhere."""
    record = copy.deepcopy(record)
    for _ in range(draw(st.integers(0, 2))):
        place, name = draw(st.sampled_from(list(parts(record))))
        if draw(st.booleans()):
            place[name] = draw(values)
        else:
            del place[name]
        if not record:
            break
    data = json.dumps(record).encode()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=8)) + data[at + draw(st.integers(0, 8)) :]
    return data


@settings(
    max_examples=200,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_whatever_a_record_says_nothing_ends(there, data) -> None:
    """Finding, choosing and asking, as ``list``, ``exec`` and JupyterLab do."""
    before = set(os.listdir(there.folder))
    put(there, data.draw(tampered(record_of(there))))
    found = look_for_webuis()
    assert "greeter" in {webui.name for webui in found.webuis}
    assert all(line.isprintable() for line in found.passed_over)
    assert LivepatchProvisioner(webui="greeter")._find("").name == "greeter"
    assert choose("greeter").name == "greeter"
    for webui in found.webuis:
        assert str(webui).isprintable()
        json.dumps(webui.as_dict())
        if webui.name == "other":
            assert hear([webui], 0.001)[0].info == {}
    assert set(os.listdir(there.folder)) == before


def test_a_record_whose_process_has_ended_is_removed_with_its_sockets(there) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    stem = f"gone-{dead.pid}"
    record = changed(there, "livepatch.pid", dead.pid) | {"ip": f"{there.runtime}/{stem}"}
    record["livepatch"]["name"] = "gone"
    path = there.runtime / f"{stem}.json"
    path.write_text(json.dumps(record))
    (there.runtime / f"{stem}-1").symlink_to("/nowhere")
    assert "gone" not in {webui.name for webui in running_webuis()}
    assert list(there.runtime.glob(f"{stem}*")) == []
