"""Loads custom nodes into ComfyUI while it runs."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.loader import Loader, Loading, execute, lists_of, refuse
from livepatch.adapters.runtime import attribute_of
from livepatch.looking.callables import file_of, undecorated
from livepatch.web.find import routes_of

from .apart import run_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

    def entries(self, loading: Loading) -> list[Path]:
        """``__init__.py``, or the file."""
        return [loading.path / "__init__.py" if loading.path.is_dir() else loading.path]

    def load(self, loading: Loading) -> None:
        """As ComfyUI does, for one of them; nodes that ComfyUI itself has keep their names."""
        nodes, path = sys.modules["nodes"], as_listed(loading.path)
        server = attribute_of("server", "PromptServer", "instance")
        routes = getattr(server, "routes", None)
        before = [*routes] if routes is not None else []
        is_folder = os.path.isdir(path)
        # Its names: of a folder what it is called, of a file its path; of modules always the path.
        key = path.replace(".", "_x_") if is_folder else os.path.splitext(path)[0]
        name = os.path.basename(path) if is_folder else key
        file = Path(path, "__init__.py") if is_folder else Path(path)
        module: Any = execute(key, file, register=True, package=is_folder)
        found, names = nodes_of(module)
        taken = [node for node, cls in found.items() if self._is_comfyuis(node, cls)]
        for node, cls in found.items():
            if node not in taken:
                cls.RELATIVE_PYTHON_MODULE = relative_name(loading)
                nodes.NODE_CLASS_MAPPINGS[node] = cls
        nodes.NODE_DISPLAY_NAME_MAPPINGS.update(
            {node: shown for node, shown in names.items() if node not in taken}
        )
        nodes.LOADED_MODULE_DIRS[name] = os.path.abspath(path if is_folder else file.parent)
        self._add_web(loading, name, file.parent, module)
        self._add_routes([route for route in routes or () if route not in before], loading)
        if taken:
            loading.facts.append(f"skipped, as ComfyUI has these names: {', '.join(taken)}")
        if found:
            loading.facts.append("open pages show its nodes after they are reloaded")

    def unroute(self, loading: Loading) -> None:
        """Take its routes out of the running app; the webui's own list of them is a container."""
        app = self.host.app()
        if app is not None:
            routes = routes_of(app)
            for route in [r for r in routes if r.endpoint and _is_of(r.endpoint, loading)]:
                routes.remove(route)

    def is_named(self, where: str, key: Any, item: Any, loading: Loading) -> bool:  # noqa: ARG002
        """Its folder, and what its nodes are called."""
        if where == "_folders":
            return key in (loading.name, os.path.splitext(as_listed(loading.path))[0])
        own = attribute_of("nodes", "NODE_CLASS_MAPPINGS") or {}
        of = getattr(own.get(key), "RELATIVE_PYTHON_MODULE", None) if where == "_names" else None
        return of == relative_name(loading)

    @staticmethod
    def _is_comfyuis(node: str, cls: Any) -> bool:
        """Whether ComfyUI itself has a node of that type; one of another pack gives way."""
        present = (attribute_of("nodes", "NODE_CLASS_MAPPINGS") or {}).get(node, cls)
        module = str(getattr(present, "RELATIVE_PYTHON_MODULE", "nodes"))
        return present is not cls and module.partition(".")[0] != PARENT

    @staticmethod
    def _add_web(loading: Loading, name: str, folder: Path, module: Any) -> None:
        """Its files for the page, by its own word or its ``pyproject.toml``."""
        served = attribute_of("nodes", "EXTENSION_WEB_DIRS")
        before = dict(served)
        read = attribute_of("comfy_config.config_parser", "extract_node_configuration")
        if read is not None and loading.path.is_dir():
            with contextlib.suppress(Exception):  # ComfyUI passes over one that it cannot read
                project = read(str(folder))
                web = folder / project.tool_comfy.web
                if project.tool_comfy.web and web.is_dir():
                    served[project.project.name] = str(web)
        said = getattr(module, "WEB_DIRECTORY", None)
        if said and (folder / said).is_dir():
            served[name] = os.path.abspath(folder / said)
        if served != before:
            loading.facts.append("its files for the page are served after a restart")

    def _add_routes(self, new: list[Any], loading: Loading) -> None:
        """Each as it is, and below ``/api``."""
        for route in new:
            if not hasattr(route, "handler"):
                loading.facts.append(f"{route.prefix}: served after a restart")
                continue
            for path in (f"/api{route.path}", route.path):
                routes_of(self.host.app()).add(path, route.handler, methods=[route.method])


def as_listed(path: Path) -> str:
    """The path of a pack as ComfyUI names it: below one of its folders, links as they are there."""
    folders = attribute_of("folder_paths", "folder_names_and_paths") or {}
    for folder in (folders.get(PARENT) or ([],))[0]:
        listed = os.path.join(folder, path.name)
        if os.path.realpath(listed) == os.path.realpath(path):
            return str(listed)
    return str(path.absolute())


def relative_name(loading: Loading) -> str:
    """What the classes of its nodes say of where they come from."""
    return f"{PARENT}.{loading.name}"


def _is_of(endpoint: Any, loading: Loading) -> bool:
    return any(
        file and loading.belongs(file) for file in map(file_of, {endpoint, undecorated(endpoint)})
    )


def nodes_of(module: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The nodes of a module, by their types, and their names for people."""
    classes = getattr(module, "NODE_CLASS_MAPPINGS", None)
    if classes is not None:
        return dict(classes), dict(getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {})
    entry = getattr(module, "comfy_entrypoint", None)
    if not callable(entry):
        raise TypeError("it has no NODE_CLASS_MAPPINGS and no comfy_entrypoint()")
    classes = run_apart(lambda: _asked(entry))
    schemas = [(cls.GET_SCHEMA(), cls) for cls in classes]
    names = {s.node_id: s.display_name for s, _ in schemas if s.display_name is not None}
    return {schema.node_id: cls for schema, cls in schemas}, names


async def _asked(entry: Callable[[], Any]) -> list[Any]:
    """The classes of nodes of the third version, asked for as ComfyUI does."""
    extension = entry()
    if inspect.isawaitable(extension):
        extension = await extension
    kind = attribute_of("comfy_api.latest", "ComfyExtension")
    if kind is not None and not isinstance(extension, kind):
        raise TypeError("comfy_entrypoint() answers no ComfyExtension")
    if "on_load" in _names_in(attribute_of("nodes", "load_custom_node")):  # newer ones call it
        await extension.on_load()
    classes = await extension.get_node_list()
    if not isinstance(classes, list):
        raise TypeError("get_node_list() answers no list")
    return classes


def _names_in(function: Any) -> tuple[str, ...]:
    code = getattr(inspect.unwrap(function), "__code__", None) if function is not None else None
    return code.co_names if code is not None else ()
