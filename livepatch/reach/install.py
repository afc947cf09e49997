"""``livepatch install`` and ``uninstall``: a small extension that attaches at a webui's start."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported, LivepatchError
from livepatch.files import acting_as_owner_of, write_private
from livepatch.files.private import PRIVATE_FILE, make_folder
from livepatch.files.untrusted import Unreadable, read_untrusted

from .accounts import notes_on_accounts
from .environment import environment_note
from .folder import normal_name
from .playground import PLAYGROUND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livepatch.adapters.checkout import Checkout

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
    flavor, checkout, webui = _found(path.expanduser().absolute(), asked)
    called = normal_name(webui.name if name is None else name)
    folder = webui / checkout.extensions / EXTENSION
    content = _script(checkout, called)
    with _as_its_owner(webui, asked):
        stayed = _files_in(folder / PLAYGROUND) if _is_left_over(folder) else []
        if os.path.lexists(folder) and not _is_left_over(folder):
            _check_ours(folder, asked)
        settings = _Settings(webui, checkout)
        new_settings = settings.with_extension(asked)
        created = settings.was_created_by_us(folder) or not settings.exists
        manifest = _manifest_of(flavor, called, checkout.script, content, created)
        _write_folder(folder, {checkout.script: content, MANIFEST: manifest})
        settings.write(new_settings)
    notes = [*notes_on_accounts(webui, folder), environment_note(checkout, webui)]
    if stayed:
        notes.insert(0, f"these stayed when it was uninstalled, and run again: {', '.join(stayed)}")
    return Installed(folder, flavor, called, "\n".join(filter(None, notes)) or None)


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
    flavor, checkout, webui = _found(path.expanduser().absolute(), asked)
    folder = webui / checkout.extensions / EXTENSION
    if not folder.exists() or _is_left_over(folder):
        what = "has no file of livepatch's" if folder.exists() else "does not exist"
        raise LivepatchError(asked, f"it is not installed: {folder} {what}", "nothing to do")
    with _as_its_owner(webui, asked):
        manifest = _check_ours(folder, asked)
        _Settings(webui, checkout).remove(created=bool(manifest.get("created_settings")))
        left = _remove_folder(folder, manifest)
    note = f"not removed, because livepatch did not make it: {', '.join(left)}" if left else None
    return Installed(folder, flavor, str(manifest["name"]), note)


@contextlib.contextmanager
def _as_its_owner(webui: Path, asked: str) -> Iterator[None]:
    """As root, be the user whom the webui belongs to: so does what is made then."""
    try:
        with acting_as_owner_of(webui):
            yield
    except OSError as error:
        raise LivepatchError(
            asked,
            f"{type(error).__name__}: {error.strerror}: {error.filename}",
            "run livepatch as the user that the webui belongs to",
        ) from error


def _found(path: Path, asked: str) -> tuple[str, Checkout, Path]:
    """The flavor of the webui in a folder, what is known of such folders, and the webui's own.

    Raises:
        HostUnsupported: there is none, or none that is known.
    """
    from livepatch.adapters.known import checkouts, webui_in  # no other command needs them

    if not path.is_dir():
        what = "it is a file" if path.exists() else "there is no such folder"
        raise HostUnsupported(asked, what, "give the webui's folder, the one that it is started in")
    found = webui_in(path)
    if found is not None:
        return found
    names = ", ".join(dict.fromkeys(flavor for flavor, _ in checkouts()))
    raise HostUnsupported(
        asked,
        f"livepatch knows no webui in that folder (known: {names})",
        "for any other: livepatch run SCRIPT, or livepatch attach PID",
    )


def _script(checkout: Checkout, name: str) -> str:
    """Our script for a webui, from what is the same for all of them and what is its own."""
    template = files("livepatch.reach") / "templates" / "attach.py.txt"
    text = template.read_text(encoding="utf-8")
    call = f'attach_at_start("{name}", __file__)'
    text = text.replace("ATTACH", checkout.attach.replace("ATTACH", call))
    text = text.replace("IMPORTS\n", checkout.imports and f"{checkout.imports}\n\n")
    return text.replace("\nREST\n", checkout.rest and f"\n{checkout.rest}\n")


def _is_left_over(folder: Path) -> bool:
    """Whether it is what ``uninstall`` leaves: the playground, with files of the user's."""
    if folder.is_symlink() or (folder / PLAYGROUND).is_symlink() or not folder.is_dir():
        return False
    return set(os.listdir(folder)) <= {PLAYGROUND}


