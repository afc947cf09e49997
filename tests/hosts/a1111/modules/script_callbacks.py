"""The registry of callbacks: lists by event, and an order that is worked out once and kept."""

import dataclasses
import inspect
import os
from graphlib import TopologicalSorter
from typing import Any

from modules import errors, extensions, shared

EVENTS = (
    *("app_started", "model_loaded", "ui_tabs", "ui_train_tabs", "ui_settings"),
    *("before_image_saved", "image_saved", "extra_noise", "cfg_denoiser", "cfg_denoised"),
    *("cfg_after_cfg", "before_component", "after_component", "image_grid", "infotext_pasted"),
    *("script_unloaded", "before_ui", "on_reload", "list_optimizers", "list_unets"),
    "before_token_counter",
)


class ImageSaveParams:
    def __init__(self, image, p, filename, pnginfo):
        self.image, self.p, self.filename, self.pnginfo = image, p, filename, pnginfo


class CFGDenoiserParams:
    def __init__(self, x, sampling_step, total_sampling_steps):
        self.x, self.sampling_step = x, sampling_step
        self.total_sampling_steps = total_sampling_steps


@dataclasses.dataclass
class ScriptCallback:
    script: str
    callback: Any
    name: str = "unnamed"


callback_map = {f"callbacks_{event}": [] for event in EVENTS}
ordered_callbacks_map = {}


def add_callback(callbacks, fun, *, name=None, category="unknown", filename=None):
    if filename is None:
        filename = next(f.filename for f in inspect.stack() if f.filename != __file__)
    extension = extensions.find_extension(filename)
    owner = extension.canonical_name if extension else "base"
    label = f"{owner}/{os.path.basename(filename)}/{category}" + (f"/{name}" if name else "")
    taken, number, unique = {c.name for c in callbacks}, 0, label
    while unique in taken:
        number += 1
        unique = f"{label}-{number}"
    callbacks.append(ScriptCallback(filename, fun, unique))


def sort_callbacks(category, unordered_callbacks, *, enable_user_sort=True):
    callbacks = list(unordered_callbacks)
    by_name = {c.name: c for c in callbacks}
    asked = [
        order
        for extension in extensions.extensions
        for order in extension.metadata.list_callback_order_instructions()
        if order.name in by_name
    ]
    if asked:
        after = {name: [] for name in by_name}
        for order in asked:
            after[order.name] += [name for name in order.after if name in by_name]
            for name in order.before:
                if name in by_name:
                    after[name].append(order.name)
        callbacks = [by_name[name] for name in TopologicalSorter(after).static_order()]
    if enable_user_sort:
        for name in reversed(getattr(shared.opts, f"prioritized_callbacks_{category}", [])):
            found = next((c for c in callbacks if c.name == name), None)
            if found is not None:
                callbacks.remove(found)
                callbacks.insert(0, found)
    return callbacks


def ordered_callbacks(category, unordered_callbacks=None, *, enable_user_sort=True):
    if unordered_callbacks is None:
        unordered_callbacks = callback_map.get(f"callbacks_{category}", [])
    if not enable_user_sort:
        return sort_callbacks(category, unordered_callbacks, enable_user_sort=False)
    known = ordered_callbacks_map.get(category)
    if known is not None and len(known) == len(unordered_callbacks):
        return known
    ordered_callbacks_map[category] = sort_callbacks(category, unordered_callbacks)
    return ordered_callbacks_map[category]


def run(event, *args, backwards=False):
    entries = ordered_callbacks(event)
    for entry in reversed(entries) if backwards else entries:
        try:
            entry.callback(*args)
        except Exception:
            errors.report(f"Error executing callback {event} for {entry.script}", exc_info=True)


def clear_callbacks():
    for callbacks in callback_map.values():
        callbacks.clear()
    ordered_callbacks_map.clear()


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
    for callbacks in [*callback_map.values(), *ordered_callbacks_map.values()]:
        callbacks[:] = [entry for entry in callbacks if entry.callback != callback_func]


def registrar(event):
    def register(callback, *, name=None):
        add_callback(callback_map[f"callbacks_{event}"], callback, name=name, category=event)

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
