"""``livepatch run``: to the script it looks as if Python ran it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from install_support import webui_folder
from reach_support import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = """
import json, sys, __main__
value: int = 1
def fail():
    1 / 0
facts = dict(
    argv=sys.argv, name=__name__, file=__file__, package=__package__, path=sys.path[0],
    spec=__spec__ and __spec__.name, cached=globals().get("__cached__"),
    own=__main__.__dict__ is globals(),
    names=sorted(vars(__main__)),
)
if __name__ == "__main__":
    print(json.dumps(facts))
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what == "code":
        sys.exit(3)
    if what == "text":
        sys.exit("bye")
    if what == "none":
        sys.exit()
    if what == "fail":
        fail()
    if what == "hook":
        sys.excepthook = lambda kind, error, tb: print("hook", kind, tb.tb_frame.f_code.co_name)
        fail()
    if what == "interrupt":
        import atexit
        atexit.register(print, "at exit")
        raise KeyboardInterrupt
    if what == "spawn":
        import multiprocessing
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=fail)
        child.start()
        child.join()
        print("child", child.exitcode)
    if what == "fork":
        import os
        pid = os.fork()
        if pid == 0:
            from livepatch.reach.attach import attach, current, detach
            print("kernel in the child:", current(), flush=True)
            print("own pid:", attach().pid == os.getpid(), flush=True)
            detach()
            os._exit(0)
        os.waitpid(pid, 0)
"""


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as folder:
        (folder.folder / "script.py").write_text(SCRIPT)
        package = folder.folder / "package"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(SCRIPT)
        (package / "broken.py").write_text("import not_to_be_found_anywhere\n")
        (folder.folder / "wrong.py").write_text("x = (\n")
        yield folder


def plain(here: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=here.environment,
        cwd=here.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["script.py", "--name", "x", "-m", "--", "-h"],
        ["./script.py", "code"],
        ["script.py", "text"],
        ["script.py", "none"],
        ["script.py", "fail"],
        ["script.py", "hook"],
        ["script.py", "interrupt"],
        ["script.py", "spawn"],
        ["wrong.py"],
        ["package"],
        ["-m", "package", "fail"],
        ["-m", "package.__main__"],
        ["-m", "package.broken"],
    ],
    ids=" ".join,
)
def test_a_script_behaves_as_under_plain_python(here: Place, arguments: list[str]) -> None:
    expected = plain(here, *arguments)
    found = here.livepatch("run", *arguments)

    assert found.stdout == expected.stdout
    # Under -m Python itself shows the frames of runpy; we show none between us and the script.
    own = re.sub(r'  File "[^"]*runpy[^"]*".*\n(    .*\n)?', "", expected.stderr)
    assert found.stderr == own
    assert found.returncode == expected.returncode


STACKS = """
import importlib.util, inspect, json, sys, types

class Asked(types.ModuleType):
    count = 0
    def __getattr__(self, name):
        Asked.count += name == "__file__"
        raise AttributeError(name)

sys.modules["asked"] = Asked("asked")
spec = importlib.util.spec_from_file_location("registers", "registers.py")

def stack():
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [tuple(frame)[1:] for frame in module.stack]

stack()
Asked.count = 0
print(json.dumps([Asked.count, [f for f in stack() if f[0].endswith((".py", "_external>"))],
                  Asked.count]))
"""


def test_the_stacks_that_a_webui_looks_at_cost_no_more_than_without(here: Place) -> None:
    """A1111 looks at one for each callback, and inspect asks each module of a frame it lacks."""
    (here.folder / "stacks.py").write_text(STACKS)
    (here.folder / "registers.py").write_text("import inspect\nstack = inspect.stack()\n")
    _, frames, without = json.loads(plain(here, "stacks.py").stdout)
    _, found, asked = json.loads(here.livepatch("run", "stacks.py").stdout)
    assert asked <= without
    found = [f[:3] for f in found if "/livepatch/" not in f[0] and "runpy" not in f[0]]
    assert found == [f[:3] for f in frames]  # 3.14 shows the lines of the import system then


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_control_c_reaches_the_script_as_its_own(here: Place) -> None:
    webui = here.start("--name", "greeter")
    webui.process.send_signal(signal.SIGINT)
    assert webui.process.wait(20) == -signal.SIGINT

    webui = here.start("--name", "greeter")
    webui.process.send_signal(signal.SIGTERM)
    assert webui.process.wait(20) == -signal.SIGTERM


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_forgets_the_kernel_and_can_attach_anew(here: Place) -> None:
    found = here.livepatch("run", "script.py", "fork")
    assert "kernel in the child: None" in found.stdout
    assert "own pid: True" in found.stdout, found.stderr


def test_without_a_kernel_the_webui_still_starts_and_says_why(here: Place) -> None:
    here.runtime.write_text("a file where the folder should be")
    found = here.livepatch("run", "script.py", "code")
    assert found.returncode == 3
    assert '"name": "__main__"' in found.stdout
    (line,) = found.stderr.splitlines()
    assert line == f"livepatch: no kernel in this webui: {here.runtime}: Not a directory"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["absent.py"], "there is no file"),
        (["-m", "absent_module"], "No module named absent_module"),
        (["--name", "ÄÖ", "script.py"], "a name is made of"),
    ],
)
def test_what_cannot_be_run_is_three_lines_and_exit_code_2(
    here: Place, arguments: list[str], reason: str
) -> None:
    found = here.livepatch("run", *arguments)
    assert found.returncode == 2
    assert found.stdout == ""
    assert len(found.stderr.splitlines()) == 3
    assert reason in found.stderr


@pytest.mark.parametrize(
    ("flavor", "script", "name"),
    [
        ("comfyui", "main.py", "comfyui"),
        ("textgen", "server.py", "textgen"),
        ("sdnext", "launch.py", "sdnext"),
        (None, "main.py", "my-app"),
        (None, "cook.py", "cook"),
    ],
)
def test_a_webui_is_named_by_what_it_becomes(
    here: Place, flavor: str | None, script: str, name: str
) -> None:
    """The kernel starts before anything of the webui is imported."""
    folder = here.folder / "My App"
    folder.mkdir()
    if flavor is not None:
        webui_folder(here.folder, flavor, "My App")
    (folder / script).write_text(
        "from livepatch.reach.attach import current\nprint(current().name)\n"
    )
    found = here.livepatch("run", str(folder / script))
    assert (found.stdout, found.stderr) == (f"{name}\n", "")
