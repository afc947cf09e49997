"""Which webui lies in a folder, and where its extensions go: told by its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from livepatch.errors import HostUnsupported

if TYPE_CHECKING:
    from pathlib import Path

# Packages for Windows keep the webui in a folder of their own.
INNER_FOLDERS = (".", "ComfyUI", "webui")
PYTHONS = (
    *("venv/bin/python", ".venv/bin/python", "installer_files/env/bin/python"),
    *("venv/Scripts/python.exe", ".venv/Scripts/python.exe", "installer_files/env/python.exe"),
    *("../python_embeded/python.exe", "../system/python/python.exe"),
)


@dataclass(frozen=True)
class Flavor:
    """A kind of webui on disk.

    Args:
        name: of the flavor.
        marks: files and folders that it has.
        extension: the folder of our extension.
        script: the file in it that the webui runs when it starts.
        template: the file of ours that it is made from.
    """

    name: str
    marks: tuple[str, ...]
    extension: str
    script: str
    template: str


def _of_a1111s_family(name: str, *marks: str, template: str = "plain.py.txt") -> Flavor:
    return Flavor(
        name,
        ("extensions", *marks),
        "extensions/livepatch",
        "scripts/livepatch_attach.py",
        template,
    )


# The first that fits: forks still have most of what they were forked from.
FLAVORS = (
    _of_a1111s_family("sdnext", "installer.py", "modules/loader.py", template="sdnext.py.txt"),
    _of_a1111s_family("forge-classic", "modules_forge", "ldm_patched"),
    _of_a1111s_family("forge", "modules_forge", "backend", "modules/script_callbacks.py"),
    _of_a1111s_family("a1111", "launch.py", "modules/script_callbacks.py"),
    Flavor(
        "textgen",
        ("extensions", "server.py", "modules/text_generation.py"),
        "extensions/livepatch",
        "script.py",
        "plain.py.txt",
    ),
    Flavor(
        "comfyui",
        ("custom_nodes", "comfy", "nodes.py", "execution.py"),
        "custom_nodes/livepatch",
        "__init__.py",
        "comfyui.py.txt",
    ),
)


def flavor_of(path: Path, asked: str) -> tuple[Flavor, Path]:
    """The flavor of the webui in a folder, and where in it the webui lies.

    Args:
        path: the folder that the user named.
        asked: what the user wanted, for the error.

    Returns:
        The flavor and the webui's own folder.

    Raises:
        HostUnsupported: there is none, or none that is known.
    """
    if not path.is_dir():
        what = "it is a file" if path.exists() else "there is no such folder"
        raise HostUnsupported(asked, what, "name the folder of the webui, the one it is started in")
    for inner in INNER_FOLDERS:
        folder = path / inner
        for flavor in FLAVORS:
            if all((folder / mark).exists() for mark in flavor.marks):
                return flavor, folder.resolve()
    known = ", ".join(flavor.name for flavor in FLAVORS)
    raise HostUnsupported(
        asked,
        f"no webui that is known lies there (known: {known})",
        "any other: start it with livepatch run SCRIPT, or attach to it: livepatch attach PID",
    )


def python_of(folder: Path) -> Path | None:
    """The Python of the environment that a webui's starter made for it, where there is one."""
    return next((folder / python for python in PYTHONS if (folder / python).is_file()), None)
