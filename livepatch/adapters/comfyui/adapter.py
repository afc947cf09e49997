"""ComfyUI: nodes with functions, model hooks, and caches that outlive a change of a node."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.aiohttp import AiohttpHost
from livepatch.adapters.base import WEBUI
from livepatch.adapters.checkout import Checkout
from livepatch.adapters.runtime import attribute_of, identifier
from livepatch.addresses import url_text
from livepatch.engine.answers import counted
from livepatch.looking.callables import name_of, place_of
from livepatch.registries.extension import Extension
from livepatch.registries.store import ListStore, UnknownStore

from .caches import evict
from .hooks import NodeStore, node_classes, patcher_stores
from .layout import ComfyuiLayout
from .loader import ComfyuiLoader
from .runtime import FOLDER, FOLDERS, ComfyuiRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from livepatch.adapters.loader import Loader
    from livepatch.engine.changing.change import Change
    from livepatch.registries import Store

BREAKER = "hook_breaker"
BREAKER_MODULE = "hook_breaker_ac10a0"


class ComfyuiHost(AiohttpHost):
    """ComfyUI."""

    flavor = "comfyui"
    specificity = WEBUI
    module = "nodes"
    names = FOLDERS
    checkout = Checkout(
        (FOLDER, "comfy", "nodes.py", "execution.py"),
        FOLDER,
        "__init__.py",
        inner=("ComfyUI",),
        pythons=("../python_embeded/python.exe",),
        rest="NODE_CLASS_MAPPINGS = {}\nNODE_DISPLAY_NAME_MAPPINGS = {}",
    )
    runtime = ComfyuiRuntime("comfyui_version")
    layout = ComfyuiLayout()

    @classmethod
    def is_detected(cls) -> bool:
        """Its registry of nodes is loaded, and its package ``comfy``."""
        is_loaded = isinstance(attribute_of("nodes", "NODE_CLASS_MAPPINGS"), dict)
        return is_loaded and "comfy" in sys.modules

    @property
    def address(self) -> str | None:
        """Where it answers."""
        server = self._server()
        address, port = getattr(server, "address", None), getattr(server, "port", None)
        if not address or not port:
            return None
        return url_text(str(address), port)

    def app(self) -> Any:
        """The aiohttp app; None while it starts."""
        return self.runtime.app()

    @property
    def extension_folder(self) -> Path | None:
        """The first folder of custom nodes."""
        folders = attribute_of("folder_paths", "folder_names_and_paths")
        found = folders.get(FOLDER) if isinstance(folders, dict) else None
        return Path(str(found[0][0])).absolute() if found and found[0] else None

    def is_idle(self) -> bool | None:
        """Whether no prompt runs and none waits."""
        queue = getattr(self._server(), "prompt_queue", None)
        if queue is None:
            return None
        return not queue.currently_running and not queue.queue

    def running(self) -> str | None:
        """The prompt that runs, and the node it is at."""
        server = self._server()
        queue = getattr(server, "prompt_queue", None)
        if queue is None:
            return None
        prompts = [str(item[1]) for item in list(queue.currently_running.values())]
        node = getattr(server, "last_node_id", None)
        at = f", at node {node}" if prompts and node is not None else ""
        return f"prompt {', '.join(prompts)}{at}" if prompts else ""

    def waiting(self) -> int | None:
        """The prompts in the queue."""
        queue = getattr(self._server(), "prompt_queue", None)
        return None if queue is None else len(queue.queue)

    def remarks(self, changes: Sequence[Change]) -> Sequence[str]:
        """That ``hook_breaker`` puts a function back by itself."""
        described = {change.describe().target for change in changes}
        return [said for path, said in puts_back().items() if path in described]

    def notices(self) -> Sequence[str]:
        """Which functions that others changed ``hook_breaker`` is going to put back."""
        return [
            f"{module.__name__}.{name} is {name_of(present)} ({place_of(present)}) now: "
            f"{BREAKER} puts the webui's own back within 10 s"
            for module, name, function, present in saved_functions()
            if present is not function
        ]

    def interrupt(self) -> str:
        """Have the running prompt interrupted, as the page's button does."""
        interrupt = attribute_of("nodes", "interrupt_processing")
        if interrupt is None:
            return super().interrupt()
        interrupt()
        return "nodes.interrupt_processing() was called"

    def callback_stores(self) -> Sequence[Store]:
        """The handlers that each prompt goes through when it comes in."""
        server = self._server()
        if server is None or "on_prompt_handlers" not in vars(server):
            return ()
        handlers = vars(server)["on_prompt_handlers"]
        if not isinstance(handlers, list):
            return [UnknownStore("on_prompt", "callbacks of on_prompt", handlers)]
        return [PromptHandlers(server)]

    def hook_stores(self) -> Sequence[Store]:
        """What loaded models call, their forward hooks, and the functions of nodes."""
        patched: list[Store] = []
        for name, patcher in _patchers().items():
            patched += patcher_stores(name, patcher)
        nodes = [NodeStore()] if node_classes() else []
        return [*patched, *super().hook_stores(), *nodes]

    def models(self) -> Mapping[str, Any]:
        """The models that are loaded."""
        found = {name: getattr(patcher, "model", None) for name, patcher in _patchers().items()}
        return {name: model for name, model in found.items() if model is not None}

    def loader(self) -> Loader | None:
        """Executes a package of nodes as its start does."""
        return ComfyuiLoader(self)

    def extensions(self) -> Sequence[Extension]:
        """The packages of nodes that it has loaded."""
        folders = dict(attribute_of("nodes", "LOADED_MODULE_DIRS") or {})
        named, classes = self.modules(), node_classes()
        return [_extension(name, Path(str(path)), named, classes) for name, path in folders.items()]

    def modules(self) -> Mapping[str, ModuleType]:
        """Its nodes; those in other folders have the same names as in the usual one."""
        named = dict(super().modules())
        folders = dict(attribute_of("nodes", "LOADED_MODULE_DIRS") or {})
        packs = {str(f).replace(".", "_x_"): name for name, f in folders.items()}
        for key, module in sys.modules.copy().items():
            if "/" not in key and "\\" not in key:
                continue  # nearly all of them: this is asked for often
            pack, _, inner = key.partition(".")
            if pack in packs and module is not None:
                parts = [Path(packs[pack]).name, *inner.split(".")]
                named.setdefault(".".join([FOLDER, *map(identifier, filter(None, parts))]), module)
        return named

    def after_commit(self, changes: Sequence[Change]) -> None:
        """Drop what was computed by the code that changed."""
        evict(getattr(self._server(), "prompt_queue", None), changes, node_classes())

    @staticmethod
    def _server() -> Any:
        return attribute_of("server", "PromptServer", "instance")


