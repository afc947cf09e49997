"""A1111, its forks and the demo, as far as an export has to know them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.runtime import WebuiRuntime, attribute_of, identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

PREFIX = "callbacks_"
SCRIPT_FOLDER = "scripts"
NAMES = ("extensions", SCRIPT_FOLDER)
"""What the dotted names of scripts begin with."""


@dataclass(frozen=True)
class ScriptsRuntime(WebuiRuntime):
    """A1111, and what has come of it.

    Attributes:
        root: the package that has ``script_callbacks`` and the like.
    """

    root: str = "modules"

    def app(self) -> Any:
        """The app of its API and page."""
        return attribute_of(f"{self.root}.shared", "app")

    def version(self) -> str | None:
        """The git tag, once the webui itself has asked git for it; of the demo its own."""
        tag = attribute_of(f"{self.root}.launch_utils", "git_tag")
        info = getattr(tag, "cache_info", None)
        known = str(tag()) if info is not None and info().currsize else None
        return known or super().version()

    def named_modules(self, name: str | None) -> Mapping[str, ModuleType]:
        """Its scripts, and those of its extensions: they are not in ``sys.modules``."""
        if name is not None and name.partition(".")[0] not in NAMES:
            return {}
        loaded = dict(attribute_of(f"{self.root}.script_loading", "loaded_scripts") or {})
        for data in list(attribute_of(f"{self.root}.scripts", "scripts_data") or ()):
            loaded.setdefault(str(data.path), data.module)
        listed = list(attribute_of(f"{self.root}.extensions", "extensions") or ())
        return named_scripts(loaded, [(str(e.name), Path(str(e.path)).absolute()) for e in listed])

    def callbacks_of(self, event: str) -> list[Any] | None:
        """The entries of ``callback_map``."""
        callback_map = attribute_of(f"{self.root}.script_callbacks", "callback_map") or {}
        entries = callback_map.get(f"{PREFIX}{event}")
        return entries if isinstance(entries, list) else None

    def forget_order(self, event: str) -> None:
        """A1111 keeps the order for as long as the list keeps its length."""
        cached = attribute_of(f"{self.root}.script_callbacks", "ordered_callbacks_map")
        if isinstance(cached, dict):
            cached.pop(event, None)

    def forget_what_was_computed(self) -> None:
        """It keeps which scripts have a method."""
        names = ("scripts_txt2img", "scripts_img2img", "scripts_control")
        forget_methods([attribute_of(f"{self.root}.scripts", name) for name in names])


class ForgeRuntime(ScriptsRuntime):
    """Forge and what has come of it."""

    def version(self) -> str | None:
        """What Forge says of itself."""
        version = attribute_of("modules_forge.forge_version", "version")
        return version if isinstance(version, str) else super().version()


class SdnextRuntime(ScriptsRuntime):
    """SD.Next."""

    def version(self) -> str | None:
        """The date and the commit that it started from."""
        version = attribute_of("installer", "version")
        if not isinstance(version, dict):
            return None
        told = [str(version[key]) for key in ("updated", "hash") if version.get(key)]
        return " ".join(told) or None


def forget_methods(runners: Sequence[Any]) -> None:
    """Have A1111's runners find out again which scripts have a method."""
    for runner in runners:
        cached = getattr(runner, "callback_map", None)
        if isinstance(cached, dict):
            cached.clear()


def named_scripts(
    scripts: Mapping[str, ModuleType], extensions: Sequence[tuple[str, Path]]
) -> dict[str, ModuleType]:
    """The modules of scripts by dotted names: ``extensions.NAME.file``, ``scripts.file``.

    Args:
        scripts: the modules by the paths of their files.
        extensions: name and folder of each extension.
    """
    named: dict[str, ModuleType] = {}
    for file, spellings in _spellings(tuple(scripts), tuple(extensions)):
        module = scripts[file]
        for name in spellings:
            if named.setdefault(name, module) is module:
                break
    return named


@functools.lru_cache(maxsize=8)
def _spellings(
    files: tuple[str, ...], extensions: tuple[tuple[str, Path], ...]
) -> list[tuple[str, list[str]]]:
    """What each file may be called, the short name first; asked for each line of a report."""
    folders = {path: name for name, path in extensions}
    found = []
    # A script whose short name another file has is named with its folder: so that comes first.
    for file in sorted(files, key=lambda one: Path(one).parent.name == SCRIPT_FOLDER):
        path = Path(file).absolute()
        folder = next((parent for parent in path.parents if parent in folders), None)
        if folder is not None:
            parts = ["extensions", folders[folder], *path.relative_to(folder).with_suffix("").parts]
        else:
            parts = [SCRIPT_FOLDER, path.stem]
        short = [*parts[:2], *parts[3:]] if parts[2:3] == [SCRIPT_FOLDER] and parts[3:] else parts
        found.append((file, [".".join(map(identifier, one)) for one in (short, parts)]))
    return found
