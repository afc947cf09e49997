"""Faults beside 50 requests a second: ``python tests/soak/faults.py [WORD ...]``.

Each fault strikes a webui of its own that has a kernel and serves all the time; counted is what
failed of the requests, and looked at is whether the webui, and the kernel where it should, go on.
Words choose the faults whose names contain one of them.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from reach_support import Place, RunningWebui, place

from livepatch.reach.webuis import running_webuis

PER_SECOND = 50
SETTLE = 1.0  # seconds of load before and after a fault

WEBUI = """
import os, socket, sys, time
import uvicorn
from fastapi import FastAPI
import livepatch

app = FastAPI()

def greeting():
    return "hello"

def other():
    return "other"

@app.get("/")
def hello():
    return greeting()

@app.get("/other")
def say_other():
    return other()

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
{before}
livepatch.attach("webui")
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
"""

NO_STREAMS = "sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None"

# gunicorn loads it once, in its master, and forks the workers.
PREFORK = """
import livepatch

livepatch.attach("webui")

def greeting():
    return b'"hello"'

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [greeting()]
"""
PREFORK_SETTINGS = """
workers, threads, preload_app, bind = 3, 2, True, "127.0.0.1:0"
def when_ready(server):
    print(server.LISTENERS[0].sock.getsockname()[1], flush=True)
"""

# What python-daemon and its like do: a child of the attached process closes all that it inherited
# and serves on; numbers of closed descriptors come again for its own sockets.
DAEMON = """
livepatch.attach("webui")
if os.fork():
    os._exit(0)
os.setsid()
kept = listening.fileno()
for number in range(3, 256):
    if number != kept:
        try:
            os.close(number)
        except OSError:
            pass
