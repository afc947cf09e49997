"""Another user attacks ``livepatch attach``: two real accounts, and what the attacker got."""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from account_support import ROOT, accounts, same_files_for_all

from livepatch.reach.conversation import Door
from livepatch.reach.handshake import call

PATIENCE = 60.0  # seconds
BARE_PYTHON = os.path.realpath(sys.executable)  # without the packages of the virtual environment

# The victim's webui: its main thread is busy for so many seconds, then it rests.
WEBUI = """
import sys, time
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    pass
while True:
    time.sleep(0.05)
"""

# What the attacker lends: it runs as whoever imports it.
EVIL = """
import os
with open({witness!r}, "a") as file:
    file.write(f"{{os.getuid()}}\\n")
def attach_as_told(*_, **__):
    raise SystemError
"""

# The attacker: looks for the victim's listeners, and says on stdout what it got.
ATTACKER = r"""
import itertools, json, os, socket, sys, threading, time

victim, mode, evil, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
say_lock = threading.Lock()

def say(**what):
    with say_lock:
        print(json.dumps(what), flush=True)

def ports():
    with open("/proc/net/tcp") as file:
        lines = file.readlines()[1:]
    fields = [line.split() for line in lines]
    return {int(f[1].split(":")[1], 16) for f in fields if f[3] == "0A" and int(f[7]) == victim}

def paths():
    with open("/proc/net/unix") as file:
        found = [line.split()[-1] for line in file if folder in line]
    return set(found)

ORDER = json.dumps({"name": "evil", "folder": folder, "transport": "ipc",
                    "places": {"livepatch": evil}, "homes": {}}) + "\n"

def serve(listener, known=b""):
    # Answer whoever comes as the asker would.
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection, known), daemon=True).start()

def converse(connection, known):
    connection.settimeout(5)
    heard = b""
    try:
        while True:
            data = connection.recv(65536)
            if not data:
                break
            heard += data
            connection.sendall(known + ORDER.encode())
    except OSError:
        pass
    say(heard=heard.decode(errors="replace"))

def rebind(port):
    # Bind the port as soon as it is free.
    end = time.monotonic() + 60
    while time.monotonic() < end:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(100)
        except OSError:
            listener.close()
            continue
        say(bound=port)
        serve(listener)

def crowd(address, family):
    # Connect before the process does: some say nothing, some say nonsense, none goes.
    held, count = [], itertools.count()
    words = [b"", b"{}\n", b'{"token": "x"}\n', b"a" * 150, b"a" * 300, ORDER.encode()]
    while True:
        connection = socket.socket(family)
        connection.settimeout(0.05)
        try:
            connection.connect(address)
            if connection.getsockname() == connection.getpeername():
                raise ConnectionRefusedError  # with itself: nobody listens there any more
            connection.sendall(words[next(count) % len(words)])
        except OSError as error:
            connection.close()
            if not isinstance(error, ConnectionRefusedError):
                continue
            time.sleep(0.01)  # nobody listens there any more
            if not held:
                return
            continue
        held.append(connection)
        if mode == "flood" or len(held) > 200:
            taken, held = held, []
            for connection in taken:
                connection.setblocking(False)
                try:
                    data = connection.recv(1000)
                    if data and not data.startswith(b"\xff\0"):  # a kernel's ports greet everybody
                        say(heard=data.decode(errors="replace"))
                except OSError:
                    pass
                connection.close()

def at_the_folder(path):
    # Look in, take the place, exchange the folder.
    for what, attempt in {
        "listed": lambda: os.listdir(folder),
        "connected": lambda: socket.socket(socket.AF_UNIX).connect(path),
        "bound": lambda: socket.socket(socket.AF_UNIX).bind(path + "x"),
        "removed": lambda: os.unlink(path),
        "read": lambda: open(path).read(),
        "linked": lambda: os.symlink(evil, path + "l"),
        "moved": lambda: os.rename(folder, folder + "x"),
        "moved above": lambda: os.rename(os.path.dirname(folder), os.path.dirname(folder) + "x"),
    }.items():
        try:
            attempt()
        except OSError:
            continue
        say(**{what: path})

if mode.isdigit():
    # At this port, without looking for others.
    port, mode = int(mode), "flood"
    threading.Thread(target=crowd, args=(("127.0.0.1", port), socket.AF_INET), daemon=True).start()
    say(ready=True)
    time.sleep(600)

say(ready=True)
seen = set()
if mode in ("elsewhere first", "elsewhere flood"):
    # The same work, but with itself: what a busy neighbour costs.
    mine = socket.create_server(("127.0.0.1", 0), backlog=4096)
    mode = mode.split()[1]
    def take():
        held = []
        while True:
            held.append(mine.accept()[0])
            if mode == "flood" or len(held) > 250:
                held.clear()
    def meet():
        while not ports() and not paths():
            time.sleep(0.005)
        crowd(mine.getsockname(), socket.AF_INET)
    for work in (take, meet):
        threading.Thread(target=work, daemon=True).start()
    while True:
        time.sleep(1)
while True:
    for port in ports() - seen:
        seen.add(port)
        threading.Thread(
            target=rebind if mode == "rebind" else crowd,
            args=(port,) if mode == "rebind" else (("127.0.0.1", port), socket.AF_INET),
            daemon=True,
        ).start()
    for path in paths() - seen:
        seen.add(path)
        at_the_folder(path)
    time.sleep(0.005)
"""


