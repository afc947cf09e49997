"""What is done to A1111 and its forks is true after each of their Reload UIs, once, in its place.

And after ``restore_all`` the webui has what it would have without livepatch.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from running import Webui, started, webuis_of
from test_contract_scripts import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELOADS = int(os.environ.get("LIVEPATCH_RELOADS", "2"))

MORE = """
import contextlib, urllib.error, urllib.request
from livepatch.registries.finding import matches

def reload():
    settled(lambda: lp.host().built() is not None, 100)  # it has started
    app, seen = lp.host().app(), lp.host().built()
    if hasattr(shared, "restart_server"):
        shared.restart_server(restart=True)
    else:
        shared.state.request_restart()
    end = time.monotonic() + 200
    def is_done():
        found = lp.host()
        return found.app() is not app and found.built() is not seen and bool(found.address)
    while not is_done() and time.monotonic() < end:
        time.sleep(0.02)
    assert is_done()

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


@pytest.fixture(scope="module", params=webuis_of("a1111", "forge", "forge-classic", "sdnext"))
def webui(request: pytest.FixtureRequest) -> Iterator[Webui]:
    yield from started(request.param, BEGIN + MORE)


DO = """
saved = lp.callbacks()["image_saved"]
own = [r for r in saved if r.owner.startswith("extension")]
full = saved.event if own else "cfg_denoiser"
first, last = note("first"), note("last")
lp.callbacks().add("cfg_after_cfg", note("at an empty event"), name="empty")
lp.callbacks().add(full, first, name="first", index=0)
lp.callbacks().add(full, last, name="last")
at_start = ("app_started", "ui_tabs", "ui_settings", "script_unloaded", "before_ui")
theirs = [r for r in lp.callbacks() if r.owner.startswith("extension")
          and r.event not in at_start and getattr(r.callback, "__name__", "") != "loaded_live"
          and [x.name for x in r.point].count(r.name) == 1]
muted = theirs[0]
where = muted.event, muted.name
muted.mute()
moved = None
for point in (p for p in lp.callbacks().points if p.event != muted.event):
    if len([r for r in point if r.state == "active"]) > 1 and point.event != full:
        moved = point[-1]
        moved_to = point.event, moved.name
        moved.move(index=0)
        break
replaced = next((r for r in theirs if r is not muted and r is not moved), None)
if replaced is not None:
    replaced_at = replaced.event, replaced.name
    mine = replaced.replace(note("instead"))
script = next(iter(lp.hooks()["process"].store.holders()), None)
lp.hooks().add("postprocess_image", lambda self, p, pp, *args: ran.append("image"), to=script)
hooked = lp.hooks()["process"]
hook = hooked[0].name if len(hooked) else None
if hook:
    hooked.mute(hook)
layer = lp.middleware().add(Marking, mark="mine")
lp.routes().add("/added-by-a-notebook", lambda: "mine")
ping = next(r for r in lp.routes() if r.path == "/internal/ping")
lp.routes().replace(ping.label, lambda: "replaced")
orders = {e: order(e) for e in {full, "cfg_after_cfg", *([moved_to[0]] if moved else [])}}
"""

TRUE = """
def is_true():
    assert orders == {e: order(e) for e in orders}, {e: order(e) for e in orders}
    assert lp.callbacks()[where[0]][where[1]].state == "off"
    if replaced is not None:
        found = [r for r in lp.callbacks()[replaced_at[0]] if r.name == replaced_at[1]]
        assert [r.state for r in found] == ["active"] and found[0].callback is mine.callback, found
    holder = lp.hooks()["postprocess_image"].store.holders()[script]
    assert vars(holder)["postprocess_image"].__globals__ is globals()
    if hook:
        assert [r.state for r in lp.hooks()["process"] if r.name == hook] == ["off"]
    status, marks, body = get("/internal/ping")
    assert (status, marks, body) == (200, ["mine"], b'"replaced"'), (status, marks, body)
    assert get("/added-by-a-notebook")[2] == b'"mine"'
    assert sum(r.path == "/added-by-a-notebook" for r in lp.routes()) == 1
    assert lp.host().app().user_middleware[0].cls is Marking or any(
        m.cls is Marking for m in lp.host().app().user_middleware)
    live = [r for r in saved if getattr(r.callback, "__name__", "") == "loaded_live"]
    assert [r.state for r in live] == ["active"], live
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
    webui.run("reload(); plain = registered()")
    (tmp_path / "live" / "scripts").mkdir(parents=True)
    (tmp_path / "live" / "scripts" / "live.py").write_text(EXTENSION)
    webui.run(f"lp.extensions().load({str(tmp_path / 'live')!r})")
    webui.run(DO + TRUE + "is_true()")
    for _ in range(RELOADS):
        webui.run("reload(); settled(is_true); assert is_true()")
    webui.run("lp.restore_all()")
    assert webui.run("dead()") == 0
    assert webui.run(DIFFERENCES) == {}
    webui.run("reload()")
    assert webui.run(DIFFERENCES) == {}


def test_what_the_webui_no_longer_registers_is_stale_and_never_written(webui: Webui) -> None:
    webui.run(
        """
        at_start = ("app_started", "ui_tabs", "ui_settings", "script_unloaded", "before_ui")
        theirs = [r for r in lp.callbacks()
                  if r.owner.startswith("extension") and r.event not in at_start
                  and [x.name for x in r.point].count(r.name) == 1]
        gone = theirs[0]
        where = gone.event, gone.name
        gone.mute()
        extension = gone.owner.removeprefix("extension ")
        shared.opts.data.setdefault("disabled_extensions", [])
        before = list(shared.opts.data["disabled_extensions"])
        shared.opts.data["disabled_extensions"] = [*before, extension]
        reload()
        settled(lambda: gone.state == "stale")
        """
    )
    assert webui.run("gone.state, gone.why") == (
        *("stale", "the webui has not registered it again"),
    )
    webui.run("lp.restore_all()")
    assert webui.run("[r.name for r in lp.callbacks()[where[0]] if r.name == where[1]]") == []
    webui.run("shared.opts.data['disabled_extensions'] = before; reload()")
    assert webui.run("[r.state for r in lp.callbacks()[where[0]] if r.name == where[1]]") == [
        "active"
    ]


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
