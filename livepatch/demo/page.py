"""The page: pictures, completions, extensions, and the tabs that extensions add."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator  # noqa: TC003 - Gradio 5 evaluates a handler's annotations
from typing import TYPE_CHECKING, Any

from PIL.Image import Image  # noqa: TC002 - likewise

# Before the import: Gradio reads it there and must not phone home.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from . import extensions, script_callbacks
from .processing import Processing
from .scripts import reload_scripts
from .text import generate as generate_text
from .worker import generate_queued, generation_queue

if TYPE_CHECKING:
    from fastapi import FastAPI

EXAMPLE = "a garden of machines by the sea at dusk"

CSS = """
.gradio-container {
  width: 100% !important; max-width: 1120px !important; margin: 0 auto !important;
}
#headline h1 { font-weight: 650; letter-spacing: -0.02em; margin-bottom: 0.1rem; }
#headline p { color: var(--body-text-color-subdued); margin-top: 0; }
#info textarea { font-family: var(--font-mono); font-size: 0.85em; }
"""


def generate_image(
    prompt: str, steps: float, seed: float, width: float = 512, height: float = 512
) -> tuple[Image, str]:
    """The Generate button."""
    try:
        p = Processing(prompt, int(steps), int(seed), int(width), int(height))
    except ValueError as error:
        raise gr.Error(str(error)) from error
    result = generate_queued(p)
    return result.image, result.info


def complete_text(prompt: str, max_tokens: float, seed: float) -> Iterator[str]:
    """The Complete button: the text grows word by word."""
    written = prompt
    for piece in generate_text(prompt, int(max_tokens), int(seed)):
        written += piece
        yield written


def list_extensions() -> list[list[str]]:
    """The rows of the table of extensions."""
    return [
        [
            extension.name,
            extension.version,
            "on" if extension.enabled else "off",
            extension.description,
        ]
        for extension in extensions.extensions
    ]


def reload_and_list() -> list[list[str]]:
    """The Reload button."""
    generation_queue.submit("reload scripts", reload_scripts).result()
    return list_extensions()


def create_page() -> gr.Blocks:
    """Build the page."""
    extension_tabs = script_callbacks.ui_tabs_callback()
    page: gr.Blocks
    with gr.Blocks(title="Greenhouse", analytics_enabled=False, **_looks(gr.Blocks)) as page:
        gr.Markdown(
            "# Greenhouse\nPictures and prose from a prompt and a seed.", elem_id="headline"
        )
        with gr.Tabs():
            with gr.Tab("Picture", id="picture"):
                _picture_tab()
            with gr.Tab("Completion", id="completion"):
                _completion_tab()
            for blocks, title, element in extension_tabs:
                with gr.Tab(title, elem_id=f"tab_{element}"):
                    blocks.render()  # type: ignore[no-untyped-call]
            with gr.Tab("Extensions", id="extensions"):
                _extensions_tab()
    return page


def mount(app: FastAPI, page: gr.Blocks) -> None:
    """Put the page on the app's root."""
    gr.mount_gradio_app(app, page, path="/", **_looks(gr.mount_gradio_app))


def _picture_tab() -> None:
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            prompt = gr.Textbox(EXAMPLE, label="Prompt", lines=3, elem_id="prompt")
            steps = gr.Slider(1, 60, 20, step=1, label="Steps", elem_id="steps")
            seed = gr.Number(7, label="Seed", info="-1 for any", precision=0, elem_id="seed")
            with gr.Row():
                width = gr.Slider(256, 1024, 512, step=64, label="Width")
                height = gr.Slider(256, 1024, 512, step=64, label="Height")
            button = gr.Button("Generate", variant="primary", elem_id="generate")
        with gr.Column(scale=5, min_width=320):
            image = gr.Image(label="Picture", type="pil", format="png", elem_id="image")
            info = gr.Textbox(label="Info", lines=2, interactive=False, elem_id="info")
    inputs = [prompt, steps, seed, width, height]
    button.click(generate_image, inputs, [image, info], api_name="generate")
    prompt.submit(generate_image, inputs, [image, info], **_private())


def _completion_tab() -> None:
    text = gr.Textbox("The gardener opened", label="Text", lines=10, elem_id="text")
    with gr.Row():
        tokens = gr.Slider(1, 300, 80, step=1, label="Tokens")
        seed = gr.Number(7, label="Seed", precision=0)
    button = gr.Button("Complete", variant="primary", elem_id="complete")
    button.click(complete_text, [text, tokens, seed], text, api_name="complete")


def _extensions_tab() -> None:
    headers = ["extension", "version", "state", "description"]
    table = gr.Dataframe(list_extensions, headers=headers, interactive=False)
    button = gr.Button("Reload scripts", elem_id="reload_scripts")
    button.click(reload_and_list, outputs=table, api_name="reload_scripts")


def _looks(function: Any) -> dict[str, Any]:
    """Theme and style where this Gradio takes them: Blocks until 5, mounting since 6."""
    theme = gr.themes.Soft(
        primary_hue="emerald",
        neutral_hue="slate",
        font=["system-ui", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    looks = {"theme": theme, "css": CSS}
    return {name: value for name, value in looks.items() if name in _parameters(function)}


def _private() -> dict[str, Any]:
    """Keeps an event out of the public API: a flag until Gradio 5, a word since 6."""
    if "api_visibility" in _parameters(gr.Textbox.submit):
        return {"api_visibility": "private"}
    return {"show_api": False, "api_name": False}


def _parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)
