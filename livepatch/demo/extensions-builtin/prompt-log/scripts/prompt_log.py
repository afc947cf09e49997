"""Remembers the last prompts in memory and shows them in a tab."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import gradio as gr

from livepatch.demo import script_callbacks

if TYPE_CHECKING:
    from livepatch.demo.processing import Processed, Processing
    from livepatch.demo.script_callbacks import StepParams

prompts: deque[list[str]] = deque(maxlen=50)
last_step = (0, 0)


def describe(p: Processing, result: Processed) -> list[str]:
    """One row of the table."""
    return [p.prompt, str(result.seed), str(p.steps)]


def note_step(params: StepParams) -> None:
    """Remember how far the sampler is."""
    global last_step
    last_step = (params.step + 1, params.steps)


def log_prompt(p: Processing, result: Processed) -> None:
    """Keep the prompt of a finished generation."""
    prompts.appendleft(describe(p, result))


def log_tab() -> list[tuple[gr.Blocks, str, str]]:
    """The tab with the prompts."""
    with gr.Blocks(analytics_enabled=False) as tab:
        refresh = gr.Button("Refresh", size="sm")
        table = gr.Dataframe(headers=["prompt", "seed", "steps"], interactive=False)
        refresh.click(lambda: list(prompts), outputs=table, api_name="prompt_log")
    return [(tab, "Prompt log", "prompt_log")]


script_callbacks.on_step(note_step)
script_callbacks.on_after_generate(log_prompt)
script_callbacks.on_ui_tabs(log_tab)
script_callbacks.on_script_unloaded(prompts.clear, name="clear_prompts")
