"""Kernelspecs: how JupyterLab lists a webui, one ``livepatch-NAME`` per webui name."""

from __future__ import annotations

import json
import os
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

GENERIC = "livepatch"


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
        OSError: the user's Jupyter data folder cannot be written.
    """
    folder = kernelspec_folder(name)
    text = json.dumps(kernelspec_content(name), indent=1) + "\n"
    path = folder / "kernel.json"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    logo = files("livepatch.reach") / "kernelspec" / "logo-svg.svg"
    (folder / "logo-svg.svg").write_bytes(logo.read_bytes())
    draft = folder / f"kernel.json.{os.getpid()}"
    draft.write_text(text, encoding="utf-8")
    draft.replace(
        path
    )  # JupyterLab lists kernelspecs at any moment and must never see half of one.
    return folder


def remove_kernelspec(name: str | None) -> None:
    """Remove the kernelspec of a webui name, if there is one."""
    shutil.rmtree(kernelspec_folder(name), ignore_errors=True)
