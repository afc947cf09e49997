"""ComfyUI, as far as an export has to know it."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from livepatch.adapters.runtime import WebuiRuntime, attribute_of, identifier
from livepatch.engine.switching.frames import all_stacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

FOLDER = "custom_nodes"
FOLDERS = (FOLDER, "comfy_extras", "comfy_api_nodes")
KINDS = ("outputs", "ui", "objects")


class ComfyuiRuntime(WebuiRuntime):
    """ComfyUI."""

    def app(self) -> Any:
        """The app of its server; None while it starts."""
        return attribute_of("server", "PromptServer", "instance", "app")

    def named_modules(self, name: str | None) -> Mapping[str, ModuleType]:
        """Nodes, its own too: in ``sys.modules`` their names are paths."""
        if name is not None and name.partition(".")[0] not in FOLDERS:
            return {}
        named: dict[str, ModuleType] = {}
        for key, module in sys.modules.copy().items():
            if "/" not in key and "\\" not in key:
                continue  # nearly all of them: this is asked for often
            for folder in FOLDERS:
                _, found, inner = key.replace("\\", "/").rpartition(f"/{folder}/")
                if found and module is not None:
                    parts = (identifier(part) for part in inner.split("."))
                    named.setdefault(".".join([folder, *parts]), module)
        return named

    def callbacks_of(self, event: str) -> list[Any] | None:
        """The handlers of prompts."""
        handlers = attribute_of("server", "PromptServer", "instance", f"{event}_handlers")
        return handlers if isinstance(handlers, list) else None

    def forget_what_was_computed(self) -> None:
        """It keeps the outputs of nodes."""
        queue = attribute_of("server", "PromptServer", "instance", "prompt_queue")
        if queue is not None and "nodes" in sys.modules:
            drop(queue, lambda _: True)


def drop(queue: Any, is_concerned: Callable[[Any], bool]) -> None:
    """Drop what was computed, and the nodes themselves.

    While a prompt runs, nodes of it that ran the old code may still put their outputs into the
    caches: then ComfyUI itself is told to drop them all when the prompt has ended.

    Args:
        queue: the queue of prompts.
        is_concerned: whether the entry with some key has to go.
    """
    if not queue.mutex.acquire(timeout=0.05):
        _drop_at_the_end(queue)
        return
    try:
        for executor in _executors():
            for kind in KINDS:
                _drop_from(getattr(executor.caches, kind, None), is_concerned)
        if queue.currently_running:
            _drop_at_the_end(queue)
    finally:
        queue.mutex.release()


def _executors() -> Iterator[Any]:
    """What runs the prompts: a local variable of the thread that does."""
    for frame in itertools.chain.from_iterable(all_stacks().values()):
        if frame.f_code.co_name == "prompt_worker":
            executor = frame.f_locals.get("e")
            if hasattr(executor, "caches"):
                yield executor


def _drop_from(cache: Any, is_concerned: Callable[[Any], bool]) -> None:
    entries = getattr(cache, "cache", None)
    if isinstance(entries, dict):
        for key in [*filter(is_concerned, list(entries))]:
            entries.pop(key, None)
    for inner in list((getattr(cache, "subcaches", None) or {}).values()):
        _drop_from(inner, is_concerned)


def _drop_at_the_end(queue: Any) -> None:
    queue.set_flag("unload_models", False)
    queue.set_flag("free_memory", True)
