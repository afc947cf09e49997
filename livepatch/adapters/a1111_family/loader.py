"""Loads extensions into A1111, its forks and the demo while they run."""

from __future__ import annotations

import inspect
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.loader import (
    Loader,
    Loading,
    execute,
    lists_of,
    python_files,
    raised,
    refuse,
    runners_lists,
    told,
)
from livepatch.adapters.runtime import attribute_of

from .controls import (
    DEFAULTS,
    InDefaults,
    ask_controls,
    count,
    default_lists,
    give_places,
    is_drawn,
    supply,
    take_over,
    title_of,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from livepatch.adapters.gradio import GradioHost
    from livepatch.registries import Extension
    from livepatch.registries.containers import Put

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
        return {**found, **lists_of(**listed), **runners_lists(self._named_runners())}

    def entries(self, loading: Loading) -> list[Path]:
        """``scripts/*.py``, or the file."""
        is_folder = loading.path.is_dir()
        return python_files(loading.path / "scripts") if is_folder else [loading.path]

    def load(self, loading: Loading) -> None:
        """Execute the scripts, make their instances, tell them that the app has started."""
        scripts = self._module("scripts")
        folder, is_builtin = self._as_listed(loading)
        if loading.path.is_dir():
            self._add_extension(loading, folder, is_builtin=is_builtin)
            names = [file.name for file in self.entries(loading)]
            files = [os.path.join(folder, "scripts", name) for name in names]
        else:
            files = [os.path.join(folder, loading.path.name)]
        before = {id(entry) for _, entry in self._entries()}
        for file in files:
            module = self._execute(scripts, file, folder)
            self._register(scripts, module, file, folder, loading)
        new = [(event, entry) for event, entry in self._entries() if id(entry) not in before]
        self._say_what_waits(new, loading)
        self._start(new)

    def on_unload(self, extension: Extension) -> list[str]:
        """Call its ``script_unloaded`` callbacks, the last one first."""
        loading, said = Loading(extension.name, _path(extension)), list[str]()
        for event, entry in reversed(list(self._entries())):
            file = str(getattr(entry, "script", "") or "")
            if event == "script_unloaded" and file and loading.belongs(file):
                said += told(entry.callback, event, loading)
        return said

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
        named = {"ui_tabs": "its tab", "ui_settings": "its settings"}
        words = [named[event] for event in dict.fromkeys(drew)]
        drawn = filter(is_drawn, [s for r in self._runners() for s in r.scripts])
        if any(Loading("", _path(extension)).belongs(str(s.filename)) for s in drawn):
            words.append("its controls")
        said = f"{', '.join(words[:-1])} and {words[-1]}" if words[1:] else "".join(words)
        return [f"{said} stay on the page until its Reload UI"] if said else []

    def _as_listed(self, loading: Loading) -> tuple[str, bool]:
        """The folder as the webui names it, and whether it came along: SD.Next's are relative."""
        folder = loading.path if loading.path.is_dir() else loading.path.parent
        for old in loading.old_in("_extensions"):
            return os.fspath(old.path), bool(old.is_builtin)
        for name in ("extensions_builtin_dir", "extensions_dir"):
            known = self._of("paths_internal", name) or self._of("paths", name)
            listed = os.path.join(os.fspath(known), folder.name) if known else ""
            if listed and os.path.abspath(listed) == str(folder):
                return listed, name == "extensions_builtin_dir"
        return str(folder), False

    def _execute(self, scripts: Any, file: str, folder: str) -> Any:
        path, basedir = sys.path, getattr(scripts, "current_basedir", None)
        sys.path = [folder, *sys.path]
        if hasattr(scripts, "current_basedir"):
            scripts.current_basedir = folder
        try:
            module = execute(os.path.basename(file), Path(file))
        finally:
            sys.path = path
            if hasattr(scripts, "current_basedir"):
                scripts.current_basedir = basedir
        loaded = self._of("script_loading", "loaded_scripts")
        if isinstance(loaded, dict):
            loaded[file] = module
        return module

    def _register(
        self, scripts: Any, module: Any, file: str, folder: str, loading: Loading
    ) -> None:
        data, path, basedir = scripts.ScriptClassData, self.path_type(file), self.path_type(folder)
        of_images = self._of("scripts_postprocessing", "ScriptPostprocessing")
        for cls in list(vars(module).values()):
            if _derives_from(cls, scripts.Script):
                scripts.scripts_data.append(data(cls, path, basedir, module))
                for name, runner in self._named_runners().items():
                    self._instance(scripts, (name, runner), cls, path, loading)
            elif of_images is not None and _derives_from(cls, of_images):
                scripts.postprocessing_scripts_data.append(data(cls, path, basedir, module))
                _say(loading, "its postprocessing comes with the page's Reload UI")

    def _instance(
        self, scripts: Any, page: tuple[str, Any], cls: Any, path: Any, loading: Loading
    ) -> None:
        name, runner = page
        img2img = name == "scripts_img2img"
        script = cls()
        script.filename = path
        script.is_txt2img, script.is_img2img = not img2img, img2img
        if hasattr(script, "tabname"):
            script.tabname = "img2img" if img2img else "txt2img"
        takes = len(inspect.signature(script.show).parameters)
        shown = [script.show(img2img)] if takes else [script.show()]
        if name == "scripts_control":  # it asks for the other two
            shown = [script.show(True), script.show(False)]
        if not any(s is scripts.AlwaysVisible for s in shown):
            if any(shown):
                _say(loading, "the page's Reload UI draws its controls; until then it does not run")
            return
        # At the start its places among the values of the controls would be worked out as the page
        # is drawn; without any it would get the values of all.
        self._place(scripts, page, script, loading)
        runner.scripts.append(script)
        runner.alwayson_scripts.append(script)
        script.alwayson = True
        titles = getattr(runner, "title_map", None)
        if isinstance(titles, dict):
            titles[title_of(script).lower()] = script

    def _place(self, scripts: Any, page: tuple[str, Any], script: Any, loading: Loading) -> None:
        name, runner = page
        if not hasattr(scripts.Script, "args_from"):  # the demo's have no controls
            return
        if name == "scripts_control" and not self._is_drawn_there(script, loading):
            return
        old = _counterpart(loading.old_in(f"_scripts {name}"), script)
        if old is not None and count(old) is None:
            return  # this page has drawn none of it
        try:
            controls = ask_controls(script)
        except Exception as error:
            give_places(script, runner, old, None) if old is None else take_over(script, old)
            stays = "its hooks get no values" if old is None else "its controls are the old ones"
            _say(loading, f"its ui raised {raised(error, loading)}: {stays}")
            return
        if old is not None and count(old) == len(controls or ()):
            take_over(script, old)
        else:
            give_places(script, runner, old, controls)
        if controls:
            if not is_drawn(script):
                _say(
                    loading, "its hooks get what its controls begin with until Reload UI draws them"
                )
            supply(script, scripts.Script, values_of(controls))
            self._tell_the_api(name, script, values_of(controls), loading)

    def _tell_the_api(self, name: str, script: Any, values: list[Any], loading: Loading) -> None:
        put = InDefaults(f"_{DEFAULTS[name]}", script, partial(self._defaults, name), values, False)
        loading.puts.append(put)
        put.put_back({})

    def _defaults(self, name: str) -> list[Any] | None:
        routes = getattr(getattr(self.host.app(), "router", None), "routes", None) or ()
        return default_lists(getattr(route, "endpoint", None) for route in routes).get(name)

    def more(self, loading: Loading) -> list[Put]:
        """The values of its controls in those that the API begins with."""
        return [
            InDefaults(f"_{DEFAULTS[name]}", script, partial(self._defaults, name))
            for name, runner in self._named_runners().items()
            for script in runner.scripts
            if name in DEFAULTS and count(script) and loading.belongs(str(script.filename))
        ]

    def _is_drawn_there(self, script: Any, loading: Loading) -> bool:
        """Whether SD.Next draws a script on its control page: its installer has the names."""
        named = attribute_of("installer", "control_extensions") or ()
        folder = self._of("paths_internal", "extensions_dir") or self._of("paths", "extensions_dir")
        is_users = bool(folder) and Loading("", Path(folder)).belongs(str(loading.path))
        is_asked = getattr(script, "standalone", False) or is_users
        return not is_asked or script.title() in named

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

    def _add_extension(self, loading: Loading, folder: str, *, is_builtin: bool) -> None:
        known = self._module("extensions")
        path = self.path_type(folder)
        if any(os.fspath(e.path) == folder for e in known.extensions):
            return
        made = self._extension(known, loading.name, path, is_builtin=is_builtin)
        for old in loading.old_in("_extensions"):  # its metadata are read anew, the rest stays
            made.enabled = old.enabled
        known.extensions.append(made)
        paths, names = (getattr(known, n, None) for n in ("extension_paths", "loaded_extensions"))
        if isinstance(paths, dict):
            paths[path] = made
        if isinstance(names, dict):
            names[loading.name] = made

    @staticmethod
    def _extension(known: Any, name: str, path: Any, *, is_builtin: bool) -> Any:
        """An extension of the webui's own class, with the metadata it would have read."""
        if hasattr(known, "read_extension"):
            return known.read_extension(path, is_builtin=is_builtin)
        given: dict[str, Any] = {"enabled": True, "is_builtin": is_builtin}
        if hasattr(known, "ExtensionMetadata"):
            given["metadata"] = known.ExtensionMetadata(path, name)
        return known.Extension(name, path, **given)

    def _entries(self) -> Iterator[tuple[str, Any]]:
        for key, listed in dict(self._of("script_callbacks", "callback_map") or {}).items():
            for entry in list(listed):
                yield str(key).removeprefix("callbacks_"), entry

    def _runners(self) -> list[Any]:
        return [*self._named_runners().values()]

    def _named_runners(self) -> dict[str, Any]:
        """What calls the scripts' methods, by the names that the webui has for it."""
        runners: list[Any] = self.host.runners()  # type: ignore[attr-defined]
        known = {id(self._of("scripts", name)): name for name in DEFAULTS}
        return {known.get(id(r), str(number)): r for number, r in enumerate(runners)}

    def _of(self, module: str, name: str) -> Any:
        return attribute_of(f"{self.package}.{module}", name)

    def _module(self, name: str) -> Any:
        return sys.modules[f"{self.package}.{name}"]


def _path(extension: Extension) -> Path:
    return extension.path or Path("/nowhere")


def _derives_from(thing: Any, base: type) -> bool:
    return issubclass(type(thing), type) and issubclass(thing, base) and thing is not base


def _counterpart(old: list[Any], script: Any) -> Any:
    """The instance that a new one takes the place of: of the same class in the same file."""
    name = type(script).__qualname__
    found = (o for o in old if (type(o).__qualname__, o.filename) == (name, script.filename))
    return next(found, None)


def _say(loading: Loading, fact: str) -> None:
    if fact not in loading.facts:
        loading.facts.append(fact)
