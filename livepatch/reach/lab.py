"""JupyterLab, or a terminal console, on a running webui."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.errors import LivepatchError
from livepatch.files import read_trusted, write_private

from .kernelspecs import kernelspec_name, write_common_kernelspecs, write_kernelspec
from .provisioner import CHOICE_VARIABLE

if TYPE_CHECKING:
    from .webuis import Webui


def require(module: str, extra: str, asked: str) -> None:
    """See to it that a module of an extra is installed in this environment.

    Args:
        module: the module's name.
        extra: the extra that brings it.
        asked: what it is needed for, in the user's words.

    Raises:
        LivepatchError: it is not, with the pip line that installs it.
    """
    if importlib.util.find_spec(module) is None:
        raise LivepatchError(
            asked,
            f"{module} is not installed for {sys.executable}",
            f'{sys.executable} -m pip install "livepatch[{extra}]"',
        )


def attached_notebook(folder: Path, webui: Webui) -> Path:
    """A notebook in that folder which opens on the webui; an existing one is taken as it is.

    Args:
        folder: where it lies.
        webui: what it opens on.

    Returns:
        Its path, ``livepatch-NAME.ipynb``.
    """
    path = folder / f"{kernelspec_name(webui.name)}.ipynb"
    if not path.exists():
        cell: dict[str, object] = {
            "cell_type": "code",
            "execution_count": None,
            "id": "load",
            "metadata": {},
            "outputs": [],
            "source": ["%load_ext livepatch\n", "%webui"],
        }
        content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        try:
            write_private(path, f"{json.dumps(content, indent=1)}\n".encode())
        except OSError as error:
            raise LivepatchError(
                f"make the notebook {path}",
                f"{type(error).__name__}: {error.strerror}",
                "change to a folder that you can write to",
            ) from error
    choose_kernel(path, webui.name)
    return path


def choose_kernel(notebook: Path, name: str) -> None:
    """Make a notebook open on the webuis of that name.

    Raises:
        FileNotTrusted: it is somebody else's, or others can write it: its cells run in the webui.
        LivepatchError: it is no notebook, or cannot be written.
    """
    asked = f"open {notebook} on {name}"
    kernelspec = {
        "display_name": f"livepatch: {name}",
        "language": "python",
        "name": kernelspec_name(name),
    }
    try:
        content = json.loads(read_trusted(notebook, asked, links=True))
        if content["metadata"].get("kernelspec") == kernelspec:
            return
        content["metadata"]["kernelspec"] = kernelspec
        text = f"{json.dumps(content, indent=1, ensure_ascii=False)}\n"
        target = Path(os.path.realpath(notebook))
        write_private(target, text.encode(), stat.S_IMODE(target.stat().st_mode))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LivepatchError(
            asked, f"{type(error).__name__}: {error}", "move it away, and livepatch makes a new one"
        ) from error


def lab_command(
    notebook: Path, webui: Webui, *, port: int | None = None, browser: bool = True
) -> tuple[list[str], dict[str, str]]:
    """How JupyterLab is started with a notebook open on a webui: on loopback, with its token.

    Args:
        notebook: the notebook to open; its folder is what JupyterLab shows.
        webui: the webui that it opens on.
        port: JupyterLab's port; Jupyter's own choice if None.
        browser: open a browser.

    Returns:
        The command and its environment.

    Raises:
        LivepatchError: JupyterLab is not installed here.
    """
    require("jupyterlab", "lab", f"open JupyterLab on {webui}")
    write_kernelspec(webui.name)
    write_common_kernelspecs()
    choose_kernel(notebook, webui.name)
    command = [
        *(sys.executable, "-m", "jupyterlab", str(notebook)),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={notebook.parent}",
        "--ServerApp.answer_yes=True",
    ]
    if os.name == "posix" and os.geteuid() == 0:
        # The webui runs as root too, in a container mostly; Jupyter keeps to loopback and its
        # token.
        command.append("--ServerApp.allow_root=True")
    if port is not None:
        command.append(f"--ServerApp.port={port}")
    if not browser:
        command.append("--no-browser")
    return command, {**os.environ, CHOICE_VARIABLE: str(webui.pid)}


def open_lab(webui: Webui, *, port: int | None = None, browser: bool = True) -> int:
    """JupyterLab in the current folder with a notebook on the webui, until it is closed.

    Returns:
        JupyterLab's exit code.
    """
    require("jupyterlab", "lab", f"open JupyterLab on {webui}")
    notebook = attached_notebook(Path.cwd(), webui)
    return _give_way_to(*lab_command(notebook, webui, port=port, browser=browser))


def open_console(webui: Webui) -> int:
    """A terminal console on the webui, until it is closed.

    Returns:
        The console's exit code.
    """
    require("jupyter_console", "lab", f"open a console on {webui}")
    write_kernelspec(webui.name)
    # Not --existing: there jupyter_console knows neither encryption nor how to interrupt.
    command = [sys.executable, "-m", "livepatch.reach.console"]
    command += ["--kernel", kernelspec_name(webui.name)]
    return _give_way_to(command, {**os.environ, CHOICE_VARIABLE: str(webui.pid)})


def _give_way_to(command: list[str], environment: dict[str, str]) -> int:
    """Become that program, so that the terminal and every signal are its own."""
    if sys.platform != "win32":
        sys.stdout.flush()
        os.execve(command[0], command, environment)
    process = subprocess.Popen(command, env=environment)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
