"""Loads custom nodes into ComfyUI while it runs."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from livepatch.adapters.loader import Loader, Loading, execute, lists_of, refuse
from livepatch.adapters.runtime import attribute_of
from livepatch.web.find import routes_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from livepatch.adapters.base import Host

PARENT = "custom_nodes"


class ComfyuiLoader(Loader):
    """Executes the package or file and puts its nodes among the others."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def find(self, asked: str, path: Path) -> Loading:
        """A folder with ``__init__.py``, or a single file."""
        if os.path.isfile(path / "__init__.py"):
            return Loading(path.name, path)
        if os.path.isfile(path) and path.suffix == ".py":
            return Loading(path.stem, path)
        raise refuse(
            asked,
            f"{path} has no __init__.py" if os.path.isdir(path) else f"{path} is not a Python file",
            "give the folder that has __init__.py, or a single .py file",
        )

    def containers(self) -> Mapping[str, Any]:
        """The nodes, modules, handlers of prompts and routes."""
        server = attribute_of("server", "PromptServer", "instance")
        return lists_of(
            node=attribute_of("nodes", "NODE_CLASS_MAPPINGS"),
            _names=attribute_of("nodes", "NODE_DISPLAY_NAME_MAPPINGS"),
            _folders=attribute_of("nodes", "LOADED_MODULE_DIRS"),
            _web=attribute_of("nodes", "EXTENSION_WEB_DIRS"),
            module=sys.modules,
            callback=getattr(server, "on_prompt_handlers", None),
            _routes=getattr(getattr(server, "routes", None), "_items", None),
        )

    def load(self, loading: Loading) -> None:
        """As ComfyUI does, for one of them; nodes that ComfyUI itself has keep their names."""
        nodes, path = sys.modules["nodes"], loading.path.absolute()
        server = attribute_of("server", "PromptServer", "instance")
        routes = getattr(server, "routes", None)
        before = [*routes] if routes is not None else []
        if path.is_dir():
            key, file = str(path).replace(".", "_x_"), path / "__init__.py"
        else:
            key, file = str(path.with_suffix("")), path
        module: Any = execute(key, file, register=True, package=path.is_dir())
        found, names = nodes_of(module)
        taken = [name for name in found if name in nodes.NODE_CLASS_MAPPINGS]
        for name, cls in found.items():
            if name not in taken:
                cls.RELATIVE_PYTHON_MODULE = f"{PARENT}.{loading.name}"
                nodes.NODE_CLASS_MAPPINGS[name] = cls
        nodes.NODE_DISPLAY_NAME_MAPPINGS.update(
            {name: shown for name, shown in names.items() if name not in taken}
        )
        nodes.LOADED_MODULE_DIRS[loading.name] = str(path if path.is_dir() else path.parent)
        folder = getattr(module, "WEB_DIRECTORY", None)
        if folder and (file.parent / folder).is_dir():
            nodes.EXTENSION_WEB_DIRS[loading.name] = str((file.parent / folder).resolve())
        self._add_routes([route for route in routes or () if route not in before])
        if taken:
            loading.facts.append(f"skipped, as these names are taken: {', '.join(taken)}")
        if found:
            loading.facts.append("open pages show its nodes after they are reloaded")

    def _add_routes(self, new: list[Any]) -> None:
        for route in new:
            routes_of(self.host.app()).add(route.path, route.handler, methods=[route.method])


def nodes_of(module: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The nodes of a module, by their types, and their names for people."""
    classes = getattr(module, "NODE_CLASS_MAPPINGS", None)
    if classes is not None:
        return dict(classes), dict(getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {})
    entry = getattr(module, "comfy_entrypoint", None)
    if not callable(entry):
        raise TypeError("it has no NODE_CLASS_MAPPINGS and no comfy_entrypoint()")
    found: dict[str, Any] = {}
    names: dict[str, str] = {}

    async def ask() -> None:
        extension = entry()
        if inspect.isawaitable(extension):
            extension = await extension
        for cls in await extension.get_node_list():
            schema = cls.GET_SCHEMA()
            found[schema.node_id] = cls
            if schema.display_name is not None:
                names[schema.node_id] = schema.display_name

    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(ask())
        except BaseException as error:
            failed.append(error)

    # A thread of its own: this one may have a loop that runs.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found, names
