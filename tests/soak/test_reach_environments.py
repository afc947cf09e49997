"""JupyterLab in a second environment: with the package it attaches, without it says what to do."""

from __future__ import annotations

import contextlib
import site
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jupyter_support import JupyterServer
from reach_support import Place, place

import livepatch

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the environment is made of links")


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as folder:
        (folder.data / "kernels").mkdir(parents=True)
        yield folder


def second_environment(here: Place, *, with_livepatch: bool) -> str:
    """Another environment with everything that is installed in this one, with livepatch or not."""
    folder = here.folder / "second"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for source in map(Path, site.getsitepackages()):
        for path in source.iterdir():
            ours = "livepatch" in path.name
            if (
                path.suffix != ".pth"
                and path.name not in ("__pycache__", "livepatch")
                and (not ours or with_livepatch)
            ):
                with contextlib.suppress(FileExistsError):
                    (packages / path.name).symlink_to(path)
    if with_livepatch:  # installed for development, it lies elsewhere
        (packages / "livepatch").symlink_to(Path(livepatch.__file__).parent)
    return str(folder / "bin" / "python")


@contextlib.contextmanager
def served_by(here: Place, python: str) -> Iterator[JupyterServer]:
    server = JupyterServer(here, python)
    try:
        yield server
    finally:
        server.end()


def test_a_jupyterlab_with_the_package_attaches(here: Place) -> None:
    webui = here.start()
    with served_by(here, second_environment(here, with_livepatch=True)) as server:
        status, kernel = server.request("POST", "kernels", {"name": "livepatch-greeter"})
        assert status == 201
        notebook = server.open(kernel["id"])
        assert notebook.run("import os; os.getpid()") == str(webui.pid)
        notebook.socket.close()
        assert server.request("DELETE", f"kernels/{kernel['id']}")[0] == 204
    assert webui.get() == "hello"


def test_a_jupyterlab_without_the_package_says_what_to_install(here: Place) -> None:
    webui = here.start()
    python = second_environment(here, with_livepatch=False)
    with served_by(here, python) as server:
        _, answer = server.request("GET", "kernelspecs")
        shown = {name: spec["spec"]["display_name"] for name, spec in answer["kernelspecs"].items()}
        # Jupyter leaves out what needs a provisioner that it has not.
        assert "livepatch-greeter" not in shown
        assert shown["livepatch.setup"] == "livepatch: set up this JupyterLab"
        said = explanation(server)
    assert said == [
        "This notebook is not attached to a webui.",
        f"livepatch is not installed in the environment of this JupyterLab: {python}",
        f"{python} -m pip install livepatch; then start JupyterLab again",
    ]
    assert webui.get() == "hello"


def test_once_it_is_installed_the_same_kernel_names_the_webuis(here: Place) -> None:
    here.start("--name", "one")
    with served_by(here, sys.executable) as server:
        said = explanation(server)
    assert said[1] == "livepatch is installed here; running: livepatch: one"
    assert said[2].startswith("choose one of them as this notebook's kernel, or ")


def explanation(server: JupyterServer) -> list[str]:
    """What the kernel that explains answers to a cell."""
    status, kernel = server.request("POST", "kernels", {"name": "livepatch.setup"})
    assert status == 201
    notebook = server.open(kernel["id"])
    request = notebook.send("%load_ext livepatch")
    error = next(m for m in notebook.messages(request) if m["msg_type"] == "error")
    assert error["content"]["ename"] == "NotAttached"
    notebook.socket.close()
    assert server.request("DELETE", f"kernels/{kernel['id']}")[0] == 204
    lines: list[str] = error["content"]["traceback"]
    return lines
