"""Events as older Gradios keep them, recorded from A1111 1.10.1 (Gradio 3.41.2).

``tests/hosts/test_gradio_versions.py`` runs the whole of ``test_web_events.py`` on real ones.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import livepatch as lp


class Component(SimpleNamespace):
    def get_block_name(self) -> str:
        return str(self.kind)


class BlockFunction:
    """Of Gradio 3.41.2: it knows neither its triggers nor its API name."""

    def __init__(self, fn: Any, inputs: list[Component], outputs: list[Component]) -> None:
        self.fn = fn
        self.inputs, self.outputs = inputs, outputs
        self.preprocess = self.postprocess = True
        self.tracks_progress = self.inputs_as_dict = False
        self.total_runtime = self.total_runs = 0
        self.name = getattr(fn, "__name__", "fn")


class Blocks:
    __module__ = "gradio.blocks"

    def __init__(self, functions: list[BlockFunction], dependencies: list[dict[str, Any]]) -> None:
        self.fns, self.dependencies = functions, dependencies
        self.blocks = {c._id: c for f in functions for c in (*f.inputs, *f.outputs)}
        self.config = {"version": "3.41.2\n", "dependencies": dependencies}
        self.enable_queue = True


def update_token_counter(text: str, steps: int) -> str:
    return f"{len(text)}/{steps}"


def dependency(trigger: str, targets: list[int], **more: Any) -> dict[str, Any]:
    """An entry of ``demo.config["dependencies"]``, as it was recorded."""
    return {
        "targets": targets,
        "trigger": trigger,
        "inputs": [1619, 1701],
        "outputs": [1648],
        "backend_fn": True,
        "js": None,
        "queue": None,
        "api_name": None,
        "every": None,
        "batch": False,
        "cancels": [],
        "types": {"continuous": False, "generator": False},
        "collects_event_data": False,
        "trigger_after": None,
        **more,
    }


@pytest.fixture
def page() -> Blocks:
    prompt = Component(_id=1619, kind="textbox", label="Prompt")
    steps = Component(_id=1701, kind="slider", label="Sampling steps")
    counter = Component(_id=1648, kind="html", label=None)
    function = BlockFunction(update_token_counter, [prompt, steps], [counter])
    after = BlockFunction(update_token_counter, [prompt, steps], [counter])
    named = dependency("click", [1619], api_name="update_token_counter")
    return Blocks([function, after], [named, dependency("then", [])])


def test_a_trigger_is_told_beside_its_targets(page: Blocks) -> None:
    events = lp.events(page)
    assert events[0].targets == ("textbox 'Prompt'.click",)
    assert events[1].targets == ("then",)
    assert events["/update_token_counter"].index == 0
    assert "textbox 'Prompt'.click" in str(events)


def test_a_change_is_told_to_new_clients_and_taken_back(page: Blocks) -> None:
    own, fns = page.config, [function.fn for function in page.fns]

    def steps(text: str, number: int) -> Any:
        yield text

    layer = lp.events(page)[0].replace(steps)
    assert [entry["types"]["generator"] for entry in page.config["dependencies"]] == [True, False]
    muted = lp.events(page)["then"].mute()
    lp.undo()
    assert muted.state == "removed"
    layer.remove()
    assert page.config is own
    assert own["dependencies"] is page.dependencies
    assert [function.fn for function in page.fns] == fns
