"""Who may speak in ``livepatch attach PID``: the asker and that process, in their order."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from livepatch.errors import AttachFailed
from livepatch.processes import start_time
from livepatch.reach import handshake
from livepatch.reach.conversation import STRANGERS_PATIENCE, Conversation, Door
from livepatch.reach.handshake import Channel, Distrusted, call, hello

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = b"the key of this attach"
ASKED = "attach to pid 1"
unix = pytest.mark.skipif(os.name != "posix", reason="sockets in folders")
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")


@contextlib.contextmanager
def door(folder: Path | None, pid: int | None = None) -> Iterator[Door]:
    users = {os.geteuid()} if os.name == "posix" else set()
    it = Door(folder, KEY, users, os.getpid() if pid is None else pid)
    try:
        yield it
    finally:
        it.close()


def connect(it: Door) -> socket.socket:
    kind, address = it.where
    connection = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    connection.settimeout(20)
    connection.connect(address if kind == "unix" else ("127.0.0.1", address))
    return connection


def guest_of(it: Door, key: bytes = KEY) -> tuple[Channel, Channel]:
    """Both ends of a conversation, of which the process began."""
    theirs: list[Channel] = []
    asker = [os.getpid(), start_time(os.getpid()) if sys.platform == "linux" else None]
    calling = threading.Thread(target=lambda: theirs.append(call(it.where, key, asker)))
    calling.start()
    while (ours := it.next_guest(1.0)) is None:
        assert calling.is_alive()
    calling.join(20)
    return ours, theirs[0]


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    if request.param == "unix" and os.name != "posix":
        pytest.skip("sockets in folders")
    return tmp_path if request.param == "unix" else None


def test_both_say_and_hear_what_the_other_said(place: Path | None) -> None:
    with door(place) as it:
        ours, theirs = guest_of(it)
        with ours, theirs:
            theirs.say({"python": "3.14", "name": "ä\n"})
            theirs.say({"and": 2})
            assert ours.hear() == {"python": "3.14", "name": "ä\n"}
            assert ours.hear() == {"and": 2}
            ours.say({"versions_of": ["x" * 100_000]})
            assert theirs.hear() == {"versions_of": ["x" * 100_000]}


def test_the_key_is_in_nothing_that_travels(place: Path | None) -> None:
    with door(place) as it:
        ours, theirs = guest_of(it)
        with ours, theirs:
            said: list[bytes] = []
            theirs._connection = Overheard(theirs._connection, said)  # type: ignore[assignment]
            theirs.say({"python": "3.14"})
        assert KEY not in b"".join(said)
        assert KEY.hex().encode() not in b"".join([*said, hello(KEY, b"1")])


class Overheard:
    """A socket that lets a test change what is sent."""

    def __init__(
        self, real: socket.socket, said: list[bytes], change: Callable[[bytes], bytes] | None = None
    ) -> None:
        self._real, self._said, self._change = real, said, change

    def sendall(self, data: bytes) -> None:
        self._said.append(data)
        self._real.sendall(self._change(data) if self._change is not None else data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def lines_of(channel: Channel, *contents: dict[str, Any]) -> list[bytes]:
    """The signed lines of these messages, which are not sent."""
    kept: list[bytes] = []
    real = channel._connection
    channel._connection = Overheard(real, kept, lambda _: b"")  # type: ignore[assignment]
    for content in contents:
        channel.say(content)
    channel._connection = real
    return kept


@pytest.mark.parametrize("speaker", ["the process", "the asker"])
@pytest.mark.parametrize(
    "how",
    ["replayed", "reordered", "changed", "unsigned", "sent back", "of another attach", "cut off"],
)
def test_what_is_not_the_next_message_ends_the_conversation(
    place: Path | None, how: str, speaker: str
) -> None:
    with door(place) as it:
        pair, before = guest_of(it), guest_of(it)
        with pair[0], pair[1], before[0], before[1]:
            sender, receiver = pair if speaker == "the asker" else pair[::-1]
            first, second = lines_of(sender, {"n": 1, "go": "home"}, {"n": 2})
            (back,) = lines_of(receiver, {"n": 1})
            (other,) = lines_of(before[pair.index(sender)], {"n": 1, "go": "home"})
            sent = {
                "replayed": [first, first],
                "reordered": [second],
                "changed": [first.replace(b"home", b"away")],
                "unsigned": [b'{"n": 1}\n'],
                "sent back": [back],
                "of another attach": [other],
                "cut off": [first[:-20] + b"\n"],
            }[how]
            for line in sent:
                sender._connection.sendall(line)
            if how == "replayed":
                assert receiver.hear()["n"] == 1
            with pytest.raises(Distrusted):
                receiver.hear()


def test_a_message_without_end_is_not_kept(place: Path | None, monkeypatch: Any) -> None:
    monkeypatch.setattr(handshake, "LONGEST_MESSAGE", 1000)
    with door(place) as it:
        ours, theirs = guest_of(it)
        with ours, theirs:
            theirs._connection.sendall(b"x" * 2000)
            with pytest.raises(Distrusted):
                ours.hear()


STRANGE = [b'{"token": "wrong"}\n', b"GET / HTTP/1.0\n", b"\n", b"[1]\n", b"x" * 1000, b""]
STRANGE += [hello(b"another key", b"1" * 32) + b"\n", hello(KEY, b"1")[:-1] + b"\n"]


def test_who_does_not_know_the_key_is_told_nothing(place: Path | None) -> None:
    with door(place) as it:
        for said in STRANGE:
            with connect(it) as stranger:
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                heard = b"?"
                while it.next_guest(0.05) is None and heard == b"?":
                    try:
                        stranger.setblocking(False)
                        heard = stranger.recv(100)
                    except BlockingIOError:
                        continue
                    except ConnectionResetError:
                        break
                assert heard in (b"", b"?"), said


def test_nobody_is_waited_for_in_a_crowd(place: Path | None) -> None:
    with door(place) as it, contextlib.ExitStack() as crowd:
        for number in range(300):
            try:
                stranger = crowd.enter_context(connect(it))
                stranger.sendall(STRANGE[number % len(STRANGE)])
            except OSError:  # sent away meanwhile
                continue
            if number % 50 == 0:
                assert it.next_guest(0) is None
        ours, theirs = guest_of(it)
        with ours, theirs:
            theirs.say({"n": 1})
            assert ours.hear() == {"n": 1}


def test_who_says_nothing_is_sent_away(place: Path | None, monkeypatch: Any) -> None:
    monkeypatch.setattr("livepatch.reach.conversation.STRANGERS_PATIENCE", 0.0)
    assert STRANGERS_PATIENCE < handshake.PATIENCE
    with door(place) as it, connect(it) as stranger:
        stranger.setblocking(False)
        heard = b"?"
        while heard == b"?":
            assert it.next_guest(0.01) is None
            with contextlib.suppress(BlockingIOError):
                heard = stranger.recv(1)
        assert heard == b""


@pytest.mark.parametrize(
    "answer", [b"", b"\n", b"1 2\n", b"x" * 1000, hello(KEY, b"1" * 32) + b"\n"]
)
def test_the_process_tells_nothing_to_who_does_not_know_the_key(answer: bytes) -> None:
    """Another user has taken the port, and does what can be done without the key."""
    heard = b""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = ["tcp", listener.getsockname()[1]]
        refused: list[BaseException] = []

        def call_it() -> None:
            try:
                handshake._call_once(where, KEY, [os.getpid(), None])
            except OSError as error:
                refused.append(error)

        calling = threading.Thread(target=call_it)
        calling.start()
        with listener.accept()[0] as connection:
            connection.settimeout(20)
            while not heard.endswith(b"\n"):
                heard += connection.recv(1000)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while more := connection.recv(1000):
                    heard += more
        calling.join(20)
    (error,) = refused
    assert isinstance(error, Distrusted)
    number, signature = heard.split()
    assert (len(number), len(signature), heard.count(b"\n")) == (32, 64, 1)


def test_a_hello_that_was_overheard_opens_nothing(tmp_path: Path) -> None:
    """It is signed, so that it comes in, but what follows cannot be."""
    with door(None) as it, connect(it) as stranger:
        stranger.sendall(hello(KEY, b"1" * 32) + b"\n")
        while (channel := it.next_guest(1.0)) is None:
            pass
        with channel:
            stranger.recv(1000)
            stranger.sendall(b'1 {"python": "3.14"}\n')
            with pytest.raises(Distrusted):
                channel.hear()


@unix
def test_a_process_that_is_another_one_does_not_get_in(tmp_path: Path) -> None:
    with door(tmp_path, pid=os.getppid()) as it, connect(it) as stranger:
        if handshake.peer(stranger)[1] is None:
            pytest.skip("the system does not tell")
        stranger.sendall(hello(KEY, b"1" * 32) + b"\n")
        assert it.next_guest(1.0) is None
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""


@on_linux
def test_the_process_does_not_speak_to_another_than_who_asked(tmp_path: Path) -> None:
    with door(tmp_path) as it:
        somebody = [os.getppid(), start_time(os.getppid())]
        with pytest.raises(Distrusted, match=f"the other end is process {os.getpid()}"):
            handshake._call_once(it.where, KEY, somebody)
        with connect(it) as connection:
            assert handshake.peer(connection) == (os.geteuid(), os.getpid())


def test_where_there_are_no_sockets_in_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, whose system does not tell either who is at the other end."""
    for name in ("AF_UNIX", "SO_PEERCRED"):
        monkeypatch.delattr(socket, name, raising=False)
    with door(None) as it:
        ours, theirs = guest_of(it)
        with ours, theirs:
            assert handshake.peer(ours._connection) == (None, None)
            theirs.say({"n": 1})
            assert ours.hear() == {"n": 1}


