"""What is done to A1111 and its forks is true after each of their Reload UIs, once, in its place.

And after ``restore_all`` the webui has what it would have without livepatch.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running import Webui, started, webuis_of
from test_contract_scripts import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

RELOADS = int(os.environ.get("LIVEPATCH_RELOADS", "2"))

MORE = """
import contextlib, urllib.error, urllib.request
from livepatch.registries.finding import matches

def begin_reload():
    global app_before, built_before
    app_before, built_before = lp.host().app(), lp.host().built()
    if hasattr(shared, "restart_server"):  # SD.Next
        shared.restart_server(restart=True)
    else:
        shared.state.request_restart()

def is_reloaded():
    found = lp.host()
    return (found.app() is not app_before and found.built() is not built_before
            and bool(found.address))

def registered():
    "What is registered where, by files and names."
    def named(function):
        return getattr(function, "__module__", ""), getattr(function, "__qualname__", str(function))
    data = {k: [(getattr(e, "name", ""), e.script, named(e.callback)) for e in v]
            for k, v in script_callbacks.callback_map.items()}
    data["runners"] = [[type(s).__qualname__ for s in r.alwayson_scripts]
                       for r in lp.host().runners()]
    data["methods"] = {f"{d.path}:{d.script_class.__qualname__}":
                       {k: named(v) for k, v in vars(d.script_class).items() if callable(v)}
                       for d in scripts.scripts_data}
    app = lp.host().app()
    data["routes"] = [(getattr(r, "path", ""), named(getattr(r, "endpoint", None)))
                      for r in app.routes]
    data["middleware"] = [m.cls.__name__ for m in app.user_middleware]
    return data

def dead():
    "Whether anything of this notebook's is still called."
    mine = [e for v in script_callbacks.callback_map.values() for e in v
            if getattr(e.callback, "__globals__", None) is globals()]
    return len(mine)

def order(event):
    return [r.name.rpartition("/")[2] if r.is_ours else r.name
            for r in lp.callbacks()[event] if r.state == "active"]

class Marking:
    def __init__(self, app, mark=""):
        self.app, self.mark = app, mark
    async def __call__(self, scope, receive, send):
        async def marked(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"],
                                                  (b"x-mark", self.mark.encode())]}
            await send(message)
        await self.app(scope, receive, marked)

def get(path):
    try:
        with urllib.request.urlopen(lp.host().address + path, timeout=60) as answer:
            return answer.status, answer.headers.get_all("x-mark"), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, None, b""

def settled(check, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            if check():
                return True
        time.sleep(0.02)
    return check()
"""


PROBE = """
from modules import script_callbacks, scripts

class Probe(scripts.Script):
    def title(self):
        return "Probe"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p, *args):
        pass

def saved_one(params): pass
def saved_two(params): pass
def step_one(params): pass
def step_two(params): pass

for callback in (saved_one, saved_two):
    script_callbacks.on_image_saved(callback)
for callback in (step_one, step_two):
    script_callbacks.on_cfg_denoiser(callback)
"""


@pytest.fixture(scope="module", params=webuis_of("a1111", "forge", "forge-classic", "sdnext"))
def webui(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Webui]:
    data = tmp_path_factory.mktemp("data")
    (data / "extensions").mkdir()
    for webui in started(request.param, BEGIN + MORE, data):
        probe = Path(webui.run("str(lp.host().extension_folder)")) / "reload_probe"
        (probe / "scripts").mkdir(parents=True)
        (probe / "scripts" / "probe.py").write_text(PROBE)
        try:
            webui.wait_until("lp.host().built() is not None")  # it has started
            yield webui
        finally:
            shutil.rmtree(probe)


def reload(webui: Webui) -> None:
    webui.run("begin_reload()")
    webui.wait_until("is_reloaded()")


DO = """
def theirs(name):
    found = (r for r in lp.callbacks() if getattr(r.callback, "__name__", "") == name)
    return next(r for r in found if not r.is_ours)

def names(event):
    return [getattr(r.callback, "__name__", "?") for r in lp.callbacks()[event]
            if r.state == "active"]

