"""What is done to a node of ComfyUI holds over a reload of its pack, and its queue lives on.

A node can only be replaced, by its type or by its function's name. Every combination with who loads
the pack anew (its file edited before) and with the way back: prompts run before, during and after,
and afterwards the class is as a fresh one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from running import Webui, started, webuis_of
from test_contract_comfyui import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MORE = """
import asyncio, types
from pathlib import Path

def write(text):
    (folder / "__init__.py").write_text(text)

counter = iter(range(1, 10_000))

def said():
    # ComfyUI keeps nodes by their number, and outputs by what goes in.
    color = next(counter)
    number = f"probe {color}"
    inputs = {**PROMPT["1"]["inputs"], "color": color}
    prompt = {"1": {**PROMPT["1"], "inputs": inputs},
              number: {"class_type": "Probe", "inputs": {"image": ["1", 0]}},
              "3": {"class_type": "SaveImage",
                    "inputs": {"images": [number, 0], "filename_prefix": "contract"}}}
    ended = wait(start(prompt))
    return ended["status"]["status_str"], round(value(ended) / 51) if ended["outputs"] else None

def is_fresh():
    fresh = types.ModuleType("fresh")
    exec(compile((folder / "__init__.py").read_text(), "fresh", "exec"), vars(fresh))
    codes = [{n: v.__code__ for n, v in vars(cls).items() if hasattr(v, "__code__")}
             for cls in (nodes.NODE_CLASS_MAPPINGS["Probe"], fresh.Probe)]
    return codes[0] == codes[1]

def answer(number):
    def tell(self, image):
        value = number / 5
        return ([value for _ in image] if isinstance(image, list) else image * 0 + value,)
    return tell

def asked(call):
    end = time.monotonic() + 20
    while not call() and time.monotonic() < end:
        time.sleep(0.02)
    return call()

def by_type():
    lp.hooks().replace("FUNCTION/Probe", answer(4))
def by_name():
    lp.replace(nodes.NODE_CLASS_MAPPINGS["Probe"].tell, answer(4))

def by_us():
    lp.extensions().reload("probe_pack")
def by_webui():  # as those packs do it that load others anew
    loaded = sys.modules.get("__main__").__dict__.get("load_custom_node") or nodes.load_custom_node
    done = loaded(str(folder), module_parent="custom_nodes")
    if asyncio.iscoroutine(done):
        failed = []
        def run():
            asyncio.run(done)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
def of_file():
    module = sys.modules[nodes.NODE_CLASS_MAPPINGS["Probe"].__module__]
    exec(compile((folder / "__init__.py").read_text(), module.__file__, "exec"), vars(module))
    nodes.NODE_CLASS_MAPPINGS.update(module.NODE_CLASS_MAPPINGS)

def restore():
    lp.restore_all()
def undo():
    for _ in range(4):
        if [layer for layer in lp.patches() if layer.verb != "load"]:
            lp.undo()
def detach():
    get_ipython().run_line_magic("unload_ext", "livepatch")
    get_ipython().run_line_magic("load_ext", "livepatch")
"""
TEXT = """
class Probe:
    CATEGORY, FUNCTION, RETURN_TYPES = "probe", "tell", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"image": ("IMAGE",)}}}}

    def tell(self, image):
        value = {number} / 5
        return ([value for _ in image] if isinstance(image, list) else image * 0 + value,)

NODE_CLASS_MAPPINGS = {{"Probe": Probe}}
"""


@pytest.fixture(scope="module", params=webuis_of("comfyui"))
def running(request: pytest.FixtureRequest) -> Iterator[Webui]:
    yield from started(request.param, BEGIN + MORE)


@pytest.fixture
def webui(running: Webui, tmp_path: Path) -> Iterator[Webui]:
    folder = tmp_path / "probe_pack"
    folder.mkdir()
    running.run(f"folder = Path({str(folder)!r}); write({TEXT.format(number=1)!r}); by_webui()")
    yield running
    running.run(
        """
        lp.restore_all()
        nodes.NODE_CLASS_MAPPINGS.pop("Probe", None)
        nodes.LOADED_MODULE_DIRS.pop("probe_pack", None)
        for name in [n for n in sys.modules if "probe_pack" in n]:
            del sys.modules[name]
        """
    )


@pytest.mark.parametrize("back", ["restore", "undo", "detach"])
@pytest.mark.parametrize("reload", ["by_us", "by_webui", "of_file"])
@pytest.mark.parametrize("change", ["by_name", "by_type"])
def test_a_replaced_node_holds_over_a_reload_and_ends(
    webui: Webui, change: str, reload: str, back: str
) -> None:
    assert webui.run("said()") == ("success", 1)
    webui.run(f"{change}()")
    assert webui.run("said()") == ("success", 4)
    webui.run(f"write({TEXT.format(number=2)!r}); {reload}()")
    if change == "by_name" and reload != "of_file":  # it lies on code that is there no more
        assert webui.run("said()") == ("success", 2)
        assert "stale" in webui.shows("%patches")
    else:
        webui.run("asked(lambda: said() == ('success', 4))")
        assert webui.run("said()") == ("success", 4)
        assert "stale" not in webui.shows("%patches")
    webui.run(f"{back}()")
    after = webui.run("said()")
    assert after in (("success", 1), ("success", 2))
    if reload == "by_us":  # a step of ours as well: the class from before it is back
        webui.run("by_webui()")
    assert webui.run("said(), is_fresh()") == (("success", 2), True)
    assert webui.run("[layer for layer in lp.patches() if layer.verb != 'load']") == []


def test_a_node_that_has_lost_its_function_runs_no_prompt_and_ends_nothing(webui: Webui) -> None:
    webui.run("by_type()")
    text = TEXT.format(number=2).replace("def tell", "def told").replace('"tell"', '"told"')
    webui.run(f"write({text!r}); by_webui()")
    webui.run("asked(lambda: said() != ('success', 4) or True)")
    assert webui.run("said()[0]") == "success"
    assert webui.run("run()") == 191
    webui.run("lp.restore_all()")
    assert webui.run("said(), is_fresh()") == (("success", 2), True)
