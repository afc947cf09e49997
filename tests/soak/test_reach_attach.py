"""``livepatch attach PID``: a kernel in a process that was not prepared, or a refusal."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attach_support import BY_HYPNO, attach, refusal, threads, with_remote_exec
from jupyter_client.manager import KernelManager

from livepatch.errors import LivepatchError
from livepatch.reach import injector
from livepatch.reach.closure import our_closure
from livepatch.reach.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient
    from reach_support import Place

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the cases are Linux's"
)

if BY_HYPNO:
    pytest.importorskip("hypno")

NOBODY = 65534
STATE = "import json, sys, threading; print(json.dumps([sorted(vars(sys.modules['__main__'])), \
[repr(f) for f in sys.meta_path], sys.path, sorted(t.name for t in threading.enumerate())]))"


def test_a_process_that_was_not_prepared_gets_a_kernel_and_loses_it_again(here: Place) -> None:
    webui = here.start_unprepared()
    said = attach(here, webui).stdout
    assert said == (
        f"attached to greeter (pid {webui.pid}); open a notebook on it: livepatch lab greeter\n"
    )
    (listed,) = json.loads(here.livepatch("list", "--json").stdout)
    assert (listed["name"], listed["pid"]) == ("greeter", webui.pid)
    code = "import os, livepatch as lp; lp.replace('__main__.greeting', lambda: 'hi'); os.getpid()"
    assert here.livepatch("exec", "greeter", "-c", code).stdout == f"{webui.pid}\n"
    assert webui.get() == "hi"
    assert here.livepatch("detach", str(webui.pid)).returncode == 0
    assert webui.get() == "hello"
    assert json.loads(here.livepatch("list", "--json").stdout) == []


def test_it_can_be_attached_to_again_under_another_name(here: Place) -> None:
    webui = here.start_unprepared()
    for name in ("one", "two", "one"):  # what the second leaves, the third would complain of
        attach(here, webui, "--name", name)
        assert here.livepatch("exec", name, "-c", "1").stdout == "1\n"
        assert here.livepatch("detach", name).returncode == 0
    assert webui.get() == "hello"
    assert (here.folder / "stderr.txt").read_text() == ""


def test_no_such_process_and_no_process_at_all(here: Place) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert refusal(here, ended.pid)[1] == "there is no such process"
    for pid in (0, 2**31 - 1, 10**12):
        assert refusal(here, pid)[1] == "there is no such process"
    found = here.livepatch("attach", "greeter")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("usage: ")


def test_a_process_that_is_no_python(here: Place) -> None:
    program = shutil.which("cat")
    assert program is not None
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        lines = refusal(here, other.pid)
        assert lines[1] == f"no Python runs in it: {os.path.realpath(program)}"
        assert other.communicate(b"unharmed")[0] == b"unharmed"


def test_a_process_that_has_our_kernel_answers_that_one(here: Place) -> None:
    webui = here.start_unprepared()
    said = attach(here, webui).stdout
    count = threads(webui)
    assert attach(here, webui).stdout == said
    assert attach(here, webui, "--name", "another").stdout == said
    assert threads(webui) == count
    assert here.livepatch("exec", "-c", "1").stdout == "1\n"


def test_our_kernel_that_is_found_in_another_runtime_folder(here: Place) -> None:
    webui = here.start()
    count = threads(webui)
    other = here.folder / "other"
    lines = refusal(here, webui.pid, LIVEPATCH_RUNTIME_DIR=str(other))
    assert lines[1] == (
        "it already runs a kernel of livepatch, under the name 'greeter'; its folder is "
        f"{here.runtime}, this livepatch looks in {other}"
    )
    assert lines[2] == f"LIVEPATCH_RUNTIME_DIR={here.runtime} livepatch lab {webui.pid}"
    assert threads(webui) == count
    assert here.livepatch("exec", "-c", "1").stdout == "1\n"


@contextlib.contextmanager
def awake(client: BlockingKernelClient) -> Iterator[None]:
    """The main thread of an idle kernel does not come back to Python, where 3.14 waits for it."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.2):
            client.kernel_info()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stop.set()
        asking.join()


