"""Extensions: folders with a ``metadata.ini`` and a ``scripts`` folder."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

builtin_dir = Path(__file__).parent / "extensions-builtin"


@dataclass
class Extension:
    """One extension folder."""

    name: str
    path: Path
    enabled: bool = True
    is_builtin: bool = False
    version: str = ""
    description: str = ""

    def scripts(self) -> list[Path]:
        """The script files of this extension, in the order of their names."""
        return sorted((self.path / "scripts").glob("*.py"))


extensions: list[Extension] = []


def active() -> list[Extension]:
    """The extensions that are switched on."""
    return [extension for extension in extensions if extension.enabled]


def list_extensions(extensions_dir: Path | None, disabled: Iterable[str] = ()) -> None:
    """Read the extension folders anew: those that come along first, then the user's."""
    switched_off = set(disabled)
    found: dict[str, Extension] = {}
    for folder, is_builtin in ((builtin_dir, True), (extensions_dir, False)):
        for path in _folders(folder):
            extension = read_extension(path, is_builtin=is_builtin)
            extension.enabled = extension.name not in switched_off
            found.setdefault(extension.name, extension)
    extensions[:] = found.values()


def read_extension(path: Path, *, is_builtin: bool) -> Extension:
    """Read one extension folder; a metadata.ini that cannot be read is reported."""
    metadata = configparser.ConfigParser()
    try:
        metadata.read(path / "metadata.ini", encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        errors.report(f"Error reading {path / 'metadata.ini'}")
    return Extension(
        name=metadata.get("Extension", "Name", fallback=path.name),
        path=path,
        is_builtin=is_builtin,
        version=metadata.get("Extension", "Version", fallback=""),
        description=metadata.get("Extension", "Description", fallback=""),
    )


def _folders(folder: Path | None) -> Iterator[Path]:
    if folder is not None and folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.name.startswith((".", "_")):
                yield path
