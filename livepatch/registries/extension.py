"""Extensions of a webui, and which of them a file belongs to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.owners import NOTEBOOK
from livepatch.looking.callables import code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

_NOWHERE = "webui"


@dataclass(frozen=True)
class Extension:
    """An extension that the webui knows.

    Attributes:
        name: what the webui calls it.
        path: its folder, or its file where it is a single one.
        enabled: whether it is switched on in the webui.
        builtin: whether it came with the webui.
        version: what it says of itself; empty where it says nothing.
        modules: its loaded modules, by the dotted names that targets have there.
        facts: what else the webui tells of it, for people.
    """

    name: str
    path: Path | None
    enabled: bool = True
    builtin: bool = False
    version: str = ""
    modules: Mapping[str, ModuleType] | None = None
    facts: tuple[str, ...] = ()


class Owners:
    """Whose a callable is: an extension's, a package's, the notebook's or the webui's own.

    Args:
        extensions: the extensions of the webui.

    Example:
        >>> Owners([Extension("vignette", Path("/webui/extensions/vignette"))]).of_file(
        ...     "/webui/extensions/vignette/scripts/vignette.py")
        'extension vignette'
    """

    def __init__(self, extensions: Iterable[Extension] = ()) -> None:
        self._names = {e.path: e.name for e in extensions if e.path is not None}
        self._known: dict[str, str] = {}

    def of(self, callback: Any, file: str | None) -> str:
        """Whose a callable is.

        Args:
            callback: the callable.
            file: the file that registered it, or of its code.
        """
        module = str(getattr(code_of(callback), "__module__", None) or "")
        if module in registry.notebook_modules:
            return NOTEBOOK
        return self.of_file(file) if file else f"package {module.partition('.')[0]}"

    def of_file(self, file: str) -> str:
        """Whose a file is."""
        owner = self._known.get(file)
        if owner is None:
            # Absolute: some webuis keep the paths of their own extensions relative.
            owner = self._known[file] = self._look(Path(os.path.abspath(file)))
        return owner

    def _look(self, file: Path) -> str:
        for folder in (file, *file.parents):
            if folder in self._names:
                return f"extension {self._names[folder]}"
        parts = file.parts
        for folder_name in ("site-packages", "dist-packages"):
            if folder_name in parts[:-1]:
                package = parts[parts.index(folder_name) + 1]
                return f"package {package.removesuffix('.py')}"
        return _NOWHERE
