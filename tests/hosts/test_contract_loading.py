"""Extensions of A1111 and its forks, loaded live: controls, routes, reloads of the page, names."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from running import Webui, started, webuis_of
from test_contract_scripts import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MORE = '''
import json, types, urllib.error, urllib.request
from modules import extensions

sys.modules["contract_probe"] = probe = types.ModuleType("contract_probe")
probe.got, probe.ended = [], []
FOLDER = lp.host().extension_folder

started = []
own_started = script_callbacks.app_started_callback

def note_start(*args):
    own_started(*args)
    started.append(args)

script_callbacks.app_started_callback = note_start

def begin_reload():
    """The webui's own reload of its page: over when it has called app_started."""
    global started_before
    started_before = len(started)
    if hasattr(shared, "restart_server"):
        shared.restart_server(restart=True)
    else:
        shared.state.request_restart()

def has_api():
    """Whether the webui's first start has ended: its API has all that it needs."""
    found = (getattr(getattr(r, "endpoint", None), "__self__", None)
             for r in lp.host().app().router.routes)
    record = getattr(sys.modules.get("modules.timer"), "startup_record", True)
    return any(hasattr(api, "default_script_arg_img2img") for api in found) and record is not None

def ask(path, body=None):
    """What the webui answers at a path."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        lp.host().address + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code

def places():
    """Where the values of each script are."""
    return {(type(s).__name__, s.filename): (s.args_from, s.args_to)
            for s in scripts.scripts_txt2img.alwayson_scripts}

def of_page(size):
    """What the hook gets of a generation for which the page sends numbers."""
    probe.got.clear()
    p = P()
    p.script_args = list(range(size))
    scripts.scripts_txt2img.process(p)
    return list(probe.got)

values_of_all = []

def watch_values():
    values_of_all.clear()
    lp.before("modules.scripts.ScriptRunner.process",
              lambda self, p, **_: values_of_all.append(list(p.script_args)))

def by_api(**more):
    """What the hook gets of a generation that the API is asked for."""
    probe.got.clear()
    body = {"prompt": "a", "steps": 1, "width": 64, "height": 64, **more}
    answer = ask("/sdapi/v1/txt2img", body)
    assert probe.without_model or "images" in answer
    return list(probe.got)

class NoModel(Exception):
    pass

def only_scripts(p):
    p.scripts.process(p)
    raise NoModel

models = getattr(sys.modules.get("modules.sd_models"), "checkpoints_list", {0: 0})
probe.without_model = not models  # a real one: its API as far as the hooks
if probe.without_model:
    sys.modules["modules.api.api"].process_images = only_scripts

def ends():
    return max(s.args_to or 0 for s in scripts.scripts_txt2img.scripts)

def listed():
    return [(e.name, e.is_builtin, e.enabled, os.fspath(e.path)) for e in extensions.extensions]

def differs(before, now):
    """What is not as it was."""
    raw_before, raw_now = before[0], now[0]
    found = [(k, raw_before.get(k), v) for k, v in raw_now.items() if v != raw_before.get(k)]
    return [*found, *((b, n) for b, n in zip(before[1:], now[1:]) if b != n)]

def paths(word):
    return [r.path for r in lp.host().app().router.routes if word in getattr(r, "path", "")]
'''

EXTENSION = """
import sys, types
from modules import script_callbacks, scripts

WORD, COUNT = "first", 2
gradio = sys.modules.get("gradio")
probe = sys.modules.get("contract_probe")

def control(label, value):
    if gradio is None:  # a stand-in
        return types.SimpleNamespace(label=label, value=value)
    return gradio.Textbox(label=label, value=value) if isinstance(value, str) else (
        gradio.Slider(label=label, value=value, minimum=0, maximum=1))

class Controlled(scripts.Script):
    def title(self):
        return "Controlled"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [control("Amount", 0.5), control("Way", WORD)][:COUNT]

    def process(self, p, amount, way="one control"):
        if probe is not None:
            probe.got.append((amount, way))

    def postprocess_image(self, p, pp, amount, way="one control"):
        pass

def started(demo, app):
    def answer():
        return WORD
    app.add_api_route("/controlled", answer)

def ended():
    if probe is not None:
        probe.ended.append(WORD)