@dataclass
class Round:
    """One attack, and what came of it."""

    what: str
    tokens: int = 0  # learned
    obeyed: int = 0  # the attacker's package ran as the victim
    entered: int = 0  # the attacker got into the folder, or a connection that was answered
    lines: int = 0  # the process told the attacker something, whatever it was
    seconds: float | None = None  # that the attach took, None where it was to be broken off
    beside: float | None = None  # that it took beside an attacker who was busy with himself
    code: int = 0
    said: str = ""
    tries: int = 0
    left: list[str] = field(default_factory=list)  # in the victim's process

    def delay(self) -> float:
        """How much longer it took than beside who does not attack, in seconds."""
        return (self.seconds or 0.0) - (self.beside or 0.0)


class Ground:
    """Where the attack takes place: two accounts, a folder of each, and the commands as each."""

    def __init__(
        self, folder: Path, victim: Any, attacker: Any, prefix: Any, package: Path
    ) -> None:
        self.victim, self.attacker, self.prefix = victim, attacker, prefix
        folder.chmod(0o755)
        self.base, self.lair = folder / "v", folder / "a"
        for path, account in ((self.base, victim), (self.lair, attacker)):
            path.mkdir()
            os.chown(path, account.pw_uid, account.pw_gid)
        self.runtime = self.base / "rt"
        compileall.compile_dir(package / "livepatch", quiet=2)  # neither account may write there
        self.script = folder / "webui.py"
        self.script.write_text(WEBUI)
        self.program = folder / "attacker.py"
        self.program.write_text(ATTACKER)
        self.witness = folder / "witness"
        self.witness.touch()
        self.witness.chmod(0o666)
        for part in ("livepatch", "livepatch/reach"):
            (self.lair / part).mkdir()
            (self.lair / part / "__init__.py").touch()
        evil = self.lair / "livepatch/reach/attach.py"
        evil.write_text(EVIL.format(witness=str(self.witness)))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": victim.pw_dir,
            "PYTHONPATH": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LIVEPATCH_RUNTIME_DIR": str(self.runtime),
        }

    def start(
        self, account: Any, *command: str, python: str = sys.executable, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a Python as that account."""
        return subprocess.Popen(
            [*self.prefix(account), python, *command],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            **{"env": self.environment, "stderr": subprocess.PIPE, **options},
        )

    @contextmanager
    def attacked(self, mode: str, found: Round) -> Any:
        """The attacker is at work; in the end ``found`` says what it got."""
        arguments = [str(self.victim.pw_uid), mode, str(self.lair), str(self.runtime)]
        attacker = self.start(self.attacker, str(self.program), *arguments)
        assert attacker.stdout is not None
        assert attacker.stderr is not None
        assert "ready" in attacker.stdout.readline()
        try:
            yield
        finally:
            attacker.kill()
            for line in attacker.stdout.read().splitlines():
                self._count(line, found)
            attacker.communicate()
            found.obeyed += self.witness.read_text().count(str(self.victim.pw_uid))
            self.witness.write_text("")

    @staticmethod
    def _count(line: str, found: Round) -> None:
        try:
            got = json.loads(line)
        except ValueError:  # killed in the middle of it
            return
        heard = got.get("heard", "")
        found.lines += heard != ""
        found.tokens += '"token"' in heard or '"key"' in heard
        entered = {"listed", "bound", "removed", "read", "linked", "moved", "moved above"}
        found.entered += bool(entered & set(got)) and not isinstance(got.get("bound"), int)

    @contextmanager
    def webui(self, busy: float) -> Any:
        """The victim's webui: it knows nothing of livepatch, which has to be lent to it."""
        options = {"python": BARE_PYTHON, "stderr": subprocess.STDOUT}
        webui = self.start(self.victim, "-IS", str(self.script), str(busy), **options)
        assert webui.stdout is not None
        assert webui.stdout.readline() == "ready\n"
        try:
            yield webui
        finally:
            webui.kill()
            webui.communicate()


def attach_beside(ground: Ground, transport: str, mode: str) -> Round:
    """How long it takes beside somebody who does the same to himself."""
    found = Round(f"beside {mode}")
    with ground.webui(0) as webui, ground.attacked(f"elsewhere {mode}", found):
        _attach_to_the_end(ground, webui, transport, found)
    return found


def attach_in_a_crowd(ground: Ground, transport: str, mode: str) -> Round:
    """The attacker comes first, and stays: ``mode`` is "first" or "flood".

    Up to three times where it takes long: a busy machine is not an attacker who holds one up.
    """
    found = Round(f"in a crowd, {mode}")
    for _ in range(3):
        beside = attach_beside(ground, transport, mode)
        assert beside.code == 0, beside.said
        with ground.webui(0) as webui, ground.attacked(mode, found):
            _attach_to_the_end(ground, webui, transport, found)
        found.beside, found.tries = beside.seconds, found.tries + 1
        if found.code != 0 or found.delay() <= 1.0:
            break
    return found


def _attach_to_the_end(
    ground: Ground, webui: subprocess.Popen[str], transport: str, found: Round
) -> None:
    environment = {**ground.environment, "LIVEPATCH_TRANSPORT": transport}
    began = time.monotonic()
    command = ["-m", "livepatch", "attach", str(webui.pid)]
    asker = ground.start(ground.victim, *command, env=environment)
    _, found.said = asker.communicate(timeout=PATIENCE)
    found.seconds = time.monotonic() - began
    found.code = asker.returncode


def attach_broken_off(
    ground: Ground, transport: str, way: str, asker_ends_by: int, after: float, then: float
) -> Round:
    """The asker ends while its line is on the way, and the attacker takes the asker's place.

    Args:
        ground: where.
        transport: "ipc" or "tcp".
        way: why the line is late: the webui is "busy" or "stopped".
        asker_ends_by: a signal.
        after: when, in seconds after the injection has begun.
        then: when the webui rests again, in seconds after that.
    """
    found = Round(f"broken off, {way}, {signal.Signals(asker_ends_by).name}")
    environment = {**ground.environment, "LIVEPATCH_TRANSPORT": transport}
    busy = 4.0 if way == "busy" else 0.0
    with ground.webui(busy) as webui, ground.attacked("rebind", found):
        if way == "stopped":
            webui.send_signal(signal.SIGSTOP)
        command = ["-m", "livepatch", "attach", str(webui.pid)]
        asker = ground.start(ground.victim, *command, env=environment)
        injector = _injector_of(webui.pid)
        time.sleep(after)
        asker.send_signal(asker_ends_by)
        asker.communicate(timeout=PATIENCE)
        time.sleep(then)
        if way == "stopped":
            webui.send_signal(signal.SIGCONT)
        _wait(lambda: not _runs(injector))  # the line has run now, if it ever will
        _wait(lambda: len(os.listdir(f"/proc/{webui.pid}/task")) == 1, 10)
        found.left = _left_in(webui.pid)
    return found


def _left_in(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return [
            Path(f"/proc/{pid}/task/{t}/comm").read_text() for t in os.listdir(f"/proc/{pid}/task")
        ][1:]
    return ["it has ended"]


def _injector_of(pid: int) -> int:
    """The injector's pid, once it runs."""
    wanted = f"livepatch.reach.injector\0{pid}\0".encode()
    found: list[int] = []

    def look() -> bool:
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and wanted in Path(f"/proc/{entry}/cmdline").read_bytes():
                    found.append(int(entry))
        return bool(found)

    _wait(look)
    return found[0]


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _wait(until: Any, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not until() and time.monotonic() < end:
        time.sleep(0.005)


def knock_in_a_crowd(times: int) -> tuple[list[float], list[float]]:
    """How long a process waits to be let in over loopback, alone and while another user floods.

    This is what a crowd can hold up; all the rest of an attach only shares the machine with it.

    Returns:
        The seconds of each knock alone, and of each in the crowd.
    """
    key = os.urandom(32)
    with (
        tempfile.TemporaryDirectory(prefix="lp-attack-") as folder,
        accounts() as make,
        same_files_for_all() as prefix,
    ):
        ground = Ground(Path(folder), make(), make(), prefix, ROOT)
        door = Door(None, key, set(), 0)
        try:
            alone = [_knock(door, key) for _ in range(times)]
            with ground.attacked(str(door.where[1]), Round("knocks")):
                crowded = [_knock(door, key) for _ in range(times)]
        finally:
            door.close()
    return alone, crowded


def _knock(door: Door, key: bytes) -> float:
    took: list[float] = []
    time.sleep(0.2)  # the line is on its way, and nobody is at the door: the crowd grows

    def knock() -> None:
        began = time.monotonic()
        with call(door.where, key, [os.getpid(), None]):
            took.append(time.monotonic() - began)

    knocking = threading.Thread(target=knock)
    knocking.start()
    while (guest := door.next_guest(0.05)) is None:
        assert knocking.is_alive()
    with guest:
        knocking.join()
    return took[0]


def plan(rounds: int, transport: str) -> list[tuple[Any, ...]]:
    """So many attacks, each kind with other timings."""
    delays = (0.0, 0.05, 0.2, 0.5, 1.0)
    kinds: list[tuple[Any, ...]] = []
    for number in range(rounds):
        after, then = delays[number % 5], delays[(number // 5) % 5]
        way = ("busy", "stopped")[(number // 2) % 2]
        by = (signal.SIGINT, signal.SIGKILL)[(number // 4) % 2]
        kinds.append(
            (
                (attach_broken_off, transport, way, by, after, then),
                (attach_in_a_crowd, transport, "first"),
                (attach_broken_off, transport, way, by, then, after),
                (attach_in_a_crowd, transport, "flood"),
            )[number % 4 if number % 8 < 4 else (0, 2, 0, 1)[number % 4]]
        )
    return kinds


def attack(rounds: int, package: Path, transport: str, tell: Any = lambda _: None) -> list[Round]:
    """So many attacks on a livepatch."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="lp-attack-") as folder,
        accounts() as make,
        same_files_for_all() as prefix,
    ):
        ground = Ground(Path(folder), make(), make(), prefix, package)
        attach_beside(ground, transport, "first")  # reads from the disk what is read only once
        for call, *arguments in plan(rounds, transport):
            found.append(call(ground, *arguments))
            tell(found[-1])
    return found


@dataclass
class Figures:
    """What a number of attacks came to."""

    attacks: int
    tokens: int
    obeyed: int
    entered: int
    lines: int
    delayed: int  # over one second longer than beside who does not attack
    again: int  # crowds in which it was measured again, as it took longer
    failed: int  # attaches that the crowd made fail
    left: int  # something stayed in the victim's process
    longest: float  # of those delays, in seconds
    median: float

    @classmethod
    def of(cls, rounds: list[Round]) -> Figures:
        """The figures of these rounds."""
        crowded = [r for r in rounds if r.seconds is not None and r.beside is not None]
        delays = [r.delay() for r in crowded]
        return cls(
            attacks=len(rounds),
            tokens=sum(r.tokens for r in rounds),
            obeyed=sum(r.obeyed for r in rounds),
            entered=sum(r.entered for r in rounds),
            lines=sum(r.lines for r in rounds),
            delayed=sum(delay > 1.0 for delay in delays),
            again=sum(r.tries > 1 for r in crowded),
            failed=sum(r.code != 0 for r in crowded),
            left=sum(bool(r.left) for r in rounds),
            longest=max(delays, default=0.0),
            median=statistics.median(delays) if delays else 0.0,
        )