class PromptHandlers(ListStore):
    """The handlers that change a prompt before it is validated."""

    note = "what it returns is the prompt; None makes the request fail"

    def __init__(self, server: Any) -> None:
        path = "callbacks of on_prompt"
        super().__init__("on_prompt", path, vars(server), "on_prompt_handlers", walked=True)
        self.note = PromptHandlers.note


def saved_functions() -> Iterator[tuple[ModuleType, str, Any, Any]]:
    """What ``hook_breaker`` puts back every 10 s: module, name, its own function, the present."""
    for saved in list(attribute_of(BREAKER_MODULE, "SAVED_FUNCTIONS") or ()):
        if isinstance(saved, tuple) and len(saved) == 3:
            module, name, function = saved
            yield module, name, function, getattr(module, name, None)


def puts_back() -> dict[str, str]:
    """What is to be said of a change of each function that ``hook_breaker`` puts back."""
    return {
        f"{module.__name__}.{name}": f"{BREAKER} puts this function back every 10 s: the change "
        + ("lies in the function itself and stays" if present is function else "is lost then")
        for module, name, function, present in saved_functions()
    }


def _patchers() -> dict[str, Any]:
    """The patchers of the loaded models, by the names of their classes."""
    found: dict[str, Any] = {}
    for loaded in list(attribute_of("comfy.model_management", "current_loaded_models") or ()):
        patcher = getattr(loaded, "model", None)
        if patcher is None:
            continue
        name = type(getattr(patcher, "model", patcher)).__name__
        number = sum(known.partition("#")[0] == name for known in found)
        found[f"{name}#{number + 1}" if number else name] = patcher
    return found


def _extension(
    key: str, folder: Path, named: Mapping[str, ModuleType], classes: Mapping[str, Any]
) -> Extension:
    name = Path(key).name  # of single files it is the whole path
    path = folder if folder.name == name else folder / f"{name}.py"
    builtin = FOLDER not in folder.parts
    prefix = f"{FOLDER}.{identifier(name)}"
    modules = {n: m for n, m in named.items() if n == prefix or n.startswith(f"{prefix}.")}
    own = (f"{FOLDER}.{name}", f"comfy_extras.{name}", f"comfy_api_nodes.{name}")
    nodes = [t for t, c in classes.items() if getattr(c, "RELATIVE_PYTHON_MODULE", None) in own]
    facts = (counted(len(nodes), "node"),) if nodes else ()
    return Extension(name, path, True, builtin, "", modules or None, facts)
