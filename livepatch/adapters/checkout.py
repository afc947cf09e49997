"""A webui's folder on disk: how it is told, and what `livepatch install` puts into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What the starters of webuis call the environments that they make.
PYTHONS = (
    *("venv/bin/python", ".venv/bin/python"),
    *("venv/Scripts/python.exe", ".venv/Scripts/python.exe"),
)


@dataclass(frozen=True)
class SettingsFile:
    """A file of the webui's in which an extension has to be named, or it does not run.

    Attributes:
        find: where the file is, in the webui's folder; it need not be there.
        enable: the file's text with an extension named in it; None where that cannot be done.
            The text is empty where there is no file.
        disable: the text without it.
        unreadable: what is the matter where ``enable`` answers None.
        advice: what the user does then; ``{name}`` stands for the extension.
    """

    find: Callable[[Path], Path]
    enable: Callable[[str, str], str | None]
    disable: Callable[[str, str], str]
    unreadable: str
    advice: str


@dataclass(frozen=True)
class Checkout:
    """The folder of one kind of webui, and our extension in it.

    Attributes:
        marks: files and folders that it has.
        extensions: its folder of extensions.
        script: the file of an extension that it runs when it starts.
        inner: folders in which packages for Windows keep the webui itself.
        pythons: where a Python of its own may be, beside the usual places for one.
        requirements: files that say which packages it asks for; the first that is there counts.
        imports: lines at the head of our script.
        attach: the statement that attaches; ``ATTACH`` stands for the call.
        rest: what else the webui looks for in the script.
        settings: where an extension has to be named to be run.

    Example:
        >>> import pathlib, tempfile
        >>> checkout = Checkout(("ovens", "bake.py"), "extras", "__init__.py")
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> checkout.find(folder) is None
        True
        >>> (folder / "ovens").mkdir(), (folder / "bake.py").touch()
        (None, None)
        >>> checkout.find(folder) == folder.resolve()
        True
    """

    marks: tuple[str, ...]
    extensions: str
    script: str
    inner: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ("requirements.txt",)
    imports: str = ""
    attach: str = "ATTACH"
    rest: str = ""
    settings: SettingsFile | None = None

    def find(self, path: Path) -> Path | None:
        """The webui's own folder, where such a webui lies in a folder; else None."""
        for inner in (".", *self.inner):
            folder = path / inner
            if all((folder / mark).exists() for mark in self.marks):
                return folder.resolve()
        return None

    def python_of(self, folder: Path) -> Path | None:
        """The Python of the environment that the webui's starter made for it, if there is one."""
        places = (folder / python for python in (*PYTHONS, *self.pythons))
        return next((place for place in places if place.is_file()), None)
