"""Scripts of extensions: classes whose methods take part in every generation."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import errors, extensions, script_callbacks, script_loading, shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from .processing import Processed, Processing
    from .script_callbacks import StepParams

AlwaysVisible = object()


class Script:
    """A base class: override what you need; methods get the :class:`Processing` as ``p``."""

    filename: Path | None = None

    def title(self) -> str:
        """The name of this script on the page."""
        return type(self).__name__

    def show(self) -> object:
        """``AlwaysVisible`` when the script takes part in every generation, False when in none."""
        return AlwaysVisible

    def process(self, p: Processing) -> None:
        """Called before the picture is planned; may change ``p``."""

    def process_step(self, p: Processing, params: StepParams) -> None:
        """Called after each step of the sampler; may change ``params.latent``."""

    def postprocess(self, p: Processing, result: Processed) -> None:
        """Called with the finished picture; may change ``result.image`` and ``result.info``."""


@dataclass
class ScriptClassData:
    """A script class that was found, and the file and module it came from."""

    script_class: type[Script]
    path: Path
    basedir: Path
    module: ModuleType


scripts_data: list[ScriptClassData] = []


class ScriptRunner:
    """Runs the methods of the scripts; a method that raises is reported and skipped."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.alwayson_scripts: list[Script] = []

    def initialize_scripts(self) -> None:
        """Make one instance of every script class."""
        self.scripts.clear()
        self.alwayson_scripts.clear()
        for data in scripts_data:
            try:
                script = data.script_class()
                script.filename = data.path
                visibility = script.show()
            except Exception:
                errors.report(f"Error creating script {data.script_class.__name__}: {data.path}")
                continue
            self.scripts.append(script)
            if visibility is AlwaysVisible:
                self.alwayson_scripts.append(script)

    def process(self, p: Processing) -> None:
        """Run ``process`` of the scripts."""
        self._run("process", p)

    def process_step(self, p: Processing, params: StepParams) -> None:
        """Run ``process_step`` of the scripts."""
        self._run("process_step", p, params)

    def postprocess(self, p: Processing, result: Processed) -> None:
        """Run ``postprocess`` of the scripts."""
        self._run("postprocess", p, result)

    def _run(self, method: str, *args: Any) -> None:
        for script in list(self.alwayson_scripts):
            _call(script, method, args)


def _call(script: Script, method: str, args: tuple[Any, ...]) -> None:
    try:
        getattr(script, method)(*args)
    except Exception:
        errors.report(f"Error running {method}: {script.filename}")


def load_scripts() -> None:
    """Execute the script files of the active extensions and collect their script classes."""
    scripts_data.clear()
    script_loading.loaded_scripts.clear()
    for extension in extensions.active():
        with _importable(extension.path):
            for path in extension.scripts():
                try:
                    module = script_loading.load_module(path)
                except Exception:
                    errors.report(f"Error loading script: {path}")
                    continue
                _register_scripts(module, path, extension.path)
    runner = ScriptRunner()
    runner.initialize_scripts()
    shared.scripts_generate = runner


def reload_scripts() -> None:
    """Tell the scripts good-bye, read the extension folders and load the scripts anew."""
    script_callbacks.script_unloaded_callback()
    script_callbacks.clear_callbacks()
    options = shared.cmd_opts or shared.Options()
    extensions.list_extensions(options.extensions_dir, options.disabled_extensions)
    load_scripts()
    if shared.demo is not None and shared.app is not None:
        script_callbacks.app_started_callback(shared.demo, shared.app)


def _register_scripts(module: ModuleType, path: Path, basedir: Path) -> None:
    scripts_data.extend(
        ScriptClassData(value, path, basedir, module)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Script) and value is not Script
    )


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    # A script imports its extension's own package while it loads, and only then.
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the script itself may have taken it out
            sys.path.remove(str(folder))
