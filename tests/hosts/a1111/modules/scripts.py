"""Script classes, and the loading of the files that define them."""

import os
import sys
from collections import namedtuple

from modules import errors, extensions, script_callbacks, script_loading
from modules.script_runner import ScriptRunner

AlwaysVisible = object()
METHODS = (
    *("setup", "before_process", "process", "before_process_batch"),
    *("after_extra_networks_activate", "process_batch", "process_before_every_sampling"),
    *("before_hr", "on_mask_blend", "post_sample", "postprocess_batch", "postprocess_batch_list"),
    *("postprocess_image", "postprocess_maskoverlay", "postprocess_image_after_composite"),
    *("postprocess", "before_component", "after_component"),
)
ScriptClassData = namedtuple("ScriptClassData", ["script_class", "path", "basedir", "module"])
scripts_data = []
current_basedir = None
scripts_txt2img = None
scripts_img2img = None
scripts_control = None  # SD.Next's third page


class Script:
    filename = None
    args_from = None
    args_to = None
    alwayson = False

    def title(self):
        raise NotImplementedError

    def ui(self, is_img2img):
        pass

    def show(self, is_img2img):
        return True


def _nothing(name):
    def method(self, *args, **kwargs):
        pass

    method.__name__, method.__qualname__ = name, f"Script.{name}"
    return method


for _name in METHODS:
    setattr(Script, _name, _nothing(_name))


def load_scripts():
    global current_basedir
    scripts_data.clear()
    getattr(script_loading, "loaded_scripts", {}).clear()
    script_callbacks.clear_callbacks()
    for extension in extensions.active():
        for path in extension.list_files("scripts", ".py"):
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
    for runner in runners:
        runner.initialize_scripts(runner is scripts_img2img)


def basedir():
    return current_basedir
