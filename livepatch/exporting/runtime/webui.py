"""What the changes of an extension need to know of its webui.

Nothing is imported of the webui: what it has loaded is looked up in ``sys.modules``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.switching.frames import all_stacks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

ROOTS = {"demo": "livepatch.demo"}
"""The packages that have ``script_callbacks`` and the like, where it is not ``modules``."""

_CACHES = ("outputs", "ui", "objects")


def attribute_of(module: str, *names: str) -> Any:
    """An attribute of a loaded module; None when module or attribute lacks.

    Example:
        >>> attribute_of("sys", "version_info", "major")
        3
    """
    found: Any = sys.modules.get(module)
    for name in names:
        found = getattr(found, name, None)
    return found


class Webui:
    """A webui of which nothing has to be known: its app is given."""

    def app(self) -> Any:
        """Its app; None while there is none, or where it has to be given."""
        return None

    def version(self) -> str | None:
        """Its version, where it says so."""
        return None

    def named_modules(self, name: str | None) -> Mapping[str, ModuleType]:  # noqa: ARG002
        """Loaded modules that are not in ``sys.modules`` by a dotted name: scripts, custom nodes.

        Args:
            name: the one that is looked for; None: all of them.
        """
        return {}

    def forget_what_was_computed(self) -> None:
        """Have it forget what it worked out from code that has changed since."""


class ScriptsWebui(Webui):
    """A1111, and what has come of it.

    Args:
        root: the package that has ``script_callbacks`` and the like.
    """

    def __init__(self, root: str = "modules") -> None:
        self.root = root

    def app(self) -> Any:
        """The app of its API and page."""
        return attribute_of(f"{self.root}.shared", "app")

    def version(self) -> str | None:
        """What SD.Next, Forge, the demo or A1111 say."""
        sdnext = attribute_of("installer", "version")
        if isinstance(sdnext, dict):
            return " ".join(str(sdnext[k]) for k in ("updated", "hash") if sdnext.get(k)) or None
        for module, name in (
            ("modules_forge.forge_version", "version"),
            (self.root, "__version__"),
        ):
            version = attribute_of(module, name)
            if isinstance(version, str):
                return version
        tag = attribute_of("modules.launch_utils", "git_tag")
        info = getattr(tag, "cache_info", None)
        return str(tag()) if info is not None and info().currsize else None

    def named_modules(self, name: str | None) -> Mapping[str, ModuleType]:
        """Its scripts, and those of its extensions."""
        if name is not None and name.partition(".")[0] not in ("extensions", "scripts"):
            return {}
        found: dict[str, ModuleType] = {}
        loaded = dict(attribute_of(f"{self.root}.script_loading", "loaded_scripts") or {})
        for data in list(attribute_of(f"{self.root}.scripts", "scripts_data") or ()):
            loaded.setdefault(str(data.path), data.module)
        for file, module in loaded.items():
            found.setdefault(_name_of_script(Path(file).absolute(), self.root), module)
        return found

    def forget_what_was_computed(self) -> None:
        """It keeps which scripts have a method."""
        for name in ("scripts_txt2img", "scripts_img2img", "scripts_control"):
            cached = getattr(attribute_of(f"{self.root}.scripts", name), "callback_map", None)
            if isinstance(cached, dict):
                cached.clear()


class TextgenWebui(Webui):
    """text-generation-webui."""

    def app(self) -> Any:
        """The app of its page."""
        gradio = attribute_of("modules.shared", "gradio")
        page = gradio.get("interface") if isinstance(gradio, dict) else None
        return getattr(page, "server_app", None) or getattr(page, "app", None)


class ComfyWebui(Webui):
    """ComfyUI."""

    def app(self) -> Any:
        """The app of its server."""
        return attribute_of("server", "PromptServer", "instance", "app")

    def version(self) -> str | None:
        """What it says."""
        version = attribute_of("comfyui_version", "__version__")
        return version if isinstance(version, str) else None

    def named_modules(self, name: str | None) -> Mapping[str, ModuleType]:
        """The custom nodes, which it names by their paths."""
        if name is not None and name.partition(".")[0] != "custom_nodes":
            return {}
        found: dict[str, ModuleType] = {}
        for key, module in sys.modules.copy().items():
            _, is_node, path = str(key).replace("\\", "/").rpartition("/custom_nodes/")
            if is_node and module is not None:
                parts = ["custom_nodes", *map(_identifier, path.split("."))]
                found.setdefault(".".join(parts), module)
        return found

    def forget_what_was_computed(self) -> None:
        """It keeps the outputs of nodes."""
        queue = attribute_of("server", "PromptServer", "instance", "prompt_queue")
        if queue is None or "nodes" not in sys.modules:
            return
        if queue.mutex.acquire(timeout=0.05):
            try:
                for executor in _executors():
                    for kind in _CACHES:
                        _empty(getattr(executor.caches, kind, None))
                running = bool(queue.currently_running)
            finally:
                queue.mutex.release()
        else:
            running = True
        if running:  # nodes of it may still put outputs of the old code there
            queue.set_flag("unload_models", False)
            queue.set_flag("free_memory", True)


def _name_of_script(path: Path, root: str) -> str:
    for extension in list(attribute_of(f"{root}.extensions", "extensions") or ()):
        folder = Path(str(extension.path)).absolute()
        if folder in path.parents:
            inner = path.relative_to(folder).with_suffix("").parts
            inner = inner[1:] if inner[0] == "scripts" and inner[1:] else inner
            return ".".join(map(_identifier, ("extensions", str(extension.name), *inner)))
    return f"scripts.{_identifier(path.stem)}"


def _identifier(text: str) -> str:
    name = re.sub(r"\W", "_", text)
    return f"_{name}" if name[:1].isdigit() else name


def _executors() -> Iterator[Any]:
    """What runs the prompts: a local variable of the thread that does."""
    for stack in all_stacks().values():
        for frame in stack:
            if frame.f_code.co_name == "prompt_worker":
                executor = frame.f_locals.get("e")
                if hasattr(executor, "caches"):
                    yield executor


def _empty(cache: Any) -> None:
    entries = getattr(cache, "cache", None)
    if isinstance(entries, dict):
        for key in list(entries):
            entries.pop(key, None)
    for inner in list((getattr(cache, "subcaches", None) or {}).values()):
        _empty(inner)