lp.callbacks().add("cfg_after_cfg", note("at_an_empty_event"))
lp.callbacks().add("image_saved", note("first"), index=0)
lp.callbacks().add("image_saved", note("last"))
muted, moved = theirs("saved_one"), theirs("step_two")
muted.mute()
moved.move(index=0)
mine = theirs("saved_two").replace(note("instead"))
lp.hooks()["postprocess_image"].add(lambda self, p, pp, *args: ran.append("image"), to="Probe")
lp.hooks()["process"].mute("Probe")
layer = lp.middleware().add(Marking, mark="mine")
lp.routes().add("/added-by-a-notebook", lambda: "mine")
pings = ("/internal/ping", "/sdapi/v1/version")  # SD.Next has the second only
ping = next(r for r in lp.routes() if r.path in pings)
lp.routes().replace(ping.label, lambda: "replaced")
orders = {e: names(e) for e in ("cfg_after_cfg", "image_saved", "cfg_denoiser")}
assert set(orders["image_saved"]) >= {"first", "instead", "loaded_live", "last"}
assert orders["cfg_denoiser"][0] == "step_two" and "step_one" in orders["cfg_denoiser"]
"""

TRUE = """
def is_true():
    now = {e: names(e) for e in orders}
    assert now == orders, now
    assert muted.state == "off" and mine.state == "active"
    holder = lp.hooks()["process"].store.holders()["Probe"]
    assert vars(holder)["postprocess_image"].__globals__ is globals()
    assert [r.state for r in lp.hooks()["process"] if r.name == "Probe"] == ["off"]
    status, marks, body = get(ping.path)
    assert (status, marks, body) == (200, ["mine"], b'"replaced"'), (status, marks, body)
    assert get("/added-by-a-notebook")[2] == b'"mine"'
    assert sum(r.path == "/added-by-a-notebook" for r in lp.routes()) == 1
    assert sum(m.cls is Marking for m in lp.host().app().user_middleware) == 1
    stale = [r for r in lp.patches() if r.state == "stale"]
    assert not stale, stale
    return True
"""


DIFFERENCES = """
{k: ([x for x in v if x not in plain[k]], [x for x in plain[k] if x not in v]) or "order"
 for k, v in registered().items() if v != plain[k]}
"""


EXTENSION = """
from modules import script_callbacks

def loaded_live(params):
    pass

script_callbacks.on_image_saved(loaded_live)
"""


def test_everything_is_true_after_each_reload_and_nothing_after_restore(
    webui: Webui, tmp_path: Path
) -> None:
    reload(webui)
    webui.run("plain = registered()")
    (tmp_path / "live" / "scripts").mkdir(parents=True)
    (tmp_path / "live" / "scripts" / "live.py").write_text(EXTENSION)
    webui.run(f"lp.extensions().load({str(tmp_path / 'live')!r})")
    webui.run(DO + TRUE + "is_true()")
    for _ in range(RELOADS):
        reload(webui)
        webui.run("settled(is_true); assert is_true()")
    webui.run("lp.restore_all()")
    assert webui.run("dead()") == 0
    assert webui.run(DIFFERENCES) == {}
    reload(webui)
    assert webui.run(DIFFERENCES) == {}


def test_what_the_webui_no_longer_registers_is_stale_and_never_written(webui: Webui) -> None:
    reload(webui)
    webui.run(DO.partition("lp.callbacks().add")[0] + "gone = theirs('saved_one'); gone.mute()")
    probe = Path(webui.run("str(lp.host().extension_folder)")) / "reload_probe/scripts/probe.py"
    try:
        probe.write_text("")
        reload(webui)
        webui.run("settled(lambda: gone.state == 'stale')")
        assert webui.run("gone.state, gone.why") == (
            *("stale", "the webui has not registered it again"),
        )
        assert "not registered it again" in webui.shows("%patches")
        webui.run("lp.restore_all()")
        assert "saved_one" not in webui.run("names('image_saved')")
        assert "saved_one" not in webui.run("str(registered()['callbacks_image_saved'])")
    finally:
        probe.write_text(PROBE)
    reload(webui)
    assert "saved_one" in webui.run("names('image_saved')")


def test_a_change_while_the_page_reloads_is_refused(webui: Webui) -> None:
    webui.run(
        "lp.callbacks(); entries = {k: [*v] for k, v in script_callbacks.callback_map.items()}"
    )
    webui.run("[v.clear() for v in script_callbacks.callback_map.values()]")
    try:
        refused = webui.run("error(lambda: lp.callbacks().add('cfg_denoiser', note('new')))")
        assert "the webui is reloading its page" in refused
        assert len(refused.splitlines()) == 3
    finally:
        webui.run("[script_callbacks.callback_map[k].extend(v) for k, v in entries.items()]")
        webui.run("getattr(script_callbacks, 'ordered_callbacks_map', {}).clear()")
