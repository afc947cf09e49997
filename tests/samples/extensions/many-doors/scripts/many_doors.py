"""Gives the webui one function in five ways: by a name of another module's, as a route, as a Gradio
event, as a callback, and to a thread that runs from now on.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import doors
import doors_user
import gradio as gr

from livepatch.demo import script_callbacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

questions: queue.SimpleQueue[None] = queue.SimpleQueue()
answers: queue.SimpleQueue[str] = queue.SimpleQueue()


def answer_questions(held: Callable[[], str]) -> None:
    while True:
        questions.get()
        answers.put(held())


def ask_the_thread() -> str:
    questions.put(None)
    return answers.get(timeout=10)


def add_routes(demo: gr.Blocks, app: FastAPI) -> None:
    routes = {"from-import": doors_user.call, "route": doors.answer, "thread": ask_the_thread}
    for name, function in routes.items():
        app.add_api_route(f"/doors/{name}", function)
        app.router.routes.insert(0, app.router.routes.pop())  # before the page, which is on "/"


def add_tab() -> list[tuple[gr.Blocks, str, str]]:
    with gr.Blocks(analytics_enabled=False) as tab:
        gr.Button("Ask").click(doors.answer, outputs=gr.Textbox(), api_name="door")
    return [(tab, "Doors", "doors")]


threading.Thread(target=answer_questions, args=(doors.answer,), daemon=True).start()
script_callbacks.on_before_generate(doors.answer)
script_callbacks.on_app_started(add_routes)
script_callbacks.on_ui_tabs(add_tab)
