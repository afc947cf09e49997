"""Greenhouse, the small webui that comes with the package and speaks A1111's dialect."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.gradio import GradioHost
from livepatch.adapters.runtime import attribute_of
from livepatch.web.gradio.pages import page_of
from livepatch.web.servers import RunningServer, servers

from .a1111_family import stores
from .a1111_family.layout import DemoLayout
from .a1111_family.loader import ScriptsLoader
from .a1111_family.runtime import NAMES, ScriptsRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.adapters.loader import Loader
    from livepatch.registries import Extension, Store

WEBUI = "livepatch.demo"
SHARED = f"{WEBUI}.shared"
SCRIPTS = f"{WEBUI}.scripts"
METHODS = ("process", "process_step", "postprocess")


class DemoHost(GradioHost):
    """Greenhouse, the demo webui: a Gradio page with callbacks, scripts and extensions."""

    flavor = "demo"
    specificity = 100
    module = SHARED
    names = NAMES
    runtime = ScriptsRuntime(WEBUI, WEBUI)
    layout = DemoLayout(root=WEBUI)

    @classmethod
    def is_detected(cls) -> bool:
        """The demo has read its command line: more than one of its modules being imported."""
        return attribute_of(SHARED, "cmd_opts") is not None

    def is_idle(self) -> bool | None:
        """Whether the thread that generates has no job and none waits for it."""
        job = attribute_of(SHARED, "state", "job")
        jobs = attribute_of(f"{WEBUI}.worker", "generation_queue", "jobs")
        return None if jobs is None else not job and jobs.empty()

    def running(self) -> str | None:
        """The job, and the step it is at."""
        state = attribute_of(SHARED, "state")
        if state is None or not state.job:
            return None if state is None else ""
        return f"{state.job}, step {state.step} of {state.steps}"

    def waiting(self) -> int | None:
        """The jobs in the queue of the thread that generates."""
        jobs = attribute_of(f"{WEBUI}.worker", "generation_queue", "jobs")
        return None if jobs is None else jobs.qsize()

    @property
    def extension_folder(self) -> Path | None:
        """The folder given by ``--extensions-dir``; None when the demo runs without one."""
        folder = attribute_of(SHARED, "cmd_opts", "extensions_dir")
        return folder.absolute() if isinstance(folder, Path) else None

    def server(self) -> RunningServer | None:
        """The server whose app is the demo's: the process may run others as well."""
        app = self.app()
        return next((found for found in servers() if app is not None and found.app is app), None)

    def app(self) -> Any:
        """The demo's FastAPI app; None while it is being built."""
        return attribute_of(SHARED, "app")

    def blocks(self) -> Any:
        """The demo's page; None while it is being built."""
        return attribute_of(SHARED, "demo") or page_of(self.app())

    def callback_stores(self) -> Sequence[Store]:
        """The events of the demo, each a list of entries with the script and the function."""
        backwards = frozenset({"script_unloaded"})
        return stores.callback_stores(f"{WEBUI}.script_callbacks", backwards, walked=False)

    def hook_stores(self) -> Sequence[Store]:
        """The methods of scripts, in the order of a generation."""
        scripts = sys.modules.get(SCRIPTS)
        if scripts is None:
            return ()
        return [
            stores.ScriptMethodStore(
                method, scripts, self.runners, partial(self._script_classes, method)
            )
            for method in METHODS
        ]

    def extensions(self) -> Sequence[Extension]:
        """The extension folders that the demo has read."""
        return stores.extensions_of(f"{WEBUI}.extensions", self.modules())

    def loader(self) -> Loader | None:
        """Executes the scripts of an extension as its start does."""
        return ScriptsLoader(self, WEBUI, Path)

    def runners(self) -> list[Any]:
        """The object that calls the scripts' methods."""
        runner = attribute_of(SHARED, "scripts_generate")
        return [] if runner is None else [runner]

    def _script_classes(self, method: str) -> dict[str, Any]:
        return stores.script_classes(self.runners(), method)