script_callbacks.on_app_started(started)
script_callbacks.on_script_unloaded(ended)
script_callbacks.on_image_saved(lambda params: None)
"""


@pytest.fixture(scope="module", params=webuis_of("a1111", "forge", "forge-classic", "sdnext"))
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Webui]:
    data = tmp_path_factory.mktemp("data")
    (data / "extensions").mkdir()
    for webui in started(request.param, f"{BEGIN}\n{MORE}", data):
        webui.wait_until("has_api()")
        yield webui


@pytest.fixture
def webui(running: Webui) -> Iterator[Webui]:
    """Every test leaves the webui's data as it was, to the very objects."""
    running.run("as_it_was = raw(), listed(), places(), paths('')")
    yield running
    running.run("lp.restore_all()")
    assert running.run("differs(as_it_was, (raw(), listed(), places(), paths('')))") == []


def reload_ui(webui: Webui) -> None:
    """The webui's own reload of its page; that takes a minute where others need the machine."""
    webui.run("begin_reload()")
    webui.wait_until("len(started) > started_before and bool(lp.host().address)")


def write(folder: Path, word: str, count: int = 2) -> Path:
    """An extension with a script that has controls, a route and callbacks."""
    file = folder / "scripts" / f"{folder.name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(EXTENSION.replace('"first", 2', f'"{word}", {count}'))
    return folder


@pytest.fixture
def controlled(tmp_path: Path) -> Path:
    return write(tmp_path / "controlled", "first")


MINE = "tuple(range(*next(v for k, v in places().items() if k[0] == 'Controlled')))"
"""The numbers that the page sends for its values: each its place."""


def test_a_script_with_controls_gets_what_they_begin_with(webui: Webui, controlled: Path) -> None:
    webui.run("size = ends(); others = places(); watch_values(); by_api()")
    said = webui.run(f"str(lp.extensions().load({str(controlled)!r}))")
    assert "its hooks get what its controls begin with until Reload UI draws them" in said
    assert webui.run("{k: v for k, v in places().items() if k in others} == others")
    assert webui.run("of_page(size)") == [(0.5, "first")]
    assert webui.run("by_api()") == [(0.5, "first")]
    given = {"Controlled": {"args": [0.75, "given"]}}
    assert webui.run(f"by_api(alwayson_scripts={given})") == [(0.75, "given")]
    # Every other script gets the values that it got before.
    same = "[v[:size] == values_of_all[0][:size] for v in values_of_all[-2:]]"
    assert webui.run(same) == [True] * 2
    webui.run("lp.undo()")
    assert webui.run("by_api()") == []
    assert webui.run("values_of_all[-1] == values_of_all[0]")


def test_the_values_that_the_api_works_out_later_are_right(
    running: Webui, controlled: Path
) -> None:
    """SD.Next works them out at its first request; nobody has asked it since the last reload."""
    reload_ui(running)
    running.run("watch_values()")
    running.run(f"lp.extensions().load({str(controlled)!r})")
    assert running.run("by_api()") == [(0.5, "first")]
    running.run("with_it = values_of_all[-1]; lp.restore_all()")
    reload_ui(running)
    running.run("watch_values()")
    assert running.run("by_api()") == []
    assert running.run("without = values_of_all[-1]; without == with_it[:len(without)]")
    running.run("lp.restore_all()")


def test_a_script_that_is_reloaded_keeps_its_places(webui: Webui, controlled: Path) -> None:
    webui.run(f"lp.extensions().load({str(controlled)!r}); size = ends(); had = places()")
    mine = webui.run(MINE)
    write(controlled, "second")
    webui.run("lp.extensions().reload('controlled')")
    assert webui.run("places() == had")
    assert webui.run("of_page(size)") == [mine]  # the page sends numbers
    assert webui.run("by_api()") == [(0.5, "second")]
    write(controlled, "third", 1)
    webui.run("lp.extensions().reload('controlled')")  # it has another number of controls
    assert webui.run("by_api()") == [(0.5, "one control")]
    assert webui.run("of_page(size)") == [(0.5, "one control")]


@pytest.fixture
def installed(running: Webui) -> Iterator[Path]:
    """An extension in the webui's own folder, which it has loaded itself."""
    from pathlib import Path

    folder = write(Path(running.run("str(FOLDER)")) / "controlled", "first")
    try:
        reload_ui(running)
        running.run("probe.got.clear(); probe.ended.clear()")
        yield folder
    finally:
        shutil.rmtree(folder)
        running.run("lp.restore_all()")
        reload_ui(running)