def _files_in(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


def _check_ours(folder: Path, asked: str) -> dict[str, Any]:
    """The manifest of a folder that livepatch made and nobody has changed."""
    try:
        manifest = _manifest(folder)
    except (Unreadable, ValueError, RecursionError) as error:
        raise HostUnsupported(
            asked,
            f"{folder} exists, and livepatch did not make it",
            "move it away if you do not need it",
        ) from error
    changed = [name for name, digest in manifest["files"].items() if not _is(folder / name, digest)]
    if folder.is_symlink() or changed:
        what = "it is a link" if folder.is_symlink() else f"somebody changed {', '.join(changed)}"
        raise LivepatchError(
            asked, f"{folder}: {what}", "keep what you need of it, then remove that folder yourself"
        )
    return manifest


def _manifest(folder: Path) -> dict[str, Any]:
    """What we wrote down of a folder; the files that it names lie in it.

    Raises:
        Unreadable: there is none.
        ValueError: it is none of ours.
        RecursionError: it is none of ours either.
    """
    manifest: dict[str, Any] = json.loads(read_untrusted(folder / MANIFEST, longest=100_000))
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or not isinstance(manifest.get("name"), str):
        raise ValueError("no manifest")
    for name, digest in files.items():
        parts = PurePath(name).parts
        if not isinstance(digest, str) or not parts or ".." in parts or "\0" in name:
            raise ValueError("no list of files")
        if PurePath(name).is_absolute():
            raise ValueError("a file elsewhere")
    return manifest


def _is(file: Path, digest: str) -> bool:
    """Whether a file of ours is as we made it, or gone."""
    if not os.path.lexists(file):
        return True
    try:
        return _digest(read_untrusted(file)) == digest
    except Unreadable:  # a pipe, say
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest_of(flavor: str, name: str, script: str, content: str, created: bool) -> str:
    manifest = {
        "made_by": "livepatch install",
        "name": name,
        "flavor": flavor,
        "files": {script: _digest(content.encode())},
        "created_settings": created,
    }
    return json.dumps(manifest, indent=1) + "\n"


def _write_folder(folder: Path, texts: dict[str, str]) -> None:
    """Write the extension beside its place and move it there: it is whole, or not there at all."""
    if folder.exists():
        _write_into(folder, texts)
        return
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_into(draft, texts)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_into(folder: Path, texts: dict[str, str]) -> None:
    """Write the files; nobody else can write them, and who may read what is there still may."""
    make_folder(folder / PLAYGROUND)
    for name, text in texts.items():
        file = folder / name
        make_folder(file.parent)
        mode = stat.S_IMODE(file.stat().st_mode) & 0o755 if file.exists() else PRIVATE_FILE
        write_private(file, text.encode(), mode)
    if os.name == "posix":
        for inner in (folder, folder / PLAYGROUND, (folder / next(iter(texts))).parent):
            inner.chmod(stat.S_IMODE(inner.stat().st_mode) & 0o755)


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
    return _files_in(folder)


class _Settings:
    """Where a webui is told which extensions to run; nothing where it runs what is there."""

    def __init__(self, webui: Path, checkout: Checkout) -> None:
        self._kind = checkout.settings
        self._file = self._kind.find(webui) if self._kind is not None else None

    @property
    def exists(self) -> bool:
        return self._file is None or self._file.exists()

    def was_created_by_us(self, folder: Path) -> bool:
        """Whether an earlier installation made the file."""
        if not os.path.lexists(folder / MANIFEST):
            return False
        return bool(_manifest(folder).get("created_settings"))

    def with_extension(self, asked: str) -> str | None:
        """The text that enables the extension; None where nothing has to be written."""
        if self._file is None or self._kind is None:
            return None
        try:
            text = _text_of(self._file) if self._file.exists() else ""
            new = self._kind.enable(text, EXTENSION)
        except OSError:
            new = None
        if new is None:
            raise LivepatchError(
                asked,
                f"{self._file}: {self._kind.unreadable}",
                self._kind.advice.format(name=EXTENSION),
            )
        return None if new == text else new

    def write(self, text: str | None) -> None:
        """Write the text that :meth:`with_extension` gave."""
        if self._file is not None and text is not None:
            there = self._file.exists()
            mode = stat.S_IMODE(self._file.stat().st_mode) if there else PRIVATE_FILE
            write_private(self._file, text.encode(), mode)

    def remove(self, *, created: bool) -> None:
        """Disable the extension; the file goes when livepatch made it and nothing else is in it."""
        if self._file is None or self._kind is None or not self._file.exists():
            return
        text = _text_of(self._file)
        new = self._kind.disable(text, EXTENSION)
        if created and not new.strip():
            self._file.unlink()
        elif new != text:
            self.write(new)


def _text_of(file: Path) -> str:
    """A text of the user's.

    Raises:
        OSError: it is none.
    """
    try:
        return read_untrusted(file).decode().replace("\r\n", "\n")
    except (Unreadable, UnicodeDecodeError) as error:
        raise OSError(errno.EINVAL, str(error), str(file)) from error
