"""What JupyterLab runs for a webui: written by us, and by nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import stat

import pytest
from jupyter_client.manager import AsyncKernelManager
from reach_support import place
from tornado.web import HTTPError

from livepatch.reach import kernelspecs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")
SPECS = {"livepatch", "livepatch-greeter", "livepatch.setup"}


@pytest.fixture
def here(monkeypatch):
    with place() as folder:
        for name, value in folder.environment.items():
            if os.environ.get(name) != value:
                monkeypatch.setenv(name, value)
        for name in ("LIVEPATCH_WEBUI", "LIVEPATCH_TRANSPORT"):
            monkeypatch.delenv(name, raising=False)
        yield folder


def modes(here):
    kernels = here.data / "kernels"
    found = {path.relative_to(kernels).as_posix(): path for path in kernels.rglob("*")}
    return {name: stat.S_IMODE(path.lstat().st_mode) for name, path in found.items()}


def made():
    found = dict.fromkeys(SPECS, 0o700)
    for name in SPECS:
        second = "explain.py" if name == "livepatch.setup" else "logo-svg.svg"
        found |= {f"{name}/kernel.json": 0o600, f"{name}/{second}": 0o600}
    return found


def test_what_an_earlier_version_left_open_is_made_anew(here) -> None:
    """Defect 72: under umask 000 they were 0777 and 0666, and JupyterLab runs ``explain.py``."""
    kernels = here.data / "kernels"
    here.data.mkdir(mode=0o700)
    for name in SPECS:
        (kernels / name).mkdir(parents=True)
        (kernels / name / "kernel.json").write_text('{"argv": ["theirs"]}')
    (kernels / "livepatch.setup/explain.py").write_text("theirs")
    (kernels / "livepatch-greeter/kernel.js").write_text("theirs")
    for path in kernels.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    (kernels / "other").mkdir(mode=0o755)
    here.start()
    assert modes(here) == {**made(), "other": 0o755}
    assert "theirs" not in "".join(path.read_text() for path in kernels.glob("*/*"))


@pytest.mark.parametrize("what", ["a link", "a dangling link", "a file"])
def test_something_else_in_the_place_of_its_folder_gives_way(here, what) -> None:
    folder = kernelspecs.kernelspec_folder("greeter")
    folder.parent.mkdir(parents=True, mode=0o755)
    elsewhere = here.folder / "elsewhere"
    if what == "a file":
        folder.touch()
    else:
        folder.symlink_to(elsewhere)
    if what == "a link":
        elsewhere.mkdir()
    kernelspecs.write_kernelspec("greeter")
    assert folder.is_dir()
    assert not folder.is_symlink()
    assert not elsewhere.exists() or list(elsewhere.iterdir()) == []


def test_a_data_folder_that_everybody_can_write_is_refused_and_the_webui_runs(here) -> None:
    here.data.mkdir()
    here.data.chmod(0o777)
    webui = here.start()
    assert webui.get() == "hello"
    assert here.livepatch("exec", "-c", "6 * 7").stdout == "42\n"
    said = (here.folder / "stderr.txt").read_text()
    assert "JupyterLab will not list 'greeter', its kernelspec cannot be written: " in said
    assert f"{here.data} is writable by everybody (mode 0777); check its contents" in said
    assert list(here.data.rglob("kernel.json")) == []
    found = here.livepatch("console")
    assert found.returncode == 2
    lines = found.stderr.splitlines()
    assert lines[0].endswith("write the kernelspec livepatch-greeter")
    assert f"chmod o-w {here.data}" in lines[2]
    assert len(lines) == 3


def test_a_kernelspec_that_others_can_write_is_not_followed(here) -> None:
    """JupyterLab shows the reason: status 409."""
    here.start()
    folder = kernelspecs.kernelspec_folder("greeter")

    async def refusal():
        with pytest.raises(HTTPError) as refused:
            await AsyncKernelManager(kernel_name="livepatch-greeter").start_kernel()
        return refused.value

    for path, mode in ((folder / "kernel.json", 0o666), (folder, 0o777), (folder.parent, 0o777)):
        before = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        refused = asyncio.run(refusal())
        path.chmod(before)
        assert refused.status_code == 409
        assert f"{path} is writable by everybody" in str(refused)
        assert f"chmod o-w {path}" in str(refused)

    async def use():
        manager = AsyncKernelManager(kernel_name="livepatch-greeter")
        await manager.start_kernel()
        await manager.shutdown_kernel()

    asyncio.run(use())


def test_a_notebook_of_somebody_else_is_not_opened_on_a_webui(here) -> None:
    here.start()
    notebook = here.folder / "livepatch-greeter.ipynb"
    notebook.write_text(json.dumps({"cells": [], "metadata": {}}))
    notebook.chmod(0o666)
    found = here.livepatch("lab", "--no-browser")
    assert found.returncode == 2
    assert f"{notebook} is writable by everybody" in found.stderr.splitlines()[1]
    notebook.chmod(0o600)
    notebook.write_text("{")
    found = here.livepatch("lab", "--no-browser")
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 3
