"""Callbacks, hooks and extensions of the demo webui, from an ordinary notebook that started it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from kernel_support import demo_in_a_notebook

if TYPE_CHECKING:
    from pathlib import Path

GENERATE = """
import json, urllib.request
import livepatch as lp
from livepatch.demo import script_callbacks, scripts, shared
def generate():
    body = json.dumps({"prompt": "a lake", "seed": 3, "steps": 2, "width": 64, "height": 64})
    asked = urllib.request.Request(
        address + "/api/generate", body.encode(), {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(asked, timeout=30))["image"]
"""


@pytest.fixture(scope="module")
def notebook_on_demo() -> Any:
    with demo_in_a_notebook() as demo:
        answer = demo.run(GENERATE)
        assert answer.status == "ok", answer.traceback
        yield demo


@pytest.fixture
def cell(notebook_on_demo: Any) -> Any:
    """Runs a cell; answers its result or what it prints."""

    def run(code: str) -> str:
        answer = notebook_on_demo.run(code)
        assert answer.status == "ok", answer.traceback
        return "\n".join([answer.stdout, *answer.results])

    yield run
    run("lp.restore_all()")


def test_the_callbacks_of_a_generation_in_their_order(cell: Any) -> None:
    shown = cell("%callbacks")
    assert "Callbacks of demo" in shown
    assert "extension prompt-log" in shown
    cell("ran = []\ndef mine(params): ran.append(params.step)")
    assert "added mine to callbacks of step" in cell("%callbacks add step mine --index 0")
    cell("generate()")
    assert cell("ran == list(range(len(ran))) and len(ran) >= 2").strip() == "True"
    cell("%callbacks mute mine")
    assert cell("ran.clear(); generate(); ran").strip() == "[]"


def test_a_hook_muted_changes_the_picture_and_undone_gives_it_back(cell: Any) -> None:
    cell("before = generate()")
    shown = cell("%hooks")
    assert "Vignette" in shown
    assert "extension vignette" in shown
    cell("lp.hooks().mute('postprocess/Vignette')")
    assert cell("generate() == before").strip() == "False"
    cell("%undo")
    assert cell("generate() == before").strip() == "True"


def test_where_the_time_of_a_generation_goes(cell: Any) -> None:
    cell("%hooks --time")
    cell("generate()")
    shown = cell("%hooks --time --off")
    assert "postprocess/Vignette" in shown
    assert "extensions" in shown


def test_reload_of_the_scripts_leaves_what_is_muted_and_layers(cell: Any) -> None:
    cell("lp.hooks().mute('postprocess/Vignette'); muted = generate()")
    cell("lp.replace('livepatch.demo.worker.status_line', lambda: 'patched')")
    # The webui reloads, and nobody looks at its hooks: a thread of livepatch's does.
    cell(
        "import time\n"
        "own = [c for c in shared.scripts_generate.scripts if type(c).__name__ == 'Vignette'][0]\n"
        "scripts.reload_scripts()\n"
        "anew = [c for c in shared.scripts_generate.scripts if type(c).__name__ == 'Vignette'][0]\n"
        "assert type(anew) is not type(own)\n"
        "end = time.monotonic() + 20\n"
        "while 'postprocess' in vars(type(anew)) and time.monotonic() < end: time.sleep(0.02)"
    )
    assert cell("generate() == muted").strip() == "True"
    assert "'off'" in cell("lp.hooks()['postprocess']['Vignette'].state")
    assert "active" in cell("%patches")
    cell("lp.restore_all()")
    assert cell("generate() == muted").strip() == "False"


def test_an_extension_is_loaded_into_the_running_demo(cell: Any, tmp_path: Path) -> None:
    folder = tmp_path / "brighter"
    (folder / "scripts").mkdir(parents=True)
    script = folder / "scripts" / "brighter.py"
    script.write_text(
        "from livepatch.demo import scripts\n"
        "class Brighter(scripts.Script):\n"
        "    def postprocess(self, p, result):\n"
        "        result.image = result.image.point(lambda value: 255 - value)\n"
    )
    cell("before = generate()")
    assert "loaded brighter · 1 script" in cell(f"%extensions load {folder}")
    assert cell("generate() == before").strip() == "False"
    assert "extension brighter" in cell("%hooks postprocess")
    assert "unloaded brighter" in cell("%extensions unload brighter")
    assert cell("generate() == before").strip() == "True"


def test_what_runs_is_told(cell: Any) -> None:
    told = dict(
        json.loads(cell("print(json.dumps(list(get_ipython().run_line_magic('webui', ''))))"))
    )
    assert told["flavor"] == "demo"
    assert told["running"] == "nothing"
    assert told["queue"] == "empty"
    assert "vignette" in cell("%extensions")
