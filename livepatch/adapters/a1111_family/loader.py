"""Loads extensions into A1111, its forks and the demo while they run."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.loader import (
    Loader,
    Loading,
    execute,
    lists_of,
    python_files,
    refuse,
    runners_lists,
)
from livepatch.adapters.runtime import attribute_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from livepatch.adapters.gradio import GradioHost
    from livepatch.registries import Extension

AT_START = ("ui_tabs", "ui_settings", "before_ui", "ui_train_tabs", "after_ui")


class ScriptsLoader(Loader):
    """Executes the files in ``scripts`` and registers what they have.

    Args:
        host: the webui, which has ``runners()``.
        package: the package of its modules.
        path_type: what it keeps paths as.
    """

    def __init__(self, host: GradioHost, package: str = "modules", path_type: Any = str) -> None:
        self.host = host
        self.package = package
        self.path_type = path_type

    def find(self, asked: str, path: Path) -> Loading:
        """A folder with ``scripts/*.py``, or a single file."""
        if os.path.isdir(path) and python_files(path / "scripts"):
            return Loading(path.name, path)
        if os.path.isfile(path) and path.suffix == ".py":
            return Loading(path.stem, path)
        raise refuse(
            asked,
            f"{path} is not an extension: it has no scripts/*.py"
            if os.path.isdir(path)
            else f"{path} is no folder and no Python file",
            "give the folder that has the folder scripts, or a single .py file",
        )

    def containers(self) -> Mapping[str, Any]:
        """The registry of callbacks, scripts, modules, extensions and routes."""
        callbacks = self._of("script_callbacks", "callback_map") or {}
        found = lists_of(
            script=self._of("scripts", "scripts_data"),
            postprocessing=self._of("scripts", "postprocessing_scripts_data"),
            _loaded=self._of("script_loading", "loaded_scripts"),
            module=sys.modules,
            _extensions=self._of("extensions", "extensions"),
            _paths=self._of("extensions", "extension_paths"),
            _names=self._of("extensions", "loaded_extensions"),
            route=getattr(getattr(self.host.app(), "router", None), "routes", None),
        )
        # One word for all of them: each is a list of its own.
        listed = {f"callback {key}": value for key, value in callbacks.items()}
        return {**found, **lists_of(**listed), **runners_lists(self._runners())}

    def load(self, loading: Loading) -> None:
        """Execute the scripts, make their instances, tell them that the app has started."""
        scripts = self._module("scripts")
        folder = loading.path if loading.path.is_dir() else loading.path.parent
        files = [loading.path]
        if loading.path.is_dir():
            self._add_extension(loading)
            files = python_files(loading.path / "scripts")
        before = {id(entry) for _, entry in self._entries()}
        for file in files:
            module = self._execute(scripts, file, folder)
            self._register(scripts, module, file, folder, loading)
        new = [(event, entry) for event, entry in self._entries() if id(entry) not in before]
        self._say_what_waits(new, loading)
        self._start(new)

    def on_unload(self, extension: Extension) -> None:
        """Call its ``script_unloaded`` callbacks, the last one first."""
        for event, entry in reversed(list(self._entries())):
            file = str(getattr(entry, "script", "") or "")
            if event == "script_unloaded" and Loading("", _path(extension)).belongs(file):
                entry.callback()

    def forget_orders(self, touched: set[int]) -> None:
        """A1111 keeps an order for as long as the list's length is the same."""
        cache = self._of("script_callbacks", "ordered_callbacks_map")
        lists = self._of("script_callbacks", "callback_map") or {}
        if isinstance(cache, dict):
            for key, listed in lists.items():
                if id(listed) in touched:
                    cache.pop(str(key).removeprefix("callbacks_"), None)
        for runner in self._runners():
            cached = getattr(runner, "callback_map", None)
            if isinstance(cached, dict):
                cached.clear()

    def left(self, extension: Extension) -> list[str]:
        """What it drew on the page."""
        drew = [
            event
            for event, entry in self._entries()
            if event in ("ui_tabs", "ui_settings")
            and Loading("", _path(extension)).belongs(str(getattr(entry, "script", "") or ""))
        ]
        told = {"ui_tabs": "its tab", "ui_settings": "its settings"}
        words = " and ".join(told[event] for event in dict.fromkeys(drew))
        return [f"{words} stay on the page until its Reload UI"] if words else []

    def _execute(self, scripts: Any, file: Path, folder: Path) -> Any:
        path, basedir = sys.path, getattr(scripts, "current_basedir", None)
        sys.path = [str(folder), *sys.path]
        if hasattr(scripts, "current_basedir"):
            scripts.current_basedir = str(folder)
        try:
            module = execute(file.name, file)
        finally:
            sys.path = path
            if hasattr(scripts, "current_basedir"):
                scripts.current_basedir = basedir
        loaded = self._of("script_loading", "loaded_scripts")
        if isinstance(loaded, dict):
            loaded[str(file)] = module
        return module

    def _register(
        self, scripts: Any, module: Any, file: Path, folder: Path, loading: Loading
    ) -> None:
        base, data = scripts.Script, scripts.ScriptClassData
        for cls in list(vars(module).values()):
            if not (isinstance(cls, type) and issubclass(cls, base) and cls is not base):
                continue
            path, basedir = self.path_type(file), self.path_type(folder)
            scripts.scripts_data.append(data(cls, path, basedir, module))
            for runner in self._runners():
                self._instance(scripts, runner, cls, path, loading)

    def _instance(self, scripts: Any, runner: Any, cls: Any, path: Any, loading: Loading) -> None:
        img2img = runner is attribute_of(f"{self.package}.scripts", "scripts_img2img")
        script = cls()
        script.filename = path
        script.is_txt2img, script.is_img2img = not img2img, img2img
        takes = len(inspect.signature(script.show).parameters)
        visibility = script.show(img2img) if takes else script.show()
        # Not None: that would hand it the values of all controls of the page.
        script.args_from = script.args_to = 0
        if visibility is scripts.AlwaysVisible:
            runner.scripts.append(script)
            runner.alwayson_scripts.append(script)
            script.alwayson = True
        drawn = getattr(cls, "ui", None) is not getattr(scripts.Script, "ui", None)
        said = "the page's Reload UI draws its controls; until then its hooks get no values"
        if (drawn or visibility is not scripts.AlwaysVisible) and said not in loading.facts:
            loading.facts.append(said)

    def _start(self, new: list[tuple[str, Any]]) -> None:
        """The app has started long ago: what waits for that is called now."""
        app = self.host.app()
        for event, entry in new:
            if event == "app_started" and app is not None:
                entry.callback(self.host.blocks(), app)
            elif event == "model_loaded":
                for model in self.host.models().values():
                    entry.callback(model)

    def _say_what_waits(self, new: list[tuple[str, Any]], loading: Loading) -> None:
        waiting = dict.fromkeys(event for event, _ in new if event in AT_START)
        if waiting:
            loading.facts.append(f"{', '.join(waiting)}: called by the page's next Reload UI")

    def _add_extension(self, loading: Loading) -> None:
        known = self._module("extensions")
        path = self.path_type(loading.path)
        if any(os.fspath(e.path) == os.fspath(path) for e in known.extensions):
            return
        made = self._extension(known, loading.name, path)
        known.extensions.append(made)
        paths, names = (getattr(known, n, None) for n in ("extension_paths", "loaded_extensions"))
        if isinstance(paths, dict):
            paths[path] = made
        if isinstance(names, dict):
            names[getattr(made, "canonical_name", loading.name)] = made

    @staticmethod
    def _extension(known: Any, name: str, path: Any) -> Any:
        """An extension of the webui's own class, with the metadata it would have read."""
        if hasattr(known, "read_extension"):
            return known.read_extension(path, is_builtin=False)
        given: dict[str, Any] = {"enabled": True, "is_builtin": False}
        if hasattr(known, "ExtensionMetadata"):
            given["metadata"] = known.ExtensionMetadata(path, name)
        return known.Extension(name, path, **given)

    def _entries(self) -> Iterator[tuple[str, Any]]:
        for key, listed in dict(self._of("script_callbacks", "callback_map") or {}).items():
            for entry in list(listed):
                yield str(key).removeprefix("callbacks_"), entry

    def _runners(self) -> list[Any]:
        runners: list[Any] = self.host.runners()  # type: ignore[attr-defined]
        return runners

    def _of(self, module: str, name: str) -> Any:
        return attribute_of(f"{self.package}.{module}", name)

    def _module(self, name: str) -> Any:
        return sys.modules[f"{self.package}.{name}"]


def _path(extension: Extension) -> Path:
    return extension.path or Path("/nowhere")
