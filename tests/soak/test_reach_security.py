"""Who may reach a kernel: the user alone, and nobody may listen."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from jupyter_client.session import Session

from livepatch.errors import AttachFailed
from livepatch.kernel import start_kernel

if TYPE_CHECKING:
    from reach_support import Place, RunningWebui

LINE = "livepatch: refused a message not signed with this kernel's key"


def connection_of(here: Place) -> dict[str, Any]:
    (path,) = here.runtime.glob("*.json")
    connection: dict[str, Any] = json.loads(path.read_text())
    return connection


def address(connection: dict[str, Any], channel: str) -> str:
    between = "-" if connection["transport"] == "ipc" else ":"
    return "{transport}://{ip}".format(**connection) + f"{between}{connection[channel + '_port']}"


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_files_and_sockets_are_the_users_alone_whatever_the_umask(here: Place) -> None:
    command = [sys.executable, "-m", "livepatch", "run", str(here.script)]
    here.serve(command, env=here.environment, umask=0)
    assert stat.S_IMODE(here.runtime.stat().st_mode) == 0o700
    found = {path.suffix or "socket": path.stat().st_mode for path in here.runtime.iterdir()}
    assert stat.S_ISSOCK(found.pop("socket"))
    assert {suffix: stat.S_IMODE(mode) for suffix, mode in found.items()} == {
        ".json": 0o600,
        ".key": 0o600,
    }
    assert len(connection_of(here)["key"]) == 64


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
@pytest.mark.parametrize("with_log", [True, False], ids=["a log", "stderr"])
def test_a_wrong_key_gets_nothing_and_one_line_in_the_log(
    here: Place, transport: str, with_log: bool
) -> None:
    log = here.folder / "stderr.txt"
    if with_log:
        log = here.folder / "log.txt"
        configured = (
            f"import logging; logging.basicConfig(filename={str(log)!r}, format='%(message)s')"
        )
        here.script.write_text(f"{configured}\n{here.script.read_text()}")
    webui = here.start(LIVEPATCH_TRANSPORT=transport)
    connection = connection_of(here)
    done = here.folder / "done"
    content = {"code": f"open({str(done)!r}, 'w')", "silent": True, "allow_stdin": False}
    with zmq.Context() as context:
        sockets = []
        for channel in ("shell", "control"):
            stranger = context.socket(zmq.DEALER)
            if transport == "tcp":
                stranger.curve_serverkey = connection["curve_publickey"].encode()
                stranger.curve_publickey, stranger.curve_secretkey = zmq.curve_keypair()
            stranger.connect(address(connection, channel))
            for key in (b"wrong", b""):
                for _ in range(5):
                    Session(key=key).send(stranger, "execute_request", content)
            stranger.send_multipart([b"no message at all"])
            stranger.send_multipart([b"<IDS|MSG>", b"half a message"])
            sockets.append(stranger)
        # The same channels answer those who have the key, after all of the above.
        assert here.livepatch("exec", "-c", "6 * 7").stdout == "42\n"
        assert json.loads(here.livepatch("list", "--json").stdout)[0]["pid"] == webui.pid
        assert [stranger.poll(100) for stranger in sockets] == [0, 0]
        for stranger in sockets:
            stranger.close(linger=0)
    assert not done.exists()
    assert log.read_text().splitlines() == [LINE]


def listening(webui: RunningWebui) -> set[str]:
    """The addresses that a process listens on."""
    inodes = set()
    for descriptor in Path(f"/proc/{webui.pid}/fd").iterdir():
        target = os.readlink(descriptor)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for line in Path(f"/proc/{webui.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            packed = struct.pack("<I", int(fields[1].split(":")[0], 16))
            found.add(socket.inet_ntoa(packed))
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_the_kernel_listens_on_loopback_only_whatever_ipythons_configuration_says(
    here: Place, transport: str
) -> None:
    profile = Path(here.environment["IPYTHONDIR"]) / "profile_default"
    profile.mkdir(parents=True)
    lines = [f"c.{owner}.ip = '0.0.0.0'" for owner in ("IPKernelApp", "ConnectionFileMixin")]
    (profile / "ipython_kernel_config.py").write_text("\n".join(["c = get_config()", *lines]))
    webui = here.start(LIVEPATCH_TRANSPORT=transport)
    assert listening(webui) == {"127.0.0.1"}
    assert here.livepatch("exec", "-c", "1").stdout == "1\n"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_configuration_of_ipython_that_others_can_write_does_not_run(here: Place) -> None:
    """It is code, and would run in the webui."""
    profile = Path(here.environment["IPYTHONDIR"]) / "profile_default"
    profile.mkdir(parents=True)
    ran = here.folder / "ran"
    file = profile / "ipython_kernel_config.py"
    file.write_text(f"open({str(ran)!r}, 'w')")
    for path, mode in ((file, 0o666), (profile, 0o777)):
        path.chmod(mode)
        webui = here.start()
        assert here.livepatch("exec", "-c", "1").stdout == "1\n"
        webui.end()
        said = (here.folder / "stderr.txt").read_text()
        assert f"{path} is writable by everybody" in said
        path.chmod(0o700)
    assert not ran.exists()
    here.start()
    assert ran.exists()


def test_over_tcp_nobody_listens_without_the_servers_key(here: Place) -> None:
    here.start(LIVEPATCH_TRANSPORT="tcp")
    connection = connection_of(here)
    with zmq.Context() as context, context.socket(zmq.SUB) as stranger:
        stranger.subscribe(b"")
        stranger.connect(address(connection, "iopub"))
        assert here.livepatch("exec", "-c", "print('secret')").stdout == "secret\n"
        assert stranger.poll(200) == 0
    with zmq.Context() as context, context.socket(zmq.SUB) as friend:
        friend.curve_serverkey = connection["curve_publickey"].encode()
        friend.curve_publickey, friend.curve_secretkey = zmq.curve_keypair()
        friend.subscribe(b"")
        friend.connect(address(connection, "iopub"))
        while not friend.poll(10):
            here.livepatch("exec", "-c", "print('secret')")


@pytest.mark.parametrize(
    ("ip", "curve"),
    [
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.0.1", True),
        ("localhost", True),
        ("127.0.0.1", False),
    ],
)
def test_a_kernel_that_others_could_reach_is_refused(tmp_path: Path, ip: str, curve: bool) -> None:
    file = tmp_path / "connection.json"
    with pytest.raises(AttachFailed) as refused:
        start_kernel(file, transport="tcp", ip=ip, key=b"k", curve=curve, metadata={})
    assert "other users could reach it" in refused.value.found
    assert not file.exists()
