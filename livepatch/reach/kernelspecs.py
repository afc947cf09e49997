"""Kernelspecs: how JupyterLab lists a webui, one ``livepatch-NAME`` per webui name.

Beside them: ``livepatch``, the only running webui, which the wheel brings to its environment; and
``livepatch.setup``, for a JupyterLab that cannot list the others because it has no livepatch.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from livepatch.errors import FileNotTrusted, LivepatchError
from livepatch.files import (
    check_trusted,
    private_folder,
    read_trusted,
    trusted_folder,
    write_private,
)

GENERIC = "livepatch"
SETUP = "livepatch.setup"  # no webui's: a webui's has a "-" there


def kernelspec_name(name: str | None) -> str:
    """The kernelspec of the webuis of that name; of the only running webui for None."""
    return GENERIC if name is None else f"{GENERIC}-{name}"


def kernelspec_folder(name: str | None) -> Path:
    """Where that kernelspec lies: in the data folder that every JupyterLab of the user reads."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "kernels" / kernelspec_name(name)


def kernelspec_content(name: str | None) -> dict[str, Any]:
    """What ``kernel.json`` says for the webuis of that name."""
    template = files("livepatch.reach") / "kernelspec" / "kernel.json"
    content: dict[str, Any] = json.loads(template.read_text(encoding="utf-8"))
    if name is not None:
        content["display_name"] = f"livepatch: {name}"
        content["metadata"]["kernel_provisioner"]["config"] = {"webui": name}
    return content


def write_kernelspec(name: str | None) -> Path:
    """Write the kernelspec of a webui name, unless it is there already.

    It stays when the webui ends: an open notebook finds the webui again after a restart.

    Args:
        name: the webui's name, None for the generic one.

    Returns:
        The kernelspec's folder.

    Raises:
        FileNotTrusted: the user's Jupyter data folder is somebody else's, or others can write it.
        LivepatchError: it cannot be written.
    """
    folder = kernelspec_folder(name)
    text = json.dumps(kernelspec_content(name), indent=1) + "\n"
    logo = files("livepatch.reach") / "kernelspec" / "logo-svg.svg"
    _write(folder, {"logo-svg.svg": logo.read_bytes(), "kernel.json": text.encode()})
    return folder


def write_common_kernelspecs() -> None:
    """Write those that belong to no webui, where they are missing.

    Raises:
        FileNotTrusted: the user's Jupyter data folder is somebody else's, or others can write it.
        LivepatchError: it cannot be written.
    """
    from jupyter_core.paths import jupyter_data_dir, jupyter_path

    brought = any(os.path.isfile(f"{p}/{GENERIC}/kernel.json") for p in jupyter_path("kernels"))
    if not brought or os.path.lexists(kernelspec_folder(None)):
        write_kernelspec(None)  # an installation for development brings no data files
    source = files("livepatch.reach") / "kernelspec_setup"
    content = {
        "explain.py": (source / "explain.py.txt").read_bytes(),
        "kernel.json": (source / "kernel.json").read_bytes(),
    }
    _write(Path(jupyter_data_dir()) / "kernels" / SETUP, content)


def _write(folder: Path, content: dict[str, bytes]) -> None:
    """Write the files that are missing or others, each at once.

    JupyterLab lists kernelspecs at any moment, and must never see half of one. What it runs for
    them is written there: nobody else may have a say in it, nor in a file that lies beside it.
    """
    asked = f"write the kernelspec {folder.name}"
    try:
        trusted_folder(folder.parent, asked)
        if os.path.lexists(folder) and not (folder.is_dir() and _is_ours(folder)):
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.unlink()  # a link, or a file
        private_folder(folder, asked)
        for name, text in content.items():
            if not _is_as_we_make_it(folder / name, text):
                write_private(folder / name, text)
    except OSError as error:
        raise LivepatchError(
            asked,
            f"{type(error).__name__}: {error.strerror}: {error.filename or folder}",
            "make that folder writable, or use another one: JUPYTER_DATA_DIR=FOLDER",
        ) from error


def _is_ours(path: Path) -> bool:
    """Whether nobody else can write it; 0.1 left that to the umask, which many containers lack."""
    try:
        status = check_trusted(path, "look at a kernelspec")
    except (OSError, FileNotTrusted):
        return False
    return os.name != "posix" or status.st_uid == os.geteuid()


def _is_as_we_make_it(path: Path, text: bytes) -> bool:
    try:
        return _is_ours(path) and read_trusted(path, "read a kernelspec") == text
    except (OSError, FileNotTrusted):
        return False


def remove_kernelspec(name: str | None) -> None:
    """Remove the kernelspec of a webui name, if there is one."""
    shutil.rmtree(kernelspec_folder(name), ignore_errors=True)
