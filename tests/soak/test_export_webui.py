"""The demo webui with an exported extension: what was live, in a process without livepatch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import livepatch.demo

COMMON = """
import base64, hashlib, json, pathlib, sys
from starlette.testclient import TestClient
from livepatch.demo import shared, webui

def start(folder):
    output = pathlib.Path(sys.argv[1]) / "pictures"
    return webui.create_app(shared.Options(extensions_dir=folder, output_dir=output))

def look(client):
    answer = client.post("/api/generate", json={"prompt": "a lake", "steps": 3, "seed": 5,
                                                "width": 64, "height": 64})
    told = answer.json()
    logs = [m for m in shared.scripts_generate.alwayson_scripts]
    from livepatch.demo import script_callbacks, script_loading
    log = next(m for p, m in script_loading.loaded_scripts.items() if "prompt_log" in p)
    log.last_step = (0, 0)
    client.post("/api/generate", json={"prompt": "b", "steps": 2, "seed": 5, "width": 64,
                                       "height": 64})
    order = [[e.name for e in es] for es in script_callbacks.callback_map.values()]
    return {
        "picture": hashlib.sha256(base64.b64decode(told["image"])).hexdigest(),
        "info": told["info"],
        "garden": answer.headers.get("x-garden"),
        "time": "x-process-time" in answer.headers,
        "noted": log.last_step,
        "logged": list(log.prompts)[:1],
        "problems": client.get("/api/health").json()["problems"],
    }
"""

LIVE = """
import livepatch as lp

def note(params):
    params.p.extra_generation_params["Noted"] = params.step

class Garden:
    def __init__(self, app, word="none"):
        self.app, self.word = app, word

    async def __call__(self, scope, receive, send):
        async def marked(message):
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-garden", self.word.encode()))
            await send(message)

        await self.app(scope, receive, marked)

def shouted(p, result):
    import livepatch.demo.script_loading as loading

    log = next(m for path, m in loading.loaded_scripts.items() if "prompt_log" in path)
    log.prompts.appendleft([p.prompt.upper(), "", ""])

app = start(None)
with TestClient(app) as client:
    before = look(client)
    lp.replace("livepatch.demo.sampler.denoise_step", '''
def denoise_step(latent, target, step, steps):
    return latent + np.float32(0.5) * (target - latent)
''')
    lp.callbacks().add("step", note)
    lp.callbacks().mute("note_step")
    lp.callbacks().replace("log_prompt", shouted)
    lp.hooks().mute("postprocess/Vignette")
    stack = lp.middleware(app)
    stack.add(Garden, word="green", before="GZipMiddleware")
    stack.remove("ProcessTimeMiddleware")
    during = look(client)
    folder = pathlib.Path(sys.argv[1]) / "exports"
    folder.mkdir()
    told = [str(lp.export(folder, name="garden")),
            str(lp.export(folder, name="garden-file", single_file=True))]
    lp.restore_all()
    lp.extensions().load(folder / "garden")
    loaded = look(client)
    owners = sorted(layer.owner for layer in lp.patches())
    lp.extensions().unload("garden")
    live = [loaded, owners, look(client)]
print(json.dumps([before, during, told, live]))
"""

FRESH = """
folder, exports = (pathlib.Path(sys.argv[1]) / name for name in ("extensions", "exports"))
folder.mkdir()
import shutil
try:
    import livepatch.engine
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("livepatch is here")
shutil.copytree(exports / "garden", folder / "garden")
seen = {}
app = start(folder)
with TestClient(app) as client:
    def again(name):
        client.post("/api/reload-scripts").raise_for_status()
        seen[name] = look(client)
    seen["folder"] = look(client)
    again("reloaded")
    import garden_changes
    garden_changes.switch(on=False)
    seen["off"] = look(client)
    garden_changes.switch(on=True)
    seen["on"] = look(client)
    shutil.rmtree(folder / "garden")
    again("gone")
    seen["left"] = [n for n in sys.modules if n.startswith("garden")]
    (folder / "one" / "scripts").mkdir(parents=True)
    shutil.copy(exports / "garden-file.py", folder / "one" / "scripts")
    again("file")
    shutil.rmtree(folder / "one")
    again("gone again")
    seen["declared"] = [m.cls.__name__ for m in app.user_middleware]
print(json.dumps(seen))
"""


def run(script, folder, path):
    file = path / "script.py"  # what stands in no file has no source to export
    file.write_text(COMMON + script)
    done = subprocess.run(
        [sys.executable, "-B", str(file), str(folder)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=path,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the webui answers: before, with the changes live, and with what was exported."""
    folder = tmp_path_factory.mktemp("webui")
    before, during, told, live = run(LIVE, folder, folder)
    # The demo as its own project would have it: it knows nothing of livepatch.
    alone = folder / "alone" / "livepatch"
    shutil.copytree(Path(livepatch.demo.__file__).parent, alone / "demo")
    (alone / "__init__.py").write_text("")
    fresh = run("sys.path.insert(0, sys.argv[1] + '/alone')\n" + FRESH, folder, alone.parent)
    return before, during, told, {**fresh, "live": live}


def test_what_was_exported_does_what_was_live(seen):
    before, during, told, fresh = seen
    assert before["garden"] is None
    assert during["garden"] == "green"
    assert before["picture"] != during["picture"]
    assert "Noted: 2" in during["info"]
    assert (before["time"], during["time"]) == (True, False)
    assert (before["noted"], during["noted"]) == ([2, 2], [0, 0])
    assert during["logged"] == [["B", "", ""]]
    assert before["problems"] == during["problems"] == []
    assert fresh["folder"] == during
    for line in told:
        assert "6 changes · 1 callback · lints clean · applied 6 and took them back" in line
        assert "left out" not in line


def test_it_is_applied_again_when_the_scripts_are_loaded_again(seen):
    _, during, _, fresh = seen
    assert fresh["reloaded"] == during


def test_switched_off_and_unloaded_the_webui_is_its_own_again(seen):
    before, during, _, fresh = seen
    assert fresh["off"] == fresh["gone"] == fresh["gone again"] == before
    assert fresh["on"] == during
    assert fresh["left"] == []
    assert "Garden" not in fresh["declared"]


def test_a_single_file_does_the_same(seen):
    _, during, _, fresh = seen
    assert fresh["file"] == during


def test_it_can_be_loaded_into_the_webui_it_came_from(seen):
    before, during, _, fresh = seen
    loaded, owners, unloaded = fresh["live"]
    assert loaded == during
    assert "extension garden" in owners
    assert unloaded == before
