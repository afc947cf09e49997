"""One extension of the webui we live in: its files, and what it has put into the webui."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.files.untrusted import walk_untrusted
from livepatch.registries import Extension
from livepatch.registries.report import registrations_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livepatch.registries import Registration
    from livepatch.reports import Report


@dataclass(frozen=True)
class InstalledExtension(Extension):
    """An extension, and what of the running webui is its.

    Attributes:
        callbacks: its callbacks, in the order of the webui's events.
        hooks: its hooks, in the order of a run.
        middleware: its middleware in the webui's app.
        patches: our layers on its functions.
        routes: the routes of the webui's app that it answers.
        start: how long it took when it was loaded, in ms; None where nobody noted it.
        run: what its callbacks and hooks took in the latest recording, in ms.
    """

    callbacks: tuple[Registration, ...] = ()
    hooks: tuple[Registration, ...] = ()
    middleware: tuple[Any, ...] = ()
    patches: tuple[Any, ...] = ()
    routes: tuple[Any, ...] = ()
    start: float | None = None
    run: float | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Its Python and JavaScript files."""
        if self.path is None:
            return ()
        return (self.path,) if os.path.isfile(self.path) else tuple(_files(self.path))

    @property
    def scripts(self) -> tuple[Path, ...]:
        """Those in its folder ``scripts``, which A1111 and its forks execute."""
        return tuple(f for f in self.files if self.path and f.parent == self.path / "scripts")

    @property
    def registrations(self) -> tuple[Registration, ...]:
        """Its callbacks and hooks."""
        return (*self.callbacks, *self.hooks)

    def report(self) -> Report[Registration]:
        """Its callbacks and hooks as a table."""
        return registrations_table(f"What {self.name} has registered", self.registrations)

    def __str__(self) -> str:
        return str(self.report())


def _files(folder: Path) -> Iterator[Path]:
    """The files that a webui may load, those of packages that others made left out."""
    for entry in walk_untrusted(folder, _is_loaded, _is_passed_over):
        if not entry.trouble and os.path.isfile(entry.path):
            yield Path(entry.path)


def _is_loaded(name: str) -> bool:
    return name.endswith((".py", ".js", ".mjs"))


def _is_passed_over(name: str) -> bool:
    return name.startswith((".", "_")) or name in ("node_modules", "venv")
