"""How extensions get into a running webui: what its adapter answers, and the loading itself."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.shown import shown
from livepatch.errors import PatchRefused
from livepatch.files.untrusted import Unreadable, entries_of, read_untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from livepatch.registries import Extension
    from livepatch.registries.containers import Put

LONGEST = 16_000_000
"""In bytes, of a file that is executed; single-file exports of many changes are large."""


@dataclass
class Loading:
    """An extension on its way into the webui.

    Attributes:
        name: its name.
        path: its folder, or its file where it is a single one.
        facts: what has to be said of what a running webui cannot do with it.
        old: what the webui had of it until now, where it is reloaded.
        puts: what was put where a comparison of the containers does not see it.
    """

    name: str
    path: Path
    facts: list[str] = field(default_factory=list)
    old: Sequence[Put] = ()
    puts: list[Put] = field(default_factory=list)

    def belongs(self, file: str) -> bool:
        """Whether a file is the extension's; of webuis that keep relative paths, too."""
        own, found = os.path.abspath(self.path), os.path.abspath(file)
        return own == found or found.startswith(os.path.join(own, ""))

    def old_in(self, *places: str) -> list[Any]:
        """What the webui had of it in some containers, until now."""
        return [put.item for put in self.old if put.where in places]


class Loader(ABC):
    """Loads extensions as one flavor of webui does, while it runs."""

    @abstractmethod
    def find(self, asked: str, path: Path) -> Loading:
        """The extension at a path.

        Raises:
            PatchRefused: there is none of this flavor.
        """

    @abstractmethod
    def containers(self) -> Mapping[str, Any]:
        """The lists, dictionaries and sets that loading puts things into, by words for people.

        What begins with ``_`` is not counted in answers.
        """

    def entries(self, loading: Loading) -> Sequence[Path]:  # noqa: ARG002
        """The files that are executed: an old one is told to go only if all of them compile."""
        return ()

    @abstractmethod
    def load(self, loading: Loading) -> None:
        """Execute the extension and register what it has, as the webui does at its start.

        What it raises is the extension's fault, and all of it is taken back.
        """

    def on_unload(self, extension: Extension) -> Sequence[str] | None:  # noqa: ARG002
        """Tell the extension that it goes, as the webui does; most webuis say nothing.

        Returns:
            What has to be said: what it raises does not keep it.
        """
        return None

    def unroute(self, loading: Loading) -> None:  # noqa: B027 - most have the routes in a list
        """Take out the routes of an extension that the webui itself has loaded."""

    def more(self, loading: Loading) -> list[Put]:  # noqa: ARG002
        """What there is of an extension beside what the containers have."""
        return []

    def own_thing(self, item: Any) -> Any:
        """What an item of a container holds of an extension; here: the item itself."""
        return item

    def is_named(self, where: str, key: Any, item: Any, loading: Loading) -> bool:  # noqa: ARG002
        """Whether an item of a container is an extension's that no file of it tells.

        Args:
            where: the container, in words.
            key: of a dictionary, the key; else None.
            item: the item.
            loading: the extension.
        """
        return False

    def forget_orders(self, touched: set[int]) -> None:  # noqa: B027 - most work out nothing
        """Drop what the webui worked out from containers that changed.

        Args:
            touched: the containers, by identity.
        """

    def left(self, extension: Extension) -> list[str]:  # noqa: ARG002
        """What stays of an extension that was unloaded, and what to do about it."""
        return []


def raised(error: BaseException, loading: Loading) -> str:
    """What an extension has raised, and where in its files: ``ValueError: no (file:line)``."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if loading.belongs(frame.filename)]
    where = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({error.filename}:{error.lineno})"
    return ": ".join(filter(None, [type(error).__name__, str(error)])) + where


def told(callback: Callable[[], object], what: str, loading: Loading) -> list[str]:
    """Call what an extension has for its end; what that raises is said, and nothing else.

    Args:
        callback: what is called.
        what: its name, for people.
        loading: the extension.
    """
    try:
        callback()
    except (Exception, SystemExit) as error:
        return [f"its {what} raised {raised(error, loading)}"]
    return []


def refuse(asked: str, found: str, advice: str) -> PatchRefused:
    """The refusal of a path that is no extension."""
    return PatchRefused(asked, found, advice)


def execute(name: str, file: Path, *, register: bool = False, package: bool = False) -> ModuleType:
    """Execute a file as a module of a given name.

    Args:
        name: the name.
        file: the file.
        register: whether it becomes an entry of ``sys.modules`` before it runs.
        package: whether it is the ``__init__.py`` of a package.
    """
    found = [str(file.parent)] if package else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=found)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    # The text may have changed within the second that compiled files are told apart by.
    importlib.invalidate_caches()
    module = importlib.util.module_from_spec(spec)
    if register:
        sys.modules[name] = module
    exec(compile(_read(file), str(file), "exec"), vars(module))
    return module


def check_syntax(files: Sequence[Path]) -> None:
    """Compile files, as :func:`execute` would.

    Raises:
        SyntaxError: one of them is no Python.
        ImportError: one of them cannot be read.
    """
    for file in files:
        compile(_read(file), str(file), "exec")


def _read(file: Path) -> bytes:
    try:
        return read_untrusted(file, longest=LONGEST)
    except Unreadable as unreadable:
        raise ImportError(f"{shown(file)} {unreadable}") from unreadable


def python_files(folder: Path) -> list[Path]:
    """The Python files in a folder, by name; as webuis do, of anything else it takes no notice."""
    try:
        listed, _ = entries_of(folder)
    except Unreadable:
        return []
    return [Path(e.path) for e in listed if e.name.endswith(".py") and os.path.isfile(e.path)]


def lists_of(**known: Any) -> dict[str, Any]:
    """Those of some things that are lists, dictionaries or sets."""
    return {where: found for where, found in known.items() if isinstance(found, (list, dict, set))}


def runners_lists(runners: Mapping[str, Any]) -> dict[str, Any]:
    """Where runners keep their scripts, by words for it: ``_scripts scripts_txt2img``."""
    found = {}
    for runner_name, runner in runners.items():
        for name in ("scripts", "alwayson_scripts", "selectable_scripts", "title_map"):
            listed = getattr(runner, name, None)
            if isinstance(listed, (list, dict)):
                found[f"_{name} {runner_name}"] = listed
    return found
