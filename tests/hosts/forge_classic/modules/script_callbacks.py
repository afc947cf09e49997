"""The older registry: lists by event, called in the order of the lists, entries without names."""

import inspect
from collections import namedtuple

from modules import errors
from modules.script_events import EVENTS

ScriptCallback = namedtuple("ScriptCallback", ["script", "callback"])
callback_map = {f"callbacks_{event}": [] for event in EVENTS}


class ImageSaveParams:
    def __init__(self, image, p, filename, pnginfo):
        self.image, self.p, self.filename, self.pnginfo = image, p, filename, pnginfo


class CFGDenoiserParams:
    def __init__(self, x, sampling_step, total_sampling_steps):
        self.x, self.sampling_step = x, sampling_step
        self.total_sampling_steps = total_sampling_steps


def run(event, *args, backwards=False):
    entries = callback_map[f"callbacks_{event}"]
    for entry in reversed(entries) if backwards else entries:
        try:
            entry.callback(*args)
        except Exception:
            errors.report(f"Error executing callback {event} for {entry.script}", exc_info=True)


def clear_callbacks():
    for callbacks in callback_map.values():
        callbacks.clear()


def app_started_callback(demo, app):
    run("app_started", demo, app)


def app_reload_callback():
    run("on_reload")


def before_image_saved_callback(params):
    run("before_image_saved", params)


def image_saved_callback(params):
    run("image_saved", params)


def cfg_denoiser_callback(params):
    run("cfg_denoiser", params)


def script_unloaded_callback():
    run("script_unloaded", backwards=True)


def before_ui_callback():
    run("before_ui", backwards=True)


def remove_callbacks_for_function(callback_func):
    for callbacks in callback_map.values():
        callbacks[:] = [entry for entry in callbacks if entry.callback != callback_func]


def registrar(event):
    def register(callback):
        stack = [frame for frame in inspect.stack() if frame.filename != __file__]
        entry = ScriptCallback(stack[0].filename, callback)
        callback_map[f"callbacks_{event}"].append(entry)

    return register


on_app_started = registrar("app_started")
on_before_reload = registrar("on_reload")
on_before_image_saved = registrar("before_image_saved")
on_image_saved = registrar("image_saved")
on_cfg_denoiser = registrar("cfg_denoiser")
on_script_unloaded = registrar("script_unloaded")
on_before_ui = registrar("before_ui")
on_ui_tabs = registrar("ui_tabs")
on_model_loaded = registrar("model_loaded")