def test_a_process_that_is_a_notebooks_kernel(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, here.environment[name])
    manager = KernelManager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        pid = manager.provisioner.pid  # type: ignore[union-attr]
        with awake(client):
            lines = refusal(here, pid)
        assert lines[1] == "it already runs a kernel of Jupyter: it is a notebook's process"
        assert client.execute("1", reply=True, timeout=30)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_runtime_folder_that_is_not_safe(here: Place) -> None:
    webui = here.start_unprepared()
    here.runtime.mkdir(mode=0o700)
    here.runtime.chmod(0o777)
    lines = refusal(here, webui.pid)
    assert lines[1] == f"{here.runtime} is writable by everybody (mode 0777)"
    here.runtime.chmod(0o700)
    folder = Path("/")
    if os.geteuid() == 0:
        folder = here.folder / "others"
        folder.mkdir(mode=0o700)
        os.chown(folder, NOBODY, -1)
    lines = refusal(here, webui.pid, LIVEPATCH_RUNTIME_DIR=str(folder))
    assert "belongs to " in lines[1]
    assert threads(webui) == 1
    assert webui.get() == "hello"


def test_a_full_disk_on_either_side(here: Place) -> None:
    """A limit of no bytes for each file: every write fails, as on a full disk."""
    import resource

    webui = here.start_unprepared()
    unlimited = resource.prlimit(webui.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(webui.pid, resource.RLIMIT_FSIZE, (0, unlimited))
    lines = refusal(here, webui.pid)
    assert "File too large" in lines[1]
    assert sorted(here.runtime.iterdir()) == []
    assert webui.get() == "hello"

    resource.prlimit(webui.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from livepatch.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    lines = refusal(here, webui.pid, sys.executable, "-c", code)
    assert lines[1].startswith("hypno could not inject: [Errno " if BY_HYPNO else "Python could")
    assert webui.get() == "hello"
    attach(here, webui)


BUSY = """
import threading
def spin():
    while True:
        sum(range(1000))
threading.Thread(target=spin, daemon=True).start()
"""


@pytest.mark.skipif(not BY_HYPNO, reason="Python itself waits")
def test_a_process_with_a_busy_thread_is_attached_to_while_its_main_thread_rests(
    here: Place,
) -> None:
    here.script.write_text(BUSY + here.script.read_text())
    webui = here.start_unprepared()
    attach(here, webui)
    assert webui.get() == "hello"


@pytest.mark.skipif(not BY_HYPNO, reason="Python itself waits")
def test_a_main_thread_that_is_never_at_rest_is_left_alone(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "print('ready', flush=True)\nfor n in range(10**12):\n    if n % 10**6 == 0: m = n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        try:
            patient = (
                "import sys; from livepatch.reach import injector; injector.PATIENCE = 0.5;"
                "sys.argv[1:] = sys.argv[-1:]; sys.exit(injector.main())"
            )
            command = [sys.executable, "-c", patient, str(busy.pid)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as injecting:
                assert injecting.stdin is not None
                line = "print('injected', flush=True)"
                injecting.stdin.write(json.dumps({"line": line}) + "\n")
                injecting.stdin.flush()
                assert injecting.wait(30) == injector.NEVER_AT_REST
            assert busy.poll() is None
        finally:
            busy.kill()
        assert busy.stdout.read() == b""


def test_a_stopped_process_is_given_up_and_notices_nothing_when_it_goes_on(here: Place) -> None:
    webui = here.start_unprepared()
    code = (
        "import sys; from livepatch.reach import inject; inject.PATIENCE = 2.0;"
        "from livepatch.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    os.kill(webui.pid, signal.SIGSTOP)
    try:
        lines = refusal(here, webui.pid, sys.executable, "-c", code)
    finally:
        os.kill(webui.pid, signal.SIGCONT)
    assert "is stopped, or waits" in lines[1]
    assert webui.get() == "hello"
    while threads(webui) > 1 or list(here.runtime.glob("inject-*")):  # what was injected ends
        time.sleep(0.01)
    assert (here.folder / "stderr.txt").read_text() == ""
    assert json.loads(here.livepatch("list", "--json").stdout) == []


def test_a_thread_at_rest_is_told_by_its_system_call() -> None:
    epoll_wait, mmap = "232 0x7 0x1 0x1f4", "9 0x0 0x1000"
    assert injector.waits(epoll_wait, "x86_64")
    assert not injector.waits(mmap, "x86_64")  # in the middle of an allocation, perhaps
    assert not injector.waits("-1 0x7ffe 0x7f44", "x86_64")
    assert not injector.waits("running", "x86_64")
    assert injector.waits("22 0x7", "aarch64")
    assert not injector.waits("232 0x7", "aarch64")
    assert injector.waits("", "x86_64")
    assert not injector.waits("-1 0x7ffe 0x7f44", "riscv64")


@pytest.mark.skipif(not BY_HYPNO, reason="it is there")
def test_from_3_14_on_python_itself_runs_the_script_in_the_process(here: Place) -> None:
    webui = here.start_unprepared()
    python = with_remote_exec(
        "import hypno, os, stat",
        "assert stat.S_IMODE(os.stat(script).st_mode) == 0o600",
        "hypno.inject_py(pid, f'exec(open({script!r}).read())')",
    )
    found = here.livepatch("attach", str(webui.pid), python=python)
    assert (found.returncode, found.stderr) == (0, "")
    assert (
        here.livepatch("exec", "greeter", "-c", "import os; os.getpid()").stdout == f"{webui.pid}\n"
    )
    assert list(here.runtime.glob("inject-*")) == []


@pytest.mark.parametrize(
    ("line", "found", "advice"),
    [
        ("raise PermissionError(1, 'not permitted')", "the system does not permit", "ptrace_scope"),
        ("raise RuntimeError('disabled')", "RuntimeError: disabled", "PYTHON_DISABLE_REMOTE_DEBUG"),
        ("raise OSError(5, 'reading')", "OSError: ", "PYTHON_DISABLE_REMOTE_DEBUG"),
        ("pass", "waits in a call", "use it briefly"),
    ],
    ids=["not permitted", "disabled", "unreadable", "main thread blocked"],
)
def test_what_python_refuses_is_three_lines(
    here: Place, line: str, found: str, advice: str
) -> None:
    webui = here.start_unprepared()
    here.runtime.mkdir(mode=0o700)
    (here.runtime / "x.key").touch()
    found_lines = here.livepatch(
        "attach", str(webui.pid), python=with_remote_exec(line, patience=1.0)
    ).stderr.splitlines()
    assert len(found_lines) == 3, found_lines
    assert found in found_lines[1]
    assert advice in found_lines[2]
    for path in here.runtime.glob("inject-*"):  # a main thread may come to it later: it removes it
        exec(path.read_text(), {})
        assert not path.exists()
    webui.end()
    here.livepatch("list")
    assert list(here.runtime.glob("inject-*")) == []


@pytest.mark.skipif(not BY_HYPNO, reason="not needed")
def test_without_hypno_the_extra_is_named(here: Place) -> None:
    webui = here.start_unprepared()
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name: None if name == 'hypno' else find(name)\n"
        "from livepatch.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    lines = refusal(here, webui.pid, sys.executable, "-c", code)
    assert "hypno is not installed here" in lines[1]
    assert lines[2].endswith('-m pip install "livepatch[attach]"')


@pytest.mark.skipif(not BY_HYPNO, reason="no second program")
def test_the_folder_one_stands_in_holds_no_module_of_ours(here: Place) -> None:
    """`python -m` looks there first; under sudo it may be anybody's."""
    webui = here.start_unprepared()
    folder = here.folder / "download"
    folder.mkdir()
    for name in ("json.py", "livepatch.py", "hypno.py"):
        (folder / name).write_text("open('witness', 'w').close()\n")
    command = [str(Path(sys.executable).with_name("livepatch")), "attach", str(webui.pid)]
    found = subprocess.run(
        command, env=here.environment, cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert not (folder / "witness").exists()


def test_the_closure_holds_what_livepatch_needs_and_no_more() -> None:
    closure = our_closure()
    assert {"livepatch", "IPython", "ipykernel", "zmq", "tornado", "traitlets"} <= set(
        closure.places
    )
    assert not {"pytest", "jupyterlab", "PIL", "gradio", "hypno"} & set(closure.places)
    for name, folder in closure.places.items():
        assert any(Path(folder).glob(f"{name}*")), name
    for name, folder in closure.homes.items():
        assert importlib.metadata.distribution(name).locate_file("") == Path(folder)
    assert closure.conflicts({}) == []
    assert closure.conflicts(closure.versions) == []
    (conflict,) = closure.conflicts({"pyzmq": "17.0"})[:1]
    assert str(conflict).startswith("pyzmq 17.0 is there, ")


def test_an_ended_process_is_said_to_have_ended(tmp_path: Path) -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
        Conversation(child.pid, "attach to it", tmp_path, 20.0) as conversation,
    ):
        child.send_signal(signal.SIGKILL)
        child.wait()
        with pytest.raises(LivepatchError, match="it ended meanwhile"):
            conversation.wait_for_the_process(lambda: True)
