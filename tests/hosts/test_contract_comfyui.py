"""The contract with ComfyUI: nodes, caches that outlive code, handlers, hooks of loaded models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from loading_checks import (
    check_load_reload_and_unload,
    check_nonsense,
    check_what_ends_while_it_loads,
)
from running import Webui, started, webuis_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEGIN = '''
import json, sys, urllib.request
import nodes
from server import PromptServer

ADDRESS = lp.host().address
PROMPT = {
    "1": {"class_type": "EmptyImage",
          "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0x404040}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "contract"}},
}

def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADDRESS + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")

def start(prompt=PROMPT):
    return ask("/prompt", {"prompt": prompt})["prompt_id"]

def wait(prompt_id):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = ask(f"/history/{prompt_id}")
        if found.get(prompt_id):
            return found[prompt_id]
        time.sleep(0.02)
    raise AssertionError("the prompt does not end")

def value(ended):
    """How bright the picture that was saved is, from 0 to 255."""
    image = ended["outputs"]["3"]["images"][0]
    if "value" in image:
        return image["value"]
    import folder_paths, os
    from PIL import Image
    with Image.open(os.path.join(folder_paths.get_output_directory(), image["filename"])) as opened:
        return opened.getpixel((0, 0))[0]

def run(prompt=PROMPT):
    return value(wait(start(prompt)))

def cached(ended):
    return [m[1]["nodes"] for m in ended["status"]["messages"] if m[0] == "execution_cached"][0]

def executor():
    for frame in sys._current_frames().values():
        while frame is not None:
            if frame.f_code.co_name == "prompt_worker":
                return frame.f_locals["e"]
            frame = frame.f_back

def raw():
    import types
    classes = {name: {k: id(v) for k, v in vars(cls).items()
                      if isinstance(v, (types.FunctionType, classmethod, staticmethod))}
               for name, cls in nodes.NODE_CLASS_MAPPINGS.items()}
    return classes, [id(f) for f in PromptServer.instance.on_prompt_handlers]

def error(call):
    try:
        call()
    except LivepatchError as refused:
        return str(refused)
'''


@pytest.fixture(scope="module", params=webuis_of("comfyui"))
def running(request: pytest.FixtureRequest) -> Iterator[Webui]:
    yield from started(request.param, BEGIN)


@pytest.fixture
def webui(running: Webui) -> Iterator[Webui]:
    """Every test leaves nodes and handlers as they were, to the very objects."""
    running.run("before = raw()")
    yield running
    running.run("lp.restore_all()")
    assert running.run("raw() == before")


def test_which_webui_it_is(webui: Webui) -> None:
    assert webui.run("lp.host().flavor") == "comfyui"
    assert webui.run("lp.host().version").startswith("0.3.")
    assert webui.run("lp.host().app() is PromptServer.instance.app")
    assert webui.run("lp.host().extension_folder.name") == "custom_nodes"
    assert webui.run("ask('/queue')['queue_running']") == []


def test_the_structures_that_livepatch_relies_on(webui: Webui) -> None:
    webui.run("run()")
    assert webui.run("type(nodes.NODE_CLASS_MAPPINGS) is dict")
    assert webui.run("type(PromptServer.instance.on_prompt_handlers) is list")
    assert webui.run(
        "sorted(k for k in ('queue', 'currently_running', 'mutex', 'flags')"
        " if hasattr(PromptServer.instance.prompt_queue, k))"
    ) == [
        *("currently_running", "flags", "mutex", "queue"),
    ]
    # The outputs by a node and all before it, each beginning with its type; the nodes by number.
    assert webui.run("type(executor().caches.outputs.cache) is dict")
    keys = webui.run("sorted({type(k).__name__ for k in executor().caches.outputs.cache})")
    assert keys == ["frozenset"]
    assert webui.run(
        "all(any((0, cls) in node for node in dict(key).values() for cls in"
        " ('EmptyImage', 'ImageInvert', 'SaveImage')) for key in executor().caches.outputs.cache)"
    )
    assert webui.run("('2', 'ImageInvert') in executor().caches.objects.cache")
    # The modules of custom nodes have paths for names.
    assert webui.run("isinstance(nodes.LOADED_MODULE_DIRS, dict)")
    assert webui.run("any('/custom_nodes/' in key for key in sys.modules)")
    assert webui.run("isinstance(sys.modules['hook_breaker_ac10a0'].SAVED_FUNCTIONS, list)")


def test_the_same_prompt_gives_the_new_output_and_after_restore_the_old(webui: Webui) -> None:
    assert webui.run("run()") == 191
    assert "2" in webui.run("cached(wait(start()))")  # nothing runs again
    webui.run("layer = lp.replace('nodes.ImageInvert.invert', lambda self, image: (image,))")
    assert webui.run("run()") == 64
    assert "2" in webui.run("cached(wait(start()))")
    webui.run("layer.remove()")
    assert webui.run("run()") == 191
    webui.run("lp.undo()")
    assert webui.run("run()") == 64
    webui.run("lp.restore_all()")
    assert webui.run("run()") == 191


def test_what_comes_before_a_changed_node_stays_cached(webui: Webui) -> None:
    webui.run("run(); lp.replace('nodes.ImageInvert.invert', lambda self, image: (image,))")
    assert webui.run("cached(wait(start()))") == ["1"]


def test_a_node_replaced_by_its_type(webui: Webui) -> None:
    assert webui.run("run()") == 191
    done = webui.run(
        "str(lp.hooks()['FUNCTION'].replace('ImageInvert', lambda self, image: (image,)))"
    )
    assert "replaced ImageInvert in functions of nodes" in done
    assert webui.run("run()") == 64
    webui.run("lp.undo()")
    assert webui.run("run()") == 191
    shown = webui.run("str(lp.hooks()['FUNCTION'].report())")
    assert "ImageInvert" in shown


def test_a_node_of_the_third_version_stays_a_class_method(webui: Webui) -> None:
    v3 = webui.run(
        "next(n for n, c in sorted(nodes.NODE_CLASS_MAPPINGS.items())"
        " if hasattr(c, 'define_schema') and 'execute' in vars(c))"
    )
    webui.run(f"cls = nodes.NODE_CLASS_MAPPINGS[{v3!r}]; own = vars(cls)['execute']")
    webui.run(f"lp.hooks()['FUNCTION'].replace({v3!r}, lambda cls, *args, **kwargs: 'new')")
    assert webui.run("type(vars(cls)['execute']).__name__, cls.execute()") == (
        *("classmethod", "new"),
    )
    webui.run("lp.restore_all()")
    assert webui.run("vars(cls)['execute'] is own")


def test_a_change_while_a_prompt_runs_leaves_no_old_output_behind(webui: Webui) -> None:
    webui.run(
        """
        inside, go_on = threading.Event(), threading.Event()
        PROMPT["1"]["inputs"]["color"] = 0x101010
        def slow(self, image):
            inside.set()
            go_on.wait(30)
            return (image,)
        lp.replace("nodes.ImageInvert.invert", slow)
        prompt_id = start()
        inside.wait(30)
        busy = lp.host().is_idle()
        lp.replace("nodes.ImageInvert.invert", lambda self, image: (image * 0,)
                   if not isinstance(image, list) else ([0.0 for v in image],))
        go_on.set()
        wait(prompt_id)
        """
    )
    assert webui.run("busy") is False
    assert webui.run("run()") == 0
    webui.run("lp.restore_all()")
    assert webui.run("run()") == 239
    webui.run("PROMPT['1']['inputs']['color'] = 0x404040")


def test_a_change_when_idle_waits_for_the_queue(webui: Webui) -> None:
    webui.run(
        """
        inside, go_on = threading.Event(), threading.Event()
        def slow(self, image):
            inside.set()
            go_on.wait(30)
            return (image,)
        lp.replace("nodes.ImageInvert.invert", slow)
        sys.modules["contract_probe"] = probe = type(sys)("contract_probe")
        exec("def shown(): return 'old'", vars(probe))
        prompt_id = start()
        inside.wait(30)
        layer = lp.replace("contract_probe.shown", lambda: "new", when="idle")
        during = layer.state, probe.shown()
        go_on.set()
        wait(prompt_id)
        end = time.monotonic() + 20
        while layer.state == 'pending' and time.monotonic() < end: time.sleep(0.01)
        """
    )
    assert webui.run("during, layer.state, probe.shown()") == (
        *(("pending", "old"), "active", "new"),
    )
    webui.run("lp.restore_all(); del sys.modules['contract_probe']")


def test_interrupt_stops_a_running_prompt(webui: Webui) -> None:
    webui.run(
        """
        inside, go_on = threading.Event(), threading.Event()
        def slow(self, image):
            inside.set()
            go_on.wait(30)
            return (image,)
        lp.replace("nodes.ImageInvert.invert", slow)
        prompt_id = start()
        inside.wait(30)
        said = lp.host().interrupt()
        go_on.set()
        ended = wait(prompt_id)
        """
    )
    assert webui.run("said") == "nodes.interrupt_processing() was called"
    assert webui.run("ended['status']['status_str']") == "error"
    assert webui.run("[m[0] for m in ended['status']['messages']]")[-1] == "execution_interrupted"
    webui.run("lp.restore_all()")
    assert webui.run("run()") == 191


def test_handlers_of_prompts(webui: Webui) -> None:
    assert webui.run("run()") == 191
    webui.run(
        """
        def darken(data):
            data["prompt"]["1"]["inputs"]["color"] = 0
            return data
        done = lp.callbacks().add("on_prompt", darken)
        """
    )
    assert webui.run("run()") == 255
    assert "None makes the request fail" in webui.run("str(done)")
    webui.run("lp.callbacks().mute('on_prompt/darken')")
    assert webui.run("run()") == 191
    webui.run("lp.callbacks().unmute('on_prompt/darken')")
    assert webui.run("run()") == 255
    webui.run("lp.restore_all()")
    assert webui.run("run(), PromptServer.instance.on_prompt_handlers") == (191, [])


def test_hooks_of_loaded_models(webui: Webui) -> None:
    webui.run(
        """
        import comfy.model_management, comfy.model_patcher
        loaded = comfy.model_management.current_loaded_models
        class Net:
            pass
        if hasattr(comfy.model_management, "LoadedModel"):
            import torch
            class Net(torch.nn.Module):
                pass
            patcher = comfy.model_patcher.ModelPatcher(
                Net(), torch.device("cpu"), torch.device("cpu"))
            comfy.model_management.load_models_gpu([patcher])
        else:
            patcher = comfy.model_patcher.ModelPatcher(Net())
            loaded.append(comfy.model_patcher.LoadedModel(patcher))
        ran = []
        own = dict(patcher.callbacks)
        """
    )
    try:
        events = webui.run("lp.hooks().events")
        assert "callback on_pre_run of Net" in events
        assert "wrapper apply_model of Net" in events
        webui.run("lp.hooks().add('callback on_pre_run of Net', lambda patcher: ran.append(1))")
        assert webui.run("patcher.pre_run(); ran") == [1]
        webui.run("lp.undo()")
        assert webui.run("patcher.pre_run(); ran, patcher.callbacks == own") == ([1], True)
    finally:
        webui.run("lp.restore_all(); loaded.clear()")


def test_what_comfyui_puts_back_by_itself_is_said(webui: Webui) -> None:
    webui.run(
        """
        import comfy.model_management as management, hook_breaker_ac10a0
        own = management.cast_to
        layer = lp.replace("comfy.model_management.cast_to", lambda *args, **kwargs: "patched")
        """
    )
    assert "hook_breaker" in webui.run("str(layer)")
    webui.run("hook_breaker_ac10a0.restore_functions()")
    assert webui.run("layer.state, management.cast_to(1)") == ("active", "patched")
    webui.run("layer.remove()")
    assert webui.run("management.cast_to is own")
    webui.run("management.cast_to = lambda *args: 'foreign'")
    assert "hook_breaker" in webui.shows("%webui")
    webui.run("hook_breaker_ac10a0.restore_functions()")
    assert webui.run("management.cast_to is own")
    assert "hook_breaker" not in webui.shows("%webui")


def test_modules_of_custom_nodes_have_names(webui: Webui) -> None:
    names = webui.run("sorted(lp.host().modules())")
    assert names
    folders = ("custom_nodes.", "comfy_extras.", "comfy_api_nodes.")
    assert all(name.startswith(folders) and "/" not in name for name in names)
    offered = webui.run(
        "from livepatch.engine.naming.completion import targets_beginning; "
        "targets_beginning('custom_nodes.')"
    )
    own = {name for name in names if name.startswith("custom_nodes.") and name.count(".") == 1}
    assert own <= set(offered)


def test_bad_input_changes_nothing(webui: Webui) -> None:
    unknown = webui.run("error(lambda: lp.hooks()['FUNCTIONS'])")
    assert "did you mean FUNCTION" in unknown
    assert len(unknown.splitlines()) == 3
    assert "has no 'ImageInvrt'" in webui.run(
        "error(lambda: lp.hooks()['FUNCTION'].replace('ImageInvrt', len))"
    )
    assert "offers no way to mute" in webui.run(
        "error(lambda: lp.hooks()['FUNCTION'].mute('ImageInvert'))"
    )
    assert webui.run("run()") == 191


def test_a_node_that_raises_is_the_webuis_to_report(webui: Webui) -> None:
    webui.run("lp.replace('nodes.ImageInvert.invert', lambda self, image: 1 / 0)")
    assert webui.run("wait(start())['status']['status_str']") == "error"
    webui.run("lp.undo()")
    assert webui.run("run()") == 191


def test_a_registry_of_an_unknown_shape_is_said_and_shown(webui: Webui) -> None:
    webui.run(
        "own = PromptServer.instance.on_prompt_handlers; "
        "PromptServer.instance.on_prompt_handlers = {'odd': len}"
    )
    try:
        shown = webui.shows("print(lp.callbacks())")
        assert "of an unknown shape (dict)" in shown
        assert "len" in shown
        assert "unknown shape" in webui.run("error(lambda: lp.callbacks()['on_prompt'].add(len))")
    finally:
        webui.run("PromptServer.instance.on_prompt_handlers = own")


EXTENSION = """
from aiohttp import web
from server import PromptServer

