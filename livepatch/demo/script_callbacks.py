"""The registry of callbacks: extensions register functions for the events of the webui.

An extension writes, at the top level of its script::

    from livepatch.demo import script_callbacks

    def remember(params):
        print(params.step, "of", params.steps)

    script_callbacks.on_step(remember)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import gradio
    import numpy as np
    from fastapi import FastAPI
    from numpy.typing import NDArray
    from PIL.Image import Image

    from .processing import Processed, Processing


@dataclass
class StepParams:
    """One step of the sampler; a callback may put another ``latent`` in its place."""

    p: Processing
    latent: NDArray[np.float32]
    step: int
    steps: int


@dataclass
class ImageSaveParams:
    """An image that was written to disk."""

    image: Image
    p: Processing
    filename: Path
    info: str


@dataclass
class ScriptCallback:
    """A registered callback and the script file it came from."""

    script: str
    callback: Callable[..., Any]
    name: str


EVENTS = (
    "app_started",
    "before_generate",
    "step",
    "after_generate",
    "image_saved",
    "ui_tabs",
    "script_unloaded",
)

callback_map: dict[str, list[ScriptCallback]] = {f"callbacks_{event}": [] for event in EVENTS}


def add_callback(event: str, callback: Callable[..., Any], name: str | None) -> None:
    """Append a callback to the list of an event, under the file that registers it."""
    caller = sys._getframe(2).f_code.co_filename
    label = name or str(getattr(callback, "__name__", "callback"))
    callback_map[f"callbacks_{event}"].append(ScriptCallback(caller, callback, label))


def clear_callbacks() -> None:
    """Forget every callback."""
    for callbacks in callback_map.values():
        callbacks.clear()


def remove_callbacks_for_function(callback: Callable[..., Any]) -> None:
    """Take one function out of every event it was registered for."""
    for callbacks in callback_map.values():
        callbacks[:] = [entry for entry in callbacks if entry.callback is not callback]


def run_callbacks(event: str, *args: Any, backwards: bool = False) -> Iterator[Any]:
    """Call the callbacks of an event in their order; one that raises is reported and skipped."""
    entries = list(callback_map[f"callbacks_{event}"])
    for entry in reversed(entries) if backwards else entries:
        yield call_entry(event, entry, args)


def call_entry(event: str, entry: ScriptCallback, args: tuple[Any, ...]) -> Any:
    """Call one callback; None when it raises."""
    try:
        return entry.callback(*args)
    except Exception:
        errors.report(f"Error executing callback {event} {entry.name} for {entry.script}")
        return None


def app_started_callback(demo: gradio.Blocks, app: FastAPI) -> None:
    """The page and the app exist; the server is about to answer."""
    list(run_callbacks("app_started", demo, app))


def before_generate_callback(p: Processing) -> None:
    """A generation begins."""
    list(run_callbacks("before_generate", p))


def step_callback(params: StepParams) -> None:
    """The sampler has made a step."""
    list(run_callbacks("step", params))


def after_generate_callback(p: Processing, result: Processed) -> None:
    """A generation is complete, its image not yet saved."""
    list(run_callbacks("after_generate", p, result))


def image_saved_callback(params: ImageSaveParams) -> None:
    """An image was written to disk."""
    list(run_callbacks("image_saved", params))


def ui_tabs_callback() -> list[tuple[gradio.Blocks, str, str]]:
    """The tabs that extensions want on the page: (blocks, title, element id) each."""
    return [tab for tabs in run_callbacks("ui_tabs") for tab in tabs or ()]


def script_unloaded_callback() -> None:
    """The scripts are about to be loaded again; last registered, first told."""
    list(run_callbacks("script_unloaded", backwards=True))


def on_app_started(callback: Callable[..., Any], *, name: str | None = None) -> None:
    """Register ``callback(demo, app)``: called once the page and the FastAPI app exist."""
    add_callback("app_started", callback, name)


def on_before_generate(callback: Callable[..., Any], *, name: str | None = None) -> None:
    """Register ``callback(p)``: called before each generation; it may change ``p``."""
    add_callback("before_generate", callback, name)


def on_step(callback: Callable[..., Any], *, name: str | None = None) -> None:
    """Register ``callback(params)``: called with :class:`StepParams` after each step."""
    add_callback("step", callback, name)


def on_after_generate(callback: Callable[..., Any], *, name: str | None = None) -> None:
    """Register ``callback(p, result)``: called after each generation; it may change ``result``."""
    add_callback("after_generate", callback, name)


def on_image_saved(callback: Callable[..., Any], *, name: str | None = None) -> None:
    """Register ``callback(params)``: called with :class:`ImageSaveParams` for each saved file."""
    add_callback("image_saved", callback, name)


def on_ui_tabs(callback: Callable[..., Any], *, name: str | None = None) -> None:
    """Register ``callback()``: it answers a list of (blocks, title, element id)."""
    add_callback("ui_tabs", callback, name)


def on_script_unloaded(callback: Callable[..., Any], *, name: str | None = None) -> None:
    """Register ``callback()``: called before the scripts are loaded again."""
    add_callback("script_unloaded", callback, name)