@unix
def test_macos_tells_the_user_at_the_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Connection:
        family = socket.AF_UNIX

        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert (level, option) == (0, 1)  # SOL_LOCAL, LOCAL_PEERCRED
            return struct.pack("=IIh16I", 0, 501, 1, *range(16)).ljust(size, b"\0")

    monkeypatch.setattr(sys, "platform", "darwin")
    mac: Any = Connection()
    assert handshake.peer(mac) == (501, None)
    handshake.check_peer(mac, {501}, 7)
    with pytest.raises(Distrusted, match="the other end is a process of user 501"):
        handshake.check_peer(mac, {502, 0}, 7)


@on_linux
def test_the_process_does_not_call_when_who_asked_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as asker:
        facts = [asker.pid, start_time(asker.pid)]
        assert handshake.runs(*facts)
        assert not handshake.runs(asker.pid, "1")  # a pid that was used again
        asker.kill()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        with pytest.raises(Distrusted, match="has ended"):
            call(["tcp", listener.getsockname()[1]], KEY, facts)
        with pytest.raises(BlockingIOError):
            listener.accept()


@unix
def test_the_socket_is_the_users_alone_and_goes(tmp_path: Path) -> None:
    with door(tmp_path) as it:
        (entry,) = tmp_path.iterdir()
        assert stat.S_ISSOCK(entry.stat().st_mode)
        assert it.where == ["unix", str(entry)]
        with door(tmp_path) as another:
            assert another.where != it.where
    assert list(tmp_path.iterdir()) == []


