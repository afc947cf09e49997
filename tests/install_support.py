"""Webuis into which ``livepatch install`` puts its extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What each webui has in its folder that the others have not, and where its extension goes.
FLAVORS = {
    "a1111": ("launch.py modules/script_callbacks.py extensions/x", "extensions/livepatch"),
    "forge": (
        "launch.py modules/script_callbacks.py modules_forge/x backend/x extensions/x",
        "extensions/livepatch",
    ),
    "forge-classic": (
        "launch.py modules/script_callbacks.py modules_forge/x ldm_patched/x extensions/x",
        "extensions/livepatch",
    ),
    "sdnext": (
        "launch.py modules/script_callbacks.py modules/loader.py installer.py extensions/x",
        "extensions/livepatch",
    ),
    "textgen": (
        "server.py modules/text_generation.py extensions/x user_data/CMD_FLAGS.txt",
        "extensions/livepatch",
    ),
    "comfyui": ("main.py nodes.py execution.py comfy/x custom_nodes/x", "custom_nodes/livepatch"),
}
SCRIPT = {"textgen": "script.py", "comfyui": "__init__.py"}

# How each webui runs the script of an extension: what counts for us of its own loader.
LOAD_BY_FILE = """
import importlib.util
def load():
    spec = importlib.util.spec_from_file_location("livepatch_attach.py", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
"""
LOADERS = {
    # modules.script_loading.load_module, at each start and at each "Reload UI"
    "a1111": LOAD_BY_FILE + "load()\nload()\n",
    # the same under a redirected stdout, then the event app_started
    "sdnext": LOAD_BY_FILE
    + """
import contextlib, io, sys, types
started = []
sys.modules["modules"] = types.ModuleType("modules")
sys.modules["modules"].script_callbacks = types.SimpleNamespace(on_app_started=started.append)
for _ in range(2):
    started.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        load()
    for callback in started:
        callback(None, None)
assert not isinstance(sys.stdout, io.StringIO)
""",
    # modules.extensions.load_extensions: a ModuleNotFoundError would end the webui
    "textgen": """
import importlib, sys
sys.path.insert(0, FOLDER)
for _ in range(2):
    importlib.import_module("extensions.livepatch.script")
""",
    # nodes.load_custom_node: a folder without mappings is reported as a failure
    "comfyui": LOAD_BY_FILE + "assert load().NODE_CLASS_MAPPINGS == {}\n",
}
WEBUI = """
FOLDER, SCRIPT = {folder!r}, {script!r}
{loader}
exec(open({greeter!r}).read())
"""


def webui_folder(parent: Path, flavor: str, name: str = "My WebUI") -> Path:
    folder = parent / name
    for file in FLAVORS[flavor][0].split():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"the webui's own {file}\n")
    return folder
