"""Script classes, and the loading of the files that define them."""

import os
import sys
import time
from collections import namedtuple

from modules import errors, extensions, script_callbacks, script_loading
from modules.script_places import UNDRAWN
from modules.script_runner import ScriptRunner

AlwaysVisible = object()
METHODS = (
    *("setup(p, *args)", "before_process(p, *args)", "process(p, *args)"),
    *("before_process_batch(p, *args, **kwargs)", "process_batch(p, *args, **kwargs)"),
    "after_extra_networks_activate(p, *args, **kwargs)",
    *("process_before_every_sampling(p, *args, **kwargs)", "before_hr(p, *args)"),
    *("on_mask_blend(p, mba, *args)", "post_sample(p, ps, *args)"),
    *("postprocess_batch(p, *args, **kwargs)", "postprocess_batch_list(p, pp, *args, **kwargs)"),
    *("postprocess_image(p, pp, *args)", "postprocess_maskoverlay(p, ppmo, *args)"),
    *("postprocess_image_after_composite(p, pp, *args)", "postprocess(p, processed, *args)"),
    *("before_component(component, **kwargs)", "after_component(component, **kwargs)"),
)
"""The methods of scripts: what they take before and after the values of their controls."""
ScriptClassData = namedtuple("ScriptClassData", ["script_class", "path", "basedir", "module"])
scripts_data = []
current_basedir = None
scripts_txt2img = None
scripts_img2img = None
scripts_control = None  # SD.Next's third page


class Script:
    name = None
    filename = None
    args_from = UNDRAWN
    args_to = UNDRAWN
    alwayson = False

    def title(self):
        raise NotImplementedError

    def ui(self, is_img2img):
        pass

    def show(self, is_img2img):
        return True


def _nothing(signature):
    names = {}
    exec(f"def {signature.replace('(', '(self, ', 1)}: pass", names)
    name, method = names.popitem()
    method.__module__, method.__qualname__ = __name__, f"Script.{name}"
    return name, method


for _signature in METHODS:
    setattr(Script, *_nothing(_signature))


def load_scripts():
    global current_basedir
    scripts_data.clear()
    getattr(script_loading, "loaded_scripts", {}).clear()
    script_callbacks.clear_callbacks()
    for extension in extensions.active():
        for path in extension.list_files("scripts", ".py"):
            if scripts_txt2img is not None:  # a reload: real ones take seconds, with pauses
                time.sleep(0.4)
            before, current_basedir = sys.path, extension.path
            sys.path = [extension.path, *sys.path]
            try:
                register_scripts_from_module(script_loading.load_module(path), path)
            except Exception:
                errors.report(f"Error loading script: {os.path.basename(path)}", exc_info=True)
            finally:
                sys.path, current_basedir = before, None
    create_runners()


def register_scripts_from_module(module, path):
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    scripts_data.extend(
        ScriptClassData(cls, path, current_basedir, module)
        for cls in classes
        if issubclass(cls, Script)
    )


def create_runners():
    global scripts_txt2img, scripts_img2img, scripts_control
    runners = [ScriptRunner(), ScriptRunner(), ScriptRunner()]
    scripts_txt2img, scripts_img2img, scripts_control = runners
    scripts_control.name = "control"


def basedir():
    return current_basedir
