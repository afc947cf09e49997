"""``livepatch install`` and ``uninstall``: a small extension that attaches at a webui's start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported, LivepatchError
from livepatch.reach.atstart import PLAYGROUND
from livepatch.reach.flavors import Flavor, flavor_of, python_of
from livepatch.reach.folder import normal_name
from livepatch.reach.textgen_settings import settings_file, with_extension, without_extension

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "livepatch.json"
EXTENSION = "livepatch"


@dataclass(frozen=True)
class Installed:
    """What was installed, or removed.

    Args:
        folder: of the extension.
        flavor: of the webui.
        name: that the webui will have.
        note: what the user has to know or do, if anything.
    """

    folder: Path
    flavor: str
    name: str
    note: str | None = None


def install(path: Path, name: str | None = None) -> Installed:
    """Put the extension into the webui in a folder; doing it again changes nothing.

    Args:
        path: the webui's folder.
        name: the webui's name; by default that of its folder.

    Returns:
        What was done.

    Raises:
        HostUnsupported: no webui that is known lies there.
        LivepatchError: something of the user's is in the way, or the folder cannot be written.
    """
    asked = f"install livepatch into {path}"
    flavor, webui = flavor_of(path.expanduser().absolute(), asked)
    called = normal_name(webui.name if name is None else name)
    folder = webui / flavor.extension
    if folder.exists() or folder.is_symlink():
        _check_ours(folder, asked)
    settings = _Settings(webui, flavor)
    content = _script(flavor, called)
    new_settings = settings.with_extension(asked)
    try:
        created = settings.was_created_by_us(folder) or not settings.exists
        _write_folder(folder, flavor, content, called, created)
        settings.write(new_settings)
    except OSError as error:
        raise _not_writable(asked, error) from error
    return Installed(folder, flavor.name, called, _environment_note(webui))


def uninstall(path: Path) -> Installed:
    """Remove what ``install`` made, and nothing else.

    Args:
        path: the webui's folder.

    Returns:
        What was done; its note names files of the user's that stay.

    Raises:
        LivepatchError: there is nothing to remove, or somebody has changed it.
    """
    asked = f"uninstall livepatch from {path}"
    flavor, webui = flavor_of(path.expanduser().absolute(), asked)
    folder = webui / flavor.extension
    if not folder.exists():
        raise LivepatchError(asked, f"it is not installed: there is no {folder}", "nothing to do")
    manifest = _check_ours(folder, asked)
    settings = _Settings(webui, flavor)
    try:
        settings.remove(created=bool(manifest.get("created_settings")))
        left = _remove_folder(folder, manifest)
    except OSError as error:
        raise _not_writable(asked, error) from error
    note = f"not removed, as livepatch did not make it: {', '.join(left)}" if left else None
    return Installed(folder, flavor.name, str(manifest["name"]), note)


def _not_writable(asked: str, error: OSError) -> LivepatchError:
    return LivepatchError(
        asked,
        f"{type(error).__name__}: {error.strerror}: {error.filename}",
        "run it as the user that the webui belongs to",
    )


def _script(flavor: Flavor, name: str) -> str:
    template = files("livepatch.reach") / "templates" / flavor.template
    return template.read_text(encoding="utf-8").replace("WEBUI_NAME", f'"{name}"')


def _check_ours(folder: Path, asked: str) -> dict[str, Any]:
    """The manifest of a folder that livepatch made and nobody has changed."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        digests = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HostUnsupported(
            asked,
            f"{folder} is there, and livepatch did not make it",
            "move it away if you do not need it",
        ) from error
    changed = [
        name
        for name, digest in digests.items()
        if (folder / name).exists() and _digest((folder / name).read_bytes()) != digest
    ]
    if folder.is_symlink() or changed:
        what = "it is a link" if folder.is_symlink() else f"somebody changed {', '.join(changed)}"
        raise LivepatchError(
            asked, f"{folder}: {what}", "keep what you need of it, then remove that folder yourself"
        )
    return manifest


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_folder(
    folder: Path, flavor: Flavor, content: str, name: str, created_settings: bool
) -> None:
    """Write the extension beside its place and move it there: it is whole, or not there at all."""
    manifest = {
        "made_by": "livepatch install",
        "name": name,
        "flavor": flavor.name,
        "files": {flavor.script: _digest(content.encode())},
        "created_settings": created_settings,
    }
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        (draft / flavor.script).parent.mkdir(parents=True)
        (draft / flavor.script).write_bytes(content.encode())
        (draft / PLAYGROUND).mkdir()
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        if not folder.exists():
            draft.replace(folder)
            return
        (folder / flavor.script).parent.mkdir(exist_ok=True)
        (folder / PLAYGROUND).mkdir(exist_ok=True)
        for part in (flavor.script, MANIFEST):
            (draft / part).replace(folder / part)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_folder(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Remove our files, what Python compiled from them, and folders that are then empty."""
    with contextlib.suppress(OSError):  # not there, or files of the user's are in it
        (folder / PLAYGROUND).rmdir()
    for name in (*manifest["files"], MANIFEST):
        file = folder / name
        file.unlink(missing_ok=True)
        for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            compiled.unlink()
        for parent in (file.parent / "__pycache__", *file.parents):
            if parent == folder.parent:
                break
            with contextlib.suppress(OSError):  # not there, or files of the user's are in it
                parent.rmdir()
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


class _Settings:
    """Where text-generation-webui is told which extensions to run; nothing for the others."""

    def __init__(self, webui: Path, flavor: Flavor) -> None:
        self._file = settings_file(webui) if flavor.name == "textgen" else None

    @property
    def exists(self) -> bool:
        return self._file is None or self._file.exists()

    def was_created_by_us(self, folder: Path) -> bool:
        """Whether an earlier installation made the file."""
        if not folder.exists():
            return False
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest.get("created_settings"))

    def with_extension(self, asked: str) -> str | None:
        """The text that enables the extension; None where nothing has to be written."""
        if self._file is None:
            return None
        text = self._file.read_text(encoding="utf-8") if self._file.exists() else ""
        new = with_extension(text, EXTENSION)
        if new is None:
            raise LivepatchError(
                asked,
                f"{self._file}: its default_extensions cannot be read",
                f"write it as a list with one '- NAME' a line, with '- {EXTENSION}' among them",
            )
        return None if new == text else new

    def write(self, text: str | None) -> None:
        """Write the text that :meth:`with_extension` gave."""
        if self._file is not None and text is not None:
            draft = self._file.with_name(f".{self._file.name}-{os.getpid()}")
            draft.write_text(text, encoding="utf-8")
            if self._file.exists():
                shutil.copymode(self._file, draft)
            draft.replace(self._file)

    def remove(self, *, created: bool) -> None:
        """Disable the extension; the file goes when livepatch made it and nothing else is in it."""
        if self._file is None or not self._file.exists():
            return
        text = self._file.read_text(encoding="utf-8")
        new = without_extension(text, EXTENSION)
        if created and not new.strip():
            self._file.unlink()
        elif new != text:
            self.write(new)


def _environment_note(webui: Path) -> str | None:
    """What is missing in the webui's own environment, as far as that can be found."""
    python = python_of(webui)
    if python is None:
        return (
            "the webui's Python needs livepatch: python -m pip install livepatch, with that Python"
        )
    try:
        found = subprocess.run(
            [python, "-c", "import livepatch, ipykernel"], capture_output=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"the webui's Python could not be asked whether it has livepatch: {python}"
    return (
        f"its Python lacks livepatch: {python} -m pip install livepatch"
        if found.returncode
        else None
    )