"""


@dataclass
class Load:
    """Requests to a webui at a steady rate, each by a connection of its own."""

    port: int
    served: int = 0
    failed: list[str] = field(default_factory=list)
    longest: float = 0.0

    def __enter__(self) -> Load:
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(5)]
        for thread in self._threads:
            thread.start()
        time.sleep(SETTLE)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(SETTLE)
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._done.wait(len(self._threads) / PER_SECOND):
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                with contextlib.closing(connection):
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    body = answer.read()
                    assert (answer.status, body) == (200, b'"hello"'), body
                self.served += 1
            except Exception as error:  # counted: the load goes on
                self.failed.append(repr(error))
            self.longest = max(self.longest, time.monotonic() - began)


@dataclass
class Scene:
    """One fault's webui, and the folder it lives in."""

    here: Place
    webui: RunningWebui

    def cell(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run a cell from the command line."""
        return self.here.livepatch("exec", "-c", code)

    def check(self, code: str, answer: str) -> None:
        """Run a cell that has to print this."""
        done = self.cell(code)
        assert done.stdout.strip() == answer, (code, done.stdout, done.stderr)

    def kernel_answers(self) -> None:
        self.check("6 * 7", "42")


Fault = Callable[[Scene], None]
FAULTS: dict[str, tuple[Fault, dict[str, str]]] = {}


def fault(**options: str) -> Callable[[Fault], Fault]:
    """A function that does one fault; the options are what its webui needs."""

    def add(strike: Fault) -> Fault:
        FAULTS[strike.__name__.replace("_", " ")] = strike, options
        return strike

    return add


@fault()
def a_patch_that_raises(scene: Scene) -> None:
    scene.cell("import livepatch as lp\nlp.replace('__main__.other', 'def other():\\n    1 / 0')")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", scene.webui.port)) as asking:
        asking.request("GET", "/other")
        assert asking.getresponse().status == 500
    scene.kernel_answers()


@fault()
def a_patch_that_never_ends(scene: Scene) -> None:
    scene.cell(
        "import livepatch as lp\nstuck = True\n"
        "def other():\n    import time\n    while stuck:\n        pass\n    return 'freed'\n"
        "lp.replace('__main__.other', other)"
    )
    connection = http.client.HTTPConnection("127.0.0.1", scene.webui.port, timeout=60)
    connection.request("GET", "/other")
    time.sleep(2)
    scene.check("print(lp.restore_all() is not None)", "True")
    scene.cell("stuck = False")
    assert connection.getresponse().read() == b'"freed"'
    connection.close()
    scene.kernel_answers()


@fault()
def a_storm_of_interrupts(scene: Scene) -> None:
    from livepatch.reach.webuis import choose, client_of

    webui = choose()
    client = client_of(webui)
    client.start_channels(stdin=False, hb=False, iopub=False)
    try:
        for _ in range(20):
            client.execute("while True: pass", silent=True, store_history=False)
            end = time.monotonic() + 30
            # An interrupt that comes before the cell has begun has nothing to end.
            while not client.shell_channel.msg_ready():
                assert time.monotonic() < end, "no interrupt ends the cell"
                client.control_channel.send(client.session.msg("interrupt_request", {}))
                time.sleep(0.005)
            client.get_shell_msg(timeout=1)
    finally:
        client.stop_channels()
    scene.kernel_answers()


@fault()
def a_kernel_restart_and_a_detach(scene: Scene) -> None:
    scene.cell("import livepatch as lp; lp.replace('__main__.other', 'def other(): return 1')")
    assert scene.here.livepatch("detach", "webui").returncode == 0
    assert scene.here.livepatch("list").stdout.strip().count("webui") == 0


@fault()
def a_stop_of_the_kernels_loop(scene: Scene) -> None:
    scene.cell("import asyncio; asyncio.get_running_loop().stop()")


@fault()
def a_child_of_a_cell_that_exits(scene: Scene) -> None:
    code = "import os, sys\nif os.fork() == 0:\n    sys.exit(3)\nprint(os.wait()[1] >> 8)"
    scene.check(code, "3")
    scene.kernel_answers()


@fault()
def a_memory_error_in_a_cell(scene: Scene) -> None:
    scene.cell("raise MemoryError")
    scene.cell("bytearray(1 << 62)")
    scene.kernel_answers()


@fault()
def a_print_of_ten_megabytes_with_little_room(scene: Scene) -> None:
    limit = (
        "import resource\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "before = resource.getrlimit(resource.RLIMIT_AS)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 30_000_000, before[1]))\n"
    )
    scene.cell(limit + "print('x' * 10_000_000)\nresource.setrlimit(resource.RLIMIT_AS, before)")
    # The limit is taken back from outside, should the cell have died of it.
    subprocess.run(["prlimit", "--pid", str(scene.webui.pid), "--as=unlimited"], check=True)
    scene.kernel_answers()


@fault(before=NO_STREAMS)
def no_standard_streams(scene: Scene) -> None:
    scene.check("print('printed')", "printed")
    scene.kernel_answers()


@fault()
def a_full_disk(scene: Scene) -> None:
    for folder in (scene.here.runtime, Path(scene.here.environment["LIVEPATCH_STATE_DIR"])):
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)], check=True)
    try:
        for folder in (scene.here.runtime, Path(scene.here.environment["LIVEPATCH_STATE_DIR"])):
            with contextlib.suppress(OSError):
                (folder / "filler").write_bytes(bytes(1_000_000))
        scene.here.livepatch("list")
        scene.here.livepatch("attach", str(scene.webui.pid))
    finally:
        for folder in (scene.here.runtime, Path(scene.here.environment["LIVEPATCH_STATE_DIR"])):
            subprocess.run(["umount", str(folder)], check=True)
    scene.cell("import livepatch as lp; lp.replace('__main__.other', 'def other(): return 1')")
    scene.kernel_answers()


@fault(read_only="yes")
def a_file_system_that_is_read_only(scene: Scene) -> None:
    scene.cell("import livepatch as lp; lp.replace('__main__.other', 'def other(): return 1')")
    scene.kernel_answers()


@fault(before=DAEMON)
def a_daemon_that_closes_all_descriptors(scene: Scene) -> None:
    scene.kernel_answers()


@fault(prefork="yes")
def workers_that_are_forked_after_the_kernel(scene: Scene) -> None:
    scene.kernel_answers()
    new = "def greeting():\n    return b'\"hello\"'"
    code = f"import livepatch as lp; lp.replace('webui_app.greeting', {new!r})"
    assert scene.cell(code).returncode == 0
    os.kill(scene.webui.pid, signal.SIGTTIN)  # one worker more, forked beside the kernel
    scene.check("print(lp.restore_all() is not None)", "True")
    os.kill(scene.webui.pid, signal.SIGTTOU)
    assert scene.here.livepatch("detach", "webui").returncode == 0


@fault(clock="yes")
def a_clock_that_jumps(scene: Scene) -> None:
    cell = "import livepatch as lp; lp.replace('__main__.other', 'def other(): return 1')"
    scene.cell(f"before = {time.time()}")
    for days in (10, -10, 400, 0):
        with (scene.here.folder / "clock").open("r+b") as clock:  # mapped there: never shorter
            clock.write(struct.pack("q", days * 86400))
        scene.check("import time; print(round((time.time() - before) / 86400))", str(days))
        scene.cell(cell)
        scene.kernel_answers()
        assert "webui" in scene.here.livepatch("list").stdout


@fault()
def a_webui_that_is_stopped_for_a_while(scene: Scene) -> None:
    os.kill(scene.webui.pid, signal.SIGSTOP)
    try:
        done = scene.here.livepatch("list")
        assert "busy" in done.stdout, done.stdout
        assert scene.cell("1").returncode == 2
    finally:
        os.kill(scene.webui.pid, signal.SIGCONT)
    scene.kernel_answers()


def main(words: list[str]) -> int:
    """Print a line for each fault; 0 if no request failed and all went on."""
    chosen = [name for name in FAULTS if not words or any(word in name for word in words)]
    harmed = 0
    for name in chosen:
        strike, options = FAULTS[name]
        with place() as here:
            said, load = _strike(here, strike, options)
        harmed += bool(load.failed) or said != "ok"
        print(
            f"{name}: {load.served} served, {len(load.failed)} failed, the longest took "
            f"{load.longest:.2f} s; {said}",
            flush=True,
        )
        for failure in load.failed[:3]:
            print(f"    {failure}", flush=True)
    print(f"{len(chosen)} faults, {harmed} with harm")
    return int(harmed > 0)


def _strike(here: Place, strike: Fault, options: dict[str, str]) -> tuple[str, Load]:
    here.script.write_text(WEBUI.format(before=options.get("before", "")))
    here.environment["LIVEPATCH_STATE_DIR"] = str(here.folder / "state")
    command = [sys.executable, str(here.script)]
    if "clock" in options:
        here.environment |= _with_a_clock(here.folder)
    if "prefork" in options:
        (here.folder / "webui_app.py").write_text(PREFORK)
        (here.folder / "settings.py").write_text(PREFORK_SETTINGS)
        settings = str(here.folder / "settings.py")
        command = [sys.executable, "-m", "gunicorn", "--config", settings, "webui_app:app"]
    if "read_only" in options:
        # All but the runtime folder: without a place for its sockets no kernel can be there.
        command = ["unshare", "--mount", "sh", "-c", _read_only(here), "sh", *command]
    webui = here.serve(command, env=here.environment)
    os.environ["LIVEPATCH_RUNTIME_DIR"] = str(here.runtime)
    load = Load(webui.port)
    _wait_for_kernel(here)
    try:
        with load:
            strike(Scene(here, webui))
        return "ok", load
    except Exception as error:
        return f"{type(error).__name__}: {error}", load
    finally:
        for attached in running_webuis():
            if attached.pid != webui.pid:  # a daemon: nobody's child any more
                os.kill(attached.pid, signal.SIGKILL)


# The clock of the wall, so many seconds off as a file says; what counts seconds stays as it is.
# (libfaketime changes the waiting calls as well, and then they fail.)
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static long *offset(void) {
    static long *found;
    if (!found) {
        int file = open(getenv("CLOCK_FILE"), O_RDONLY);
        found = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    }
    return found;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += *offset();
    return failed;
}
time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
"""


def _with_a_clock(folder: Path) -> dict[str, str]:
    """What a process needs in its environment to have a clock that the file ``clock`` moves."""
    (folder / "clock").write_bytes(struct.pack("q", 0))
    (folder / "clock.c").write_text(CLOCK)
    library = folder / "clock.so"
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(folder / "clock.c"), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_FILE": str(folder / "clock")}


_BIND_READ_ONLY = ("mount --bind {0} {0}", "mount -o remount,ro,bind {0}")


def _read_only(here: Place) -> str:
    here.data.mkdir()
    folders = [here.data, here.folder / "state"]
    folders[1].mkdir()
    steps = [step.format(path) for path in folders for step in _BIND_READ_ONLY]
    return " && ".join([*steps, 'exec "$@"'])


def _wait_for_kernel(here: Place) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if here.livepatch("list", "--json").stdout.strip() not in ("", "[]"):
            return
    raise TimeoutError("the webui got no kernel")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