from .words import told

WORD = "first"
VALUES = {"first": 0.2, "second": 0.4, "third": 0.6}

class LiveNode:
    CATEGORY = FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image):
        value = VALUES[WORD]
        return ([value for _ in image] if isinstance(image, list) else image * 0 + value,)

@PromptServer.instance.routes.get("/live-extension")
async def answer(request):
    return web.Response(text=told(WORD))

NODE_CLASS_MAPPINGS = {"LiveNode": LiveNode}
NODE_DISPLAY_NAME_MAPPINGS = {"LiveNode": "Live"}
"""


@pytest.fixture
def live(webui: Webui, tmp_path: Path) -> Iterator[Path]:
    """A package with a node, a route and a module of its own."""
    folder = tmp_path / "live_nodes"
    folder.mkdir()
    (folder / "__init__.py").write_text(EXTENSION)
    (folder / "words.py").write_text("def told(word):\n    return word\n")
    webui.run(
        """
        import urllib.error
        def works():
            prompt = {**PROMPT, "2": {"class_type": "LiveNode", "inputs": {"image": ["1", 0]}}}
            try:
                word = urllib.request.urlopen(ADDRESS + "/live-extension", timeout=30).read()
            except urllib.error.HTTPError as error:
                assert error.code in (404, 405), error
                assert "LiveNode" not in nodes.NODE_CLASS_MAPPINGS
                return None
            value = {"first": 51, "second": 102, "third": 153}[word.decode()]
            assert abs(run(prompt) - value) <= 1
            return word.decode()
        """
    )
    yield folder
    webui.run("lp.restore_all()")


def test_nodes_are_loaded_reloaded_and_unloaded(webui: Webui, live: Path) -> None:
    check_load_reload_and_unload(webui, live, live / "__init__.py", "works()")


def test_what_ends_while_it_loads_leaves_nothing(webui: Webui, live: Path) -> None:
    check_what_ends_while_it_loads(webui, live, live / "__init__.py", "works()")


def test_what_loaded_nodes_have_is_their_own(webui: Webui, live: Path) -> None:
    said = webui.run(f"str(lp.extensions().load({str(live)!r}))")
    assert "1 node" in said
    assert "2 modules" in said
    assert "2 changes of livepatch" in said  # the route, and the same below /api
    assert "open pages show its nodes" in said
    assert webui.run("[r.name for r in lp.extensions()['live_nodes'].hooks]") == ["LiveNode"]
    owner = webui.run("lp.hooks()['FUNCTION']['LiveNode'].owner")
    assert owner == "extension live_nodes"


def test_names_that_comfyui_has_are_not_taken(webui: Webui, tmp_path: Path) -> None:
    file = tmp_path / "taker.py"
    file.write_text("class Mine: pass\nNODE_CLASS_MAPPINGS = {'ImageInvert': Mine}\n")
    said = webui.run(f"str(lp.extensions().load({str(file)!r}))")
    assert "skipped, as ComfyUI has these names: ImageInvert" in said
    assert webui.run("run()") == 191


THIRD = """
from comfy_api.latest import ComfyExtension, io