def test_what_the_webui_has_loaded_is_reloaded_in_its_place(
    running: Webui, installed: Path
) -> None:
    before = running.run("before = listed(), places(), paths(''); size = ends(); before")
    names = running.run("[d.script_class.__name__ for d in scripts.scripts_data]")
    mine = running.run(MINE)
    write(installed, "second")
    said = running.run("str(lp.extensions().reload('controlled'))")
    assert "1 route" in said
    assert "its controls stay on the page until its Reload UI" in said
    assert "begin with" not in said
    assert running.run("ask('/controlled')") == "second"
    assert running.run("listed(), places(), paths('')") == before
    assert running.run("[d.script_class.__name__ for d in scripts.scripts_data]") == names
    assert running.run("of_page(size)") == [mine]
    assert running.run("by_api()") == [(0.5, "second")]
    assert running.run("probe.ended") == ["first"]
    file = installed / "scripts" / "controlled.py"
    text = file.read_text()
    file.write_text(f"{text}\nif:")
    assert "SyntaxError" in running.run("error(lambda: lp.extensions().reload('controlled'))")
    file.write_text(text)
    assert running.run("probe.ended, ask('/controlled')") == (["first"], "second")  # not told
    running.run("lp.undo()")
    assert running.run("ask('/controlled')") == "first"
    assert running.run("listed(), places(), paths('')") == before
    assert running.run("of_page(size)") == [mine]


def test_what_the_webui_has_loaded_is_unloaded_with_its_routes(
    running: Webui, installed: Path
) -> None:
    said = running.run("str(lp.extensions().unload('controlled'))")
    assert "1 script" in said
    assert "1 route" in said
    assert running.run("ask('/controlled')") == 404
    assert running.run("by_api()") == []  # where the API works its values out only now
    running.run("lp.undo()")
    assert running.run("ask('/controlled')") == "first"
    assert running.run("by_api()") == [(0.5, "first")]


def test_what_livepatch_loaded_and_the_webui_loads_again_is_unloaded(
    running: Webui, installed: Path
) -> None:
    write(installed, "second")
    running.run("lp.extensions().reload('controlled')")
    reload_ui(running)
    assert running.run("ask('/controlled')") == "second"
    said = running.run("str(lp.extensions().unload('controlled'))")
    assert "1 script" in said
    assert "1 route" in said
    assert running.run("ask('/controlled')") == 404
    assert running.run("by_api()") == []
    assert running.run("[k for k in places() if k[0] == 'Controlled']") == []


def test_what_the_webui_loads_again_is_its_own(running: Webui, installed: Path) -> None:
    write(installed, "second")
    running.run("lp.extensions().reload('controlled')")
    reload_ui(running)
    state = running.run("state = raw(), listed(), places(), paths(''); state")
    refused = running.run("error(lp.undo)")
    assert "the webui has loaded it anew since" in refused
    assert len(refused.splitlines()) == 3
    running.run("lp.restore_all()")
    assert running.run("raw(), listed(), places(), paths('')") == state
    assert "controlled" not in running.shows("%patches")
    running.run("lp.extensions().unload('controlled'); lp.restore_all()")
    assert running.run("raw(), listed(), places(), paths('')") == state


FOLLOW = "from livepatch.this_webui.loading import follow_reload; follow_reload()"


def test_loads_and_unloads_hold_over_a_reload_of_the_page(
    running: Webui, installed: Path, tmp_path: Path
) -> None:
    outside = write(tmp_path / "outside", "outside")
    file = outside / "scripts" / "outside.py"
    file.write_text(file.read_text().replace("Controlled", "Outside").replace("/cont", "/outs"))
    running.run(f"lp.extensions().load({str(outside)!r})")
    running.run("lp.extensions().unload('controlled')")
    for _ in range(2):
        reload_ui(running)
        running.run("by_api()")
        assert running.run(FOLLOW) == []
        assert running.run("by_api()") == [(0.5, "outside")]
        assert running.run("ask('/outsrolled'), ask('/controlled')") == ("outside", 404)
        assert running.run(FOLLOW) == []
        assert running.run("by_api()") == [(0.5, "outside")]
    assert running.run("[n for n, *_ in listed()].count('outside')") == 1
    running.run("lp.undo()")
    assert running.run("by_api()") in (
        [(0.5, "outside"), (0.5, "first")],
        [(0.5, "first"), (0.5, "outside")],
    )
    running.run("lp.undo()")
    assert running.run("by_api()") == [(0.5, "first")]
    running.run("lp.redo()")
    file.write_text("1 / 0")
    reload_ui(running)
    running.run("wait_until(lambda: [x.state for x in lp.patches()] == ['stale'])")
    assert running.run("by_api()") == [(0.5, "first")]


