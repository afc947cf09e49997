"""AUTOMATIC1111's stable-diffusion-webui; its forks differ in a few answers."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from livepatch.adapters.base import WEBUI
from livepatch.adapters.gradio import GradioHost
from livepatch.adapters.runtime import attribute_of

from .a1111_family import stores
from .a1111_family.checkout import scripts_checkout
from .a1111_family.layout import ScriptsLayout
from .a1111_family.loader import ScriptsLoader
from .a1111_family.runtime import NAMES, ScriptsRuntime, forget_methods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from livepatch.adapters.loader import Loader
    from livepatch.engine.changing.change import Change
    from livepatch.registries import Extension, Store

CALLBACKS = "modules.script_callbacks"
SCRIPTS = "modules.scripts"


class A1111Host(GradioHost):
    """The webui of AUTOMATIC1111, and what its forks have kept of it."""

    flavor = "a1111"
    specificity = WEBUI
    module = CALLBACKS
    api_only = True
    names = NAMES
    runtime = ScriptsRuntime()
    layout = ScriptsLayout()
    checkout = scripts_checkout("launch.py", "modules/script_callbacks.py")

    methods: ClassVar[tuple[str, ...]] = (
        *("setup", "before_process", "process", "before_process_batch"),
        *("after_extra_networks_activate", "process_batch", "before_process_init_images"),
        *("process_before_every_sampling", "before_hr", "on_mask_blend", "post_sample"),
        *("postprocess_batch", "postprocess_batch_list", "postprocess_image"),
        *("postprocess_maskoverlay", "postprocess_image_after_composite", "postprocess"),
        *("before_component", "after_component"),
    )
    """The methods of scripts in the order of a generation; those that make the page come last."""

    backwards: ClassVar[frozenset[str]] = frozenset({"script_unloaded", "before_ui"})
    walked: ClassVar[bool] = True
    """Whether it walks along the lists of callbacks themselves, where it does not sort them."""

    runner_names: ClassVar[tuple[str, ...]] = ("scripts_txt2img", "scripts_img2img")
    hook_note: ClassVar[str] = ""

    @classmethod
    def is_detected(cls) -> bool:
        """The registry of callbacks is loaded, and no module that only a fork has."""
        return is_of_the_family() and not _is_a_fork()

    @property
    def extension_folder(self) -> Path | None:
        """Where it looks for extensions."""
        folder = attribute_of("modules.paths_internal", "extensions_dir") or attribute_of(
            "modules.paths", "extensions_dir"
        )
        return Path(str(folder)).absolute() if folder else None

    def export_folder(self, *, single_file: bool) -> Path | None:
        """The folder of extensions; of a single file that of scripts."""
        root = attribute_of("modules.paths_internal", "script_path") or attribute_of(
            "modules.paths", "script_path"
        )
        if single_file and root:
            return Path(str(root)).absolute() / "scripts"
        return self.extension_folder

    def is_idle(self) -> bool | None:
        """Whether the lock that serialises generations is free."""
        lock = attribute_of("modules.call_queue", "queue_lock")
        locked = getattr(getattr(lock, "_lock", lock), "locked", None)
        return None if locked is None else not locked()

    def running(self) -> str | None:
        """The job of ``shared.state``, and how far it is."""
        state = attribute_of("modules.shared", "state")
        job = getattr(state, "job", None)
        if job is None:
            return None
        steps, step = getattr(state, "sampling_steps", 0), getattr(state, "sampling_step", 0)
        return f"{job}, step {step} of {steps}" if job and steps else str(job)

    def waiting(self) -> int | None:
        """The tasks of the page that wait, and the threads that wait for the lock."""
        tasks = attribute_of("modules.progress", "pending_tasks")
        threads = attribute_of("modules.call_queue", "queue_lock", "_pending_threads")
        told = [len(known) for known in (tasks, threads) if known is not None]
        return max(told) if told else None

    def interrupt(self) -> str:
        """Have the webui's own state interrupted, as its button does."""
        interrupt = attribute_of("modules.shared", "state", "interrupt")
        if interrupt is None:
            return super().interrupt()
        interrupt()
        return "shared.state.interrupt() was called"

    def callback_stores(self) -> Sequence[Store]:
        """The events of ``script_callbacks``."""
        return stores.callback_stores(
            CALLBACKS, self.backwards, walked=self.walked, built=self.built
        )

    def built(self) -> object:
        """What it makes last when it builds its page: the times that this took."""
        return attribute_of("modules.timer", "startup_record")

    def hook_stores(self) -> Sequence[Store]:
        """The methods of the scripts, then the forward hooks of the model."""
        scripts = sys.modules.get(SCRIPTS)
        base = attribute_of(SCRIPTS, "Script")
        own: list[Store] = []
        if scripts is not None and base is not None:
            own = [
                stores.ScriptMethodStore(
                    method, scripts, self.runners, partial(self._classes, method), self.hook_note
                )
                for method in self.methods
                if hasattr(base, method)
            ]
        return [*own, *super().hook_stores()]

    def runners(self) -> list[Any]:
        """The objects that call the scripts' methods: one for each page."""
        found = (attribute_of(SCRIPTS, name) for name in self.runner_names)
        return [runner for runner in found if runner is not None]

    def _classes(self, method: str) -> dict[str, Any]:
        return stores.script_classes(self.runners(), method)

    def models(self) -> Mapping[str, Any]:
        """The model that is loaded."""
        # Not shared.sd_model: to read that one loads a model.
        data = attribute_of("modules.sd_models", "model_data")
        model = vars(data).get("sd_model") if hasattr(data, "__dict__") else None
        return {"sd_model": model} if model is not None else {}

    def extensions(self) -> Sequence[Extension]:
        """What ``modules.extensions`` lists."""
        return stores.extensions_of("modules.extensions", self.modules())

    def loader(self) -> Loader | None:
        """Executes the scripts of an extension as its start does."""
        return ScriptsLoader(self)

    def start_times(self) -> Mapping[str, float]:
        """What the webui itself recorded of each script; SD.Next of each callback."""
        records = attribute_of("modules.timer", "startup_record")
        told = records.get("records") if isinstance(records, dict) else None
        timers = attribute_of(CALLBACKS, "timers")
        seconds = {**(told or {}), **(timers if isinstance(timers, dict) else {})}
        return stores.start_times(self.extensions(), seconds)

    def switched_off(self) -> Mapping[str, str]:
        """Those off in the list of extensions, which still run, and those off by their setting."""
        opts = attribute_of("modules.shared", "opts")
        return stores.switched_off(
            [e.name for e in self.extensions()],
            list(getattr(opts, "disabled_extensions", None) or ()),
            getattr(opts, "data", None) or {},
        )

    def after_commit(self, changes: Sequence[Change]) -> None:  # noqa: ARG002
        """A class may have a method now that it lacked, or lack it again."""
        forget_methods(self.runners())


def is_of_the_family() -> bool:
    """Whether this process has the registry that A1111 and its forks share."""
    return attribute_of(CALLBACKS, "callback_map") is not None


def _is_a_fork() -> bool:
    sdnext = {"installer", "modules.loader"} <= set(sys.modules)
    return sdnext or "modules_forge" in sys.modules