WORD = "first"
VALUES = {"first": 0.2, "second": 0.4, "third": 0.6}

class LiveThird(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="LiveThird", display_name="Third", category="contract",
                         inputs=[io.Image.Input("image")], outputs=[io.Image.Output()])

    @classmethod
    def execute(cls, image):
        value = VALUES[WORD]
        return io.NodeOutput(
            [value for _ in image] if isinstance(image, list) else image * 0 + value)

class LiveExtension(ComfyExtension):
    async def get_node_list(self):
        return [LiveThird]

async def comfy_entrypoint():
    return LiveExtension()
"""


@pytest.fixture
def third(webui: Webui, tmp_path: Path) -> Path:
    """A package with a node of the third version."""
    folder = tmp_path / "live_third"
    folder.mkdir()
    (folder / "__init__.py").write_text(THIRD)
    webui.run(
        """
        def works():
            if "LiveThird" not in nodes.NODE_CLASS_MAPPINGS:
                return None
            prompt = {**PROMPT, "2": {"class_type": "LiveThird", "inputs": {"image": ["1", 0]}}}
            value = run(prompt)
            return {51: "first", 102: "second", 153: "third"}.get(value, value)
        """
    )
    return folder


def test_nodes_of_the_third_version_are_loaded_reloaded_and_unloaded(
    webui: Webui, third: Path
) -> None:
    check_load_reload_and_unload(webui, third, third / "__init__.py", "works()")


def test_a_node_of_the_third_version_is_replaced_over_a_reload(webui: Webui, third: Path) -> None:
    said = webui.run(f"str(lp.extensions().load({str(third)!r}))")
    assert "1 node" in said
    assert webui.run("nodes.NODE_DISPLAY_NAME_MAPPINGS['LiveThird']") == "Third"
    assert webui.run("works()") == "first"
    webui.run(
        """
        def white(cls, image):
            return ([1.0 for _ in image] if isinstance(image, list) else image * 0 + 1.0,)
        layer = lp.hooks()["FUNCTION"].replace("LiveThird", white)
        """
    )
    assert webui.run("works()") == 255
    webui.run("lp.undo()")
    assert webui.run("works()") == "first"
    (third / "__init__.py").write_text(THIRD.replace('"first"\n', '"second"\n'))
    webui.run("lp.extensions().reload('live_third')")
    assert webui.run("works()") == "second"


WAITING = {
    "awaits": "await asyncio.sleep(600)",
    "works": "while True: pass",
}


@pytest.mark.parametrize("how", WAITING)
def test_an_interrupt_of_an_entry_point_leaves_no_thread(
    webui: Webui, third: Path, how: str
) -> None:
    text = THIRD.replace(
        "    return LiveExtension()",
        f"    import asyncio\n    print('waiting', flush=True)\n    {WAITING[how]}",
    )
    (third / "__init__.py").write_text(text)
    webui.run("threads = set(threading.enumerate())")
    load = f"lp.extensions().load({str(third)!r})"
    assert webui.client.run_and_interrupt(load, waits=True).error == "KeyboardInterrupt"
    assert webui.run("[t.name for t in set(threading.enumerate()) - threads]") == []
    assert webui.run("works(), 'live_third' in lp.extensions()") == (None, False)


@pytest.mark.parametrize("kind", ["folder", "file", "third"])
def test_the_names_are_those_that_comfyui_gives(webui: Webui, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.pack"
    text = "class Named: FUNCTION = 'run'\nNODE_CLASS_MAPPINGS = {'Named': Named}\n"
    text += "NODE_DISPLAY_NAME_MAPPINGS = {'Named': 'A name'}\nWEB_DIRECTORY = './js'\n"
    if kind == "file":
        path = tmp_path / "pack.py"
        path.write_text(text)
    else:
        (path / "js").mkdir(parents=True)
        (path / "__init__.py").write_text(THIRD if kind == "third" else text)
    webui.run(
        f"""
        import asyncio
        tables = (sys.modules, nodes.NODE_CLASS_MAPPINGS, nodes.NODE_DISPLAY_NAME_MAPPINGS,
                  nodes.LOADED_MODULE_DIRS, nodes.EXTENSION_WEB_DIRS)
        def what_comes(load):
            before = [dict(t) for t in tables]
            load()
            new = [[k for k in t if k not in b] for t, b in zip(tables, before)]
            new.append([c.RELATIVE_PYTHON_MODULE for c in
                        map(nodes.NODE_CLASS_MAPPINGS.get, new[1])])
            new += [[nodes.LOADED_MODULE_DIRS[k] for k in new[3]],
                    [nodes.EXTENSION_WEB_DIRS[k] for k in new[4]]]
            for t, b in zip(tables[1:], before[1:]):
                t.clear()
                t.update(b)
            for key in new[0]:
                if {str(tmp_path)!r} in key:
                    del sys.modules[key]
            new[0] = [key for key in new[0] if {str(tmp_path)!r} in key]
            return new
        def by_comfyui():
            asyncio.run_coroutine_threadsafe(
                nodes.load_custom_node({str(path)!r}), PromptServer.instance.loop).result(30)
        def by_livepatch():
            lp.extensions().load({str(path)!r})
        theirs = what_comes(by_comfyui)
        ours = what_comes(by_livepatch)
        """
    )
    assert webui.run("theirs[1]")
    assert webui.run("ours") == webui.run("theirs")
    webui.run("lp.restore_all()")


def test_what_comfyui_has_loaded_is_reloaded_and_unloaded_with_its_routes(webui: Webui) -> None:
    if webui.is_real:
        pytest.skip("none of the packs that came along has a route")
    name = "shade"
    webui.run(
        """
        def asked():
            found = []
            for path in ("/shade", "/api/shade"):
                try:
                    found.append(ask(path))
                except urllib.error.HTTPError as error:
                    found.append(error.code)
            return found
        import urllib.error
        had = dict(nodes.LOADED_MODULE_DIRS), set(sys.modules), sorted(nodes.NODE_CLASS_MAPPINGS)
        """
    )
    assert webui.run("asked()") == [[0.5], [0.5]]
    webui.run(f"lp.extensions().unload({name!r})")
    assert webui.run("asked()") == [404, 404]
    assert webui.run("'Shade' in nodes.NODE_CLASS_MAPPINGS") is False
    assert webui.run("'Shade' in nodes.NODE_DISPLAY_NAME_MAPPINGS") is False
    assert webui.run("[i for i in PromptServer.instance.routes if 'shade' in i.path]") == []
    webui.run("lp.undo()")
    assert webui.run("asked()") == [[0.5], [0.5]]
    webui.run(f"lp.extensions().reload({name!r})")
    assert webui.run("asked()") == [[0.5], [0.5]]
    assert webui.run(
        "had == (dict(nodes.LOADED_MODULE_DIRS), set(sys.modules),"
        " sorted(nodes.NODE_CLASS_MAPPINGS))"
    )
    webui.run(f"lp.extensions().unload({name!r})")
    assert webui.run("asked()") == [404, 404]
    webui.run("lp.restore_all()")
    assert webui.run("asked()") == [[0.5], [0.5]]


def test_what_is_no_extension_is_refused(webui: Webui, tmp_path: Path) -> None:
    check_nonsense(webui, tmp_path / "empty")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    refused = webui.run(f"error(lambda: lp.extensions().load({str(tmp_path / 'nothing.py')!r}))")
    assert "no NODE_CLASS_MAPPINGS" in refused


def test_nodes_and_handlers_are_timed(webui: Webui) -> None:
    webui.run("def handler(data): return data")
    webui.run("PromptServer.instance.on_prompt_handlers.append(handler)")
    webui.run(
        """
        PROMPT["1"]["inputs"]["color"] = 0x202020
        with lp.timing(only=["callbacks", "hooks"]) as t:
            run()
        """
    )
    assert webui.run("t['on_prompt/handler'].calls") == 1
    assert webui.run("t['FUNCTION/ImageInvert'].calls") == 1
    assert webui.run("PromptServer.instance.on_prompt_handlers == [handler]")
    webui.run("PromptServer.instance.on_prompt_handlers.clear()")
    webui.run("PROMPT['1']['inputs']['color'] = 0x404040")


def test_what_runs_and_what_waits_is_shown(webui: Webui) -> None:
    webui.run(
        """
        inside, go_on = threading.Event(), threading.Event()
        def slow(self, image):
            inside.set()
            go_on.wait(30)
            return (image,)
        lp.replace("nodes.ImageInvert.invert", slow)
        first, second = start(), start()
        inside.wait(30)
        """
    )
    shown = webui.shows("%webui")
    assert f"prompt {webui.run('first')}" in shown
    assert "1 waiting" in shown
    assert " GB" in shown
    webui.run("go_on.set(); wait(second)")
    shown = webui.shows("%webui")
    assert "running           nothing" in shown
    assert "empty" in shown