@unix
def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with door(folder) as it:
        (entry,) = folder.iterdir()
        path = Path(it.where[1])
        assert entry.readlink() == path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        ours, theirs = guest_of(it)
        ours.close()
        theirs.close()
    assert list(folder.iterdir()) == []
    assert not path.parent.exists()


def test_a_folder_without_room_is_three_lines(tmp_path: Path) -> None:
    with pytest.raises(AttachFailed) as refused:
        Conversation(os.getpid(), ASKED, tmp_path / "missing" / "x", 1.0)
    assert len(str(refused.value).splitlines()) == 3


def test_what_is_injected_is_one_line_of_the_standard_library_only(tmp_path: Path) -> None:
    """As it runs in the webui: by a Python without any package, and no module stays."""
    with Conversation(os.getpid(), ASKED, None, 20.0) as conversation:
        line = conversation.line(["livepatch"])
    assert "\n" not in line
    assert len(line) < 60_000  # what hypno has room for
    code = f"""if True:
        import _thread, sys, threading
        _thread.start_new_thread = lambda call, arguments: call(*arguments)
        before = set(globals())
        {line}
        names = set(globals()) - before
        for thread in threading.enumerate()[1:]:
            assert thread.name == "livepatch-attach"
            thread.join()
        print([name for name in sys.modules if "livepatch" in name], sorted(names))
    """
    found = subprocess.run(
        [sys.executable, "-IS", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (found.stdout, found.stderr) == ("[] ['before']\n", "")
