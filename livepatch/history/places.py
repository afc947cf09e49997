"""Where the journals lie: a folder for each webui name, in it the files of each session.

``NAME/SESSION.jsonl`` is what one process wrote; a long session goes on in ``SESSION.2.jsonl`` and
so on. Sessions are numbered: each process takes the next number by making its file. The last time
of its files says until when a process lived. livepatch 0.1 kept one file ``NAME.jsonl`` for all
sessions beside these folders, and ``NAME.1.jsonl`` before it: they are read, and never written.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.engine import PatchRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER_VARIABLE = "LIVEPATCH_STATE_DIR"

_PART = re.compile(r"([1-9]\d{0,8})(?:\.([1-9]\d{0,8}))?\.jsonl", re.ASCII)


def journal_folder() -> Path:
    """The folder ``journal`` of the user's state folder, or in what ``LIVEPATCH_STATE_DIR`` names.

    Example:
        >>> journal_folder().name
        'journal'
    """
    if configured := os.environ.get(FOLDER_VARIABLE):
        return Path(configured).expanduser().absolute() / "journal"
    from platformdirs import user_state_path

    return user_state_path("livepatch", appauthor=False) / "journal"


@dataclass(frozen=True)
class Place:
    """Where the sessions of the webuis of one name lie.

    Attributes:
        folder: the name's folder.
    """

    folder: Path

    @classmethod
    def of(cls, name: str, folder: Path | None = None) -> Place:
        """The place of a name.

        Args:
            name: the webui's name.
            folder: the folder of all journals; default: ``journal_folder()``.

        Raises:
            PatchRefused: nothing of the name can be a file's name.

        Example:
            >>> Place.of("My WebUI").folder.name
            'my-webui'
        """
        normal = re.sub(r"[^a-z0-9._-]+", "-", str(name).lower())[:60].strip("-._")
        if not normal:
            raise PatchRefused(
                f"keep the journal of {name!r}",
                "a name is made of a-z, 0-9, '.', '_' and '-', and has at least one letter or "
                "digit",
                "choose another name, for example: my-webui",
            )
        return cls((folder or journal_folder()) / normal)

    def part(self, session: int, number: int = 1) -> Path:
        """A file of a session; most have one.

        Example:
            >>> place = Place(Path("demo"))
            >>> place.part(7).name, place.part(7, 2).name
            ('7.jsonl', '7.2.jsonl')
        """
        name = f"{session}.jsonl" if number == 1 else f"{session}.{number}.jsonl"
        return self.folder / name

    def sessions(self) -> dict[int, list[Path]]:
        """The files of each session that has some, the oldest session and part first.

        Raises:
            OSError: the folder is there and cannot be listed.
        """
        found: dict[int, dict[int, Path]] = {}
        for name in _names_in(self.folder):
            if match := _PART.fullmatch(name):
                parts = found.setdefault(int(match[1]), {})
                parts[int(match[2] or 1)] = self.folder / name
        return {
            session: [parts[number] for number in sorted(parts)]
            for session, parts in sorted(found.items())
        }

    def by_end(self) -> dict[int, list[Path]]:
        """The same, but the session whose process lived until last first.

        Raises:
            OSError: the folder is there and cannot be listed.
        """
        sessions = self.sessions()
        ends = {number: last_sign(paths) for number, paths in sessions.items()}
        order = sorted(sessions, key=lambda number: (ends[number], number), reverse=True)
        return {number: sessions[number] for number in order}

    def of_0_1(self) -> list[Path]:
        """The files that livepatch 0.1 wrote for this name, the older first."""
        beside = self.folder.parent
        paths = [beside / f"{self.folder.name}{end}" for end in (".1.jsonl", ".jsonl")]
        # A folder of that name belongs to a webui that is called so.
        return [path for path in paths if os.path.lexists(path) and not path.is_dir()]


def last_sign(paths: Sequence[Path]) -> float:
    """When a session's process was last seen alive, in seconds since 1970."""
    times = [0.0]
    for path in paths:
        with contextlib.suppress(OSError):  # removed meanwhile
            times.append(path.lstat().st_mtime)
    return max(times)


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