def test_what_livepatch_loaded_is_loaded_again_by_itself(running: Webui, controlled: Path) -> None:
    running.run(f"lp.extensions().load({str(controlled)!r})")
    reload_ui(running)
    running.wait_until("ask('/controlled') == 'first'")
    running.wait_until("[layer.state for layer in lp.patches()] == ['active']")
    assert running.run("by_api()") == [(0.5, "first")]
    running.run("lp.restore_all()")
    assert "extension controlled" not in running.shows("%patches")
    running.run(f"lp.extensions().load({str(controlled)!r})")
    assert running.run("by_api()") == [(0.5, "first")]
    running.run("lp.restore_all()")


def test_an_extension_whose_only_callback_is_muted_is_there(webui: Webui, tmp_path: Path) -> None:
    folder = write(tmp_path / "quiet", "quiet")
    text = "from modules import script_callbacks\nscript_callbacks.on_image_saved(lambda p: None)\n"
    (folder / "scripts" / "quiet.py").write_text(text)
    webui.run(
        f"lp.extensions().load({str(folder)!r}); lp.extensions()['quiet'].callbacks[0].mute()"
    )
    states = "{layer.name: layer.state for layer in lp.patches()}"
    assert webui.run(f"{states}['quiet']") == "active"
    assert "is loaded already" in webui.run(f"error(lambda: lp.extensions().load({str(folder)!r}))")
    webui.run("lp.extensions().unload('quiet')")
    assert webui.run("lp.patches()[:] == ()")
    webui.run("lp.undo()")
    assert webui.run("len(lp.extensions()['quiet'].callbacks)") == 1


def test_an_extension_that_came_along_stays_one(webui: Webui) -> None:
    name = webui.run(
        "next(e.name for e in lp.extensions() if e.builtin and e.callbacks and e.hooks)"
    )
    before = webui.run("before = listed(), places(), paths(''); before")
    webui.run(f"lp.extensions().reload({name!r})")
    assert webui.run("listed(), places(), paths('')") == before
    assert webui.run(f"lp.extensions()[{name!r}].builtin")
    owned = webui.run(f"[r.owner for r in lp.extensions()[{name!r}].callbacks]")
    assert owned
    assert set(owned) == {f"extension {name}"}
    assert webui.run(f"lp.extensions()[{name!r}].hooks and 'yes'") == "yes"


def test_what_an_extension_raises_at_its_end_does_not_keep_it(
    webui: Webui, controlled: Path
) -> None:
    file = controlled / "scripts" / "controlled.py"
    file.write_text(file.read_text().replace("probe.ended.append(WORD)", "raise SystemExit('no')"))
    line = next(n for n, t in enumerate(file.read_text().splitlines(), 1) if "SystemExit" in t)
    webui.run(f"lp.extensions().load({str(controlled)!r})")
    raised = f"its script_unloaded raised SystemExit: no ({file}:{line})"
    assert raised in webui.run("str(lp.extensions().reload('controlled'))")
    assert webui.run("by_api()") == [(0.5, "first")]
    assert raised in webui.run("str(lp.extensions().unload('controlled'))")
    assert webui.run("by_api()") == []
    assert webui.run("ask('/controlled')") == 404


def test_nothing_lazy_is_touched(webui: Webui, controlled: Path) -> None:
    """As torch's `reduce_op`, which warns of itself whatever it is asked."""
    webui.run(
        """
        asked = []
        class Lazy:
            def __getattribute__(self, name):
                asked.append(name)
                return object.__getattribute__(self, name)
        probe.lazy = Lazy()
        """
    )
    webui.run(f"lp.extensions().load({str(controlled)!r})")
    webui.run("lp.extensions().reload('controlled'); del probe.lazy")
    assert webui.run("asked") == []
