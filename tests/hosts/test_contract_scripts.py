"""The contract with A1111 and its forks: what livepatch relies on there, and what it does there."""

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
import os, sys
from modules import script_callbacks, scripts, shared

class P:
    """What hooks get for `p`."""
    def __init__(self):
        self.seen, self.script_args, self.per_script_args = [], [None] * 1000, {}

ran = []

def note(word):
    def callback(*args, **kwargs):
        ran.append(word)
    callback.__name__ = callback.__qualname__ = word
    return callback

def fire():
    """What runs when an image was saved."""
    ran.clear()
    script_callbacks.image_saved_callback(script_callbacks.ImageSaveParams("i", P(), "f", {}))
    return list(ran)

def register(event, callback):
    getattr(script_callbacks, f"on_{event}")(callback)

def raw():
    """The webui's own data, by identity."""
    data = {k: [id(e) for e in v] for k, v in script_callbacks.callback_map.items()}
    data["classes"] = {d.script_class.__qualname__: {
        k: id(v) for k, v in vars(d.script_class).items() if callable(v)}
        for d in scripts.scripts_data}
    data["runners"] = [[id(s) for s in r.alwayson_scripts] for r in lp.host().runners()]
    return data

def run_method(method):
    """What a runner calls, of the methods that note something."""
    ran.clear()
    getattr(scripts.scripts_txt2img, method)(P(), *([None] if method == "postprocess" else []))
    return list(ran)

def reload_ui():
    """The webui's own reload of its page, until it says that the new one is built."""
    wait_until(lambda: lp.host().built() is not None)  # it has started
    app, built = lp.host().app(), lp.host().built()
    if hasattr(shared, "restart_server"):  # SD.Next: the server starts again in its process
        shared.restart_server(restart=True)
    else:
        shared.state.request_restart()
    wait_until(lambda: lp.host().app() is not app and bool(lp.host().address)
               and lp.host().built() is not built)

def wait_until(is_so):
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)

def error(call):
    try:
        call()
    except LivepatchError as refused:
        return str(refused)
'''


@pytest.fixture(scope="module", params=webuis_of("a1111", "forge", "forge-classic", "sdnext"))
def running(request: pytest.FixtureRequest) -> Iterator[Webui]:
    yield from started(request.param, BEGIN)


@pytest.fixture
def webui(running: Webui) -> Iterator[Webui]:
    """Every test leaves the webui's data as it was, to the very objects."""
    running.run("before = raw()")
    yield running
    running.run(
        """
        lp.restore_all()
        for callbacks in script_callbacks.callback_map.values():
            for entry in list(callbacks):
                if getattr(entry.callback, "__globals__", None) is globals():
                    script_callbacks.remove_callbacks_for_function(entry.callback)
        """
    )
    assert running.run("[k for k, v in raw().items() if v != before.get(k)]") == []


def test_which_webui_it_is(webui: Webui) -> None:
    assert webui.run("lp.host().flavor") == webui.flavor
    assert webui.run("isinstance(lp.host().version, str)") or webui.is_real
    assert webui.run("lp.host().address").startswith("http://127.0.0.1:")
    assert webui.run("sorted({'callbacks', 'hooks', 'extensions'} - lp.host().supports)") == []


def test_the_structures_that_livepatch_relies_on(webui: Webui) -> None:
    assert webui.run("type(script_callbacks.callback_map) is dict")
    kinds = webui.run("sorted({type(v).__name__ for v in script_callbacks.callback_map.values()})")
    assert kinds == ["list"]
    assert webui.run("all(k.startswith('callbacks_') for k in script_callbacks.callback_map)")
    events = set(webui.run("[k[10:] for k in script_callbacks.callback_map]"))
    common = {"app_started", "image_saved", "cfg_denoiser", "script_unloaded", "before_ui"}
    assert common <= events
    if webui.flavor in ("a1111", "forge"):
        assert len(events) == 21
        assert webui.run("sorted(script_callbacks.ScriptCallback.__dataclass_fields__)") == [
            *("callback", "name", "script"),
        ]
        assert webui.run("type(script_callbacks.ordered_callbacks_map) is dict")
        assert webui.run("type(scripts.scripts_txt2img.callback_map) is dict")
    else:
        assert webui.run("script_callbacks.ScriptCallback._fields") == ("script", "callback")
        assert not webui.run("hasattr(script_callbacks, 'ordered_callbacks_map')")
    if webui.flavor == "sdnext":
        assert {"before_process", "after_process", "image_save_btn", "after_ui"} <= events
        assert webui.run("scripts.scripts_control is not None")
    data = webui.run("[sorted(d._fields) for d in scripts.scripts_data][0]")
    assert data == ["basedir", "module", "path", "script_class"]
    # Scripts are no modules of sys.modules: that is why they get names of their own.
    assert not webui.run(
        "any(d.module.__name__ in sys.modules for d in scripts.scripts_data "
        "if not d.module.__name__.startswith('modules.'))"
    )


def test_callbacks_are_listed_in_the_order_in_which_they_run(webui: Webui) -> None:
    webui.run("for word in ('one', 'two', 'three'): register('image_saved', note(word))")
    assert webui.run("fire()") == ["one", "two", "three"]
    listed = "[r.callback.__name__ for r in lp.callbacks()['{}'] if r.callback.__name__ in {}]"
    words = "('one', 'two', 'three')"
    assert webui.run(listed.format("image_saved", words)) == ["one", "two", "three"]
    webui.run("for word in ('one', 'two', 'three'): register('before_ui', note(word))")
    webui.run("ran.clear(); script_callbacks.before_ui_callback()")
    assert webui.run("ran") == webui.run(listed.format("before_ui", words))
    if webui.flavor in ("a1111", "forge", "forge-classic"):
        assert webui.run("ran") == ["three", "two", "one"]


def test_every_callback_has_its_owner_and_its_place(webui: Webui) -> None:
    webui.run("register('image_saved', note('mine'))")
    mine = webui.run(
        "next((r.owner, r.place.rpartition(':')[2].isdigit(), r.state) "
        "for r in lp.callbacks()['image_saved'] if r.callback.__name__ == 'mine')"
    )
    assert mine == ("notebook", True, "active")
    wrong = webui.run(
        """
        from modules import extensions
        folders = {os.path.abspath(e.path): e.name for e in extensions.extensions}
        [(r.name, r.owner) for r in lp.callbacks() for path, name in folders.items()
         if str(getattr(r.item, "script", "")).startswith(path + os.sep)
         and r.owner != f"extension {name}" and not r.is_ours and r.owner != "notebook"]
        """
    )
    assert wrong == []


def test_a_callback_replaced_in_place_takes_effect_at_once(webui: Webui) -> None:
    webui.run("for word in ('one', 'two'): register('image_saved', note(word))")
    assert webui.run("fire()") == ["one", "two"]  # the order is cached by now
    webui.run("event = lp.callbacks()['image_saved']; done = event.replace('one', note('new'))")
    assert webui.run("fire()") == ["new", "two"]
    assert "replaced" in webui.run("str(done)")
    webui.run("lp.undo()")
    assert webui.run("fire()") == ["one", "two"]
    webui.run("lp.redo()")
    assert webui.run("fire()") == ["new", "two"]


def test_add_move_mute_unmute_and_remove(webui: Webui) -> None:
    webui.run("for word in ('one', 'two'): register('image_saved', note(word))")
    webui.run("event = lp.callbacks()['image_saved']")
    webui.run("event.add(note('zero'), before='one')")
    assert webui.run("fire()") == ["zero", "one", "two"]
    webui.run("event.move('two', before='zero')")
    assert webui.run("fire()") == ["two", "zero", "one"]
    webui.run("event.mute('zero')")
    assert webui.run("fire()") == ["two", "one"]
    assert webui.run("[r.state for r in event if r.callback.__name__ == 'zero']") == ["off"]
    webui.run("register('image_saved', note('late'))")  # the webui goes on registering
    assert webui.run("fire()") == ["two", "one", "late"]
    webui.run("event.unmute('zero')")
    assert webui.run("fire()") == ["two", "zero", "one", "late"]
    webui.run("event.remove('one')")
    assert webui.run("fire()") == ["two", "zero", "late"]
    webui.run("lp.undo(); lp.undo()")
    assert webui.run("fire()") == ["two", "one", "late"]
    webui.run("lp.restore_all()")
    assert webui.run("fire()") == ["one", "two", "late"]


def test_a_transaction_is_all_or_nothing(webui: Webui) -> None:
    webui.run("for word in ('one', 'two'): register('image_saved', note(word))")
    webui.run(
        """
        try:
            with lp.transaction():
                lp.callbacks()['image_saved'].mute('one')
                assert fire() == ['two']
                raise ValueError
        except ValueError:
            pass
        """
    )
    assert webui.run("fire()") == ["one", "two"]


def test_the_order_that_users_and_metadata_ask_for(webui: Webui) -> None:
    if webui.flavor not in ("a1111", "forge"):
        pytest.skip("the older registry has no such order")
    webui.run("for word in ('one', 'two'): register('image_saved', note(word))")
    webui.run(
        "name = next(e.name for e in script_callbacks.callback_map['callbacks_image_saved']"
        " if e.callback.__name__ == 'two')\n"
        "shared.opts.data['prioritized_callbacks_image_saved'] = [name]\n"
        "script_callbacks.ordered_callbacks_map.clear()"
    )
    try:
        assert webui.run("fire()") == ["two", "one"]
        listed = "[r.callback.__name__ for r in lp.callbacks()['image_saved']][:1]"
        assert webui.run(listed) == ["two"]
        webui.run("lp.callbacks()['image_saved'].replace('two', note('new'))")
        assert webui.run("fire()") == ["new", "one"]
    finally:
        webui.run("lp.restore_all(); shared.opts.data.pop('prioritized_callbacks_image_saved')")
        webui.run("script_callbacks.ordered_callbacks_map.clear()")
    assert webui.run("fire()") == ["one", "two"]


TWO_SCRIPTS = """
class One(scripts.Script):
    def title(self): return "One"
    def show(self, is_img2img): return scripts.AlwaysVisible
    def process(self, p, *args): ran.append("one")

class Two(One):
    def title(self): return "Two"
    def process(self, p, *args): ran.append("two")

added = []
for runner in lp.host().runners():
    for cls in (One, Two):
        script = cls()
        script.filename, script.args_from, script.args_to = "two_scripts.py", 0, 1
        runner.scripts.append(script)
        runner.alwayson_scripts.append(script)
        added.append((runner, script))

def take_out():
    for runner, script in added:
        runner.scripts.remove(script)
        runner.alwayson_scripts.remove(script)
        getattr(runner, "callback_map", {}).clear()
"""


@pytest.fixture
def two_scripts(webui: Webui) -> Iterator[Webui]:
    webui.run(TWO_SCRIPTS)
    yield webui
    webui.run("lp.restore_all(); take_out()")


def test_hooks_are_listed_in_the_order_of_a_run(two_scripts: Webui) -> None:
    webui = two_scripts
    assert webui.run("run_method('process')") == ["one", "two"]
    mine = "[r.name for r in lp.hooks()['process'] if r.name in ('One', 'Two')]"
    assert webui.run(mine) == ["One", "Two"]
    events = webui.run("lp.hooks().events")
    order = [e for e in events if e in ("before_process", "process", "process_batch")]
    assert order == ["before_process", "process", "process_batch"]
    assert events.index("process_batch") < events.index("postprocess")


def test_a_hook_added_to_a_class_that_lacked_it_runs(two_scripts: Webui) -> None:
    webui = two_scripts
    assert webui.run("run_method('postprocess')") == []  # cached: neither has it
    done = webui.run(
        "str(lp.hooks()['postprocess'].add(lambda self, p, processed, *args: ran.append('added'), "
        "to='One'))"
    )
    assert "added One to postprocess of scripts" in done
    assert webui.run("run_method('postprocess')") == ["added"]  # and not what inherits from it
    webui.run("lp.undo()")
    assert webui.run("run_method('postprocess')") == []
    assert webui.run("['postprocess' in vars(cls) for cls in (One, Two)]") == [False, False]


def test_hooks_replaced_muted_and_removed(two_scripts: Webui) -> None:
    webui = two_scripts
    webui.run("hook = lp.hooks()['process']; old = vars(One)['process'], vars(Two)['process']")
    webui.run("hook.replace('Two', lambda self, p, *args: ran.append('new'))")
    assert webui.run("run_method('process')") == ["one", "new"]
    webui.run("hook.mute('Two')")
    assert webui.run("run_method('process')") == ["one"]
    webui.run("hook.unmute('Two')")
    assert webui.run("run_method('process')") == ["one", "new"]
    webui.run("hook.remove('One')")
    assert webui.run("run_method('process')") == ["new"]
    webui.run("lp.restore_all()")
    assert webui.run("run_method('process')") == ["one", "two"]
    assert webui.run("(vars(One)['process'], vars(Two)['process']) == old")


def test_a_hook_that_raises_is_the_webuis_to_report(two_scripts: Webui) -> None:
    webui = two_scripts
    webui.run("lp.hooks()['process'].replace('One', lambda self, p, *args: 1 / 0)")
    shown = webui.shows("run_method('process')")
    assert "['two']" in shown
    assert "division by zero" in shown + webui.output()
    assert webui.run("lp.hooks()['process']['One'].state") == "active"


def test_callbacks_and_hooks_are_timed(two_scripts: Webui) -> None:
    webui = two_scripts
    webui.run("kept, gone = note('kept'), note('gone')")
    webui.run("register('image_saved', kept); register('image_saved', gone)")
    webui.run("during = raw(), fire()")
    webui.run(
        """
        with lp.timing(only=["callbacks", "hooks"]) as t:
            for _ in range(3):
                fire()
                run_method("process")
            script_callbacks.remove_callbacks_for_function(gone)  # as extensions do
            after = fire()
        """
    )
    assert webui.run("after") == ["kept"]
    parts = webui.run(
        "{p.name.partition('/')[0] + '/' + p.name.rpartition('/')[2]: (p.group, p.calls) for p in t"
        " if p.calls}"
    )
    assert parts["process/One"] == ("hooks", 3)
    assert parts["process/Two"] == ("hooks", 3)
    mine = [calls for name, (_, calls) in parts.items() if name.startswith("image_saved")]
    assert {3, 4} <= set(mine)
    assert webui.run("[p.calls for p in t if p.group == 'extensions' and p.owner == 'notebook']")
    assert webui.run("all(p.median >= 0 and p.p95 >= p.median for p in t)")
    shown = webui.run("str(t)")
    assert "share" in shown
    assert "image_saved/" in shown
    # Off again: everything is the webui's own, to the very objects.
    webui.run("script_callbacks.remove_callbacks_for_function(kept)")
    assert webui.run("raw()['classes'] == during[0]['classes']")
    assert webui.run("fire(), run_method('process')") == ([], ["one", "two"])


def test_a_change_while_calls_are_timed(webui: Webui) -> None:
    webui.run("for word in ('one', 'two'): register('image_saved', note(word))")
    webui.run("t = lp.timing(only=['callbacks']).start()")
    webui.run("event = lp.callbacks()['image_saved']; event.mute('one')")
    assert webui.run("fire()") == ["two"]
    webui.run("event.replace('two', note('new'))")
    assert webui.run("fire()") == ["new"]
    webui.run("t.stop()")
    assert webui.run("fire()") == ["new"]
    webui.run("lp.restore_all()")
    assert webui.run("fire()") == ["one", "two"]


def test_work_of_an_extension_that_is_off_is_flagged(two_scripts: Webui) -> None:
    webui = two_scripts
    webui.run(
        """
        from modules import extensions
        known = extensions.extensions[0]
        def slow(params):
            time.sleep(0.002)
        slow.__module__ = "slow"  # as that of a script of the extension's
        register("image_saved", slow)
        script = os.path.join(known.path, "scripts", "slow.py")
        fields = {"script": script, "callback": slow}
        if "name" in getattr(script_callbacks.ScriptCallback, "__dataclass_fields__", ()):
            fields["name"] = "slow"
        script_callbacks.callback_map["callbacks_image_saved"][-1] = (
            script_callbacks.ScriptCallback(**fields))
        getattr(script_callbacks, "ordered_callbacks_map", {}).clear()
        with lp.timing(only=["callbacks"]) as t:
            fire()
        before_off = str(t)
        own_off = shared.opts.data.get("disabled_extensions", [])
        shared.opts.data["disabled_extensions"] = [*own_off, known.name]
        flagged = str(t)
        shared.opts.data["disabled_extensions"] = own_off
        shared.opts.data[known.name.lower().replace("-", "_") + "_enabled"] = False
        by_setting = str(t)
        del shared.opts.data[known.name.lower().replace("-", "_") + "_enabled"]
        """
    )
    webui.run("script_callbacks.remove_callbacks_for_function(slow)")
    assert "but it still runs" not in webui.run("before_off")
    assert ": off in the webui, but it still runs" in webui.run("flagged")
    assert "_enabled, but it still runs" in webui.run("by_setting")


def test_the_magics(webui: Webui) -> None:
    webui.run("register('image_saved', note('of_magics'))")
    shown = webui.shows("%callbacks image_saved")
    assert '= lp.callbacks()["image_saved"]' in shown
    assert "of_magics" in shown
    assert "of extension" not in webui.shows("%hooks process")
    answer = webui.shows("%callbacks mute of_magics")
    assert "muted" in answer
    assert '= lp.callbacks().mute("of_magics")' in answer
    assert webui.run("fire()") == []
    webui.shows("%callbacks unmute of_magics")
    assert webui.run("fire()") == ["of_magics"]
    webui.run("def mine(params): ran.append('mine')")
    assert "added mine" in webui.shows("%callbacks add image_saved mine --before of_magics")
    assert webui.run("fire()") == ["mine", "of_magics"]
    assert "moved" in webui.shows("%callbacks move mine --after of_magics")
    assert webui.run("fire()") == ["of_magics", "mine"]
    assert "takes a name" in webui.shows("%callbacks mute")
    assert "has no event" not in webui.shows("%callbacks --time")
    webui.run("fire()")
    assert "image_saved/" in webui.shows("%callbacks --time --off")
    assert "extensions" in webui.shows("%webui")
    journal = webui.shows("%journal")
    assert "mute" in journal
    assert "callbacks of image_saved" in journal
    assert "callbacks of image_saved" in webui.shows("%patches")
    offered = webui.run(
        "ip = get_ipython(); [m for m in ip.Completer.complete('%callbacks mu')[1]], "
        "[m for m in ip.complete('image_', '%callbacks image_')[1]]"
    )
    assert "image_saved" in offered[1]


EXTENSION = """
import sys
from modules import script_callbacks, scripts
from helpers_of_live import told

WORD = "first"

def on_saved(params):
    told(WORD)

class Live(scripts.Script):
    def title(self): return "Live"
    def show(self, is_img2img): return scripts.AlwaysVisible
    def process(self, p, *args): told("process " + WORD)

def patched(*args, _own=sys.modules["contract_probe"].shown):
    return _own() + " and " + WORD

def started(demo, app):
    def answer():
        return WORD
    app.add_api_route("/live-extension", answer)
    app.router.routes.insert(0, app.router.routes.pop())
    sys.modules["contract_probe"].shown = patched

script_callbacks.on_app_started(started)
script_callbacks.on_image_saved(on_saved)
script_callbacks.on_ui_tabs(lambda: [])
"""


@pytest.fixture
def live(webui: Webui, tmp_path: Path) -> Iterator[Path]:
    """An extension with a callback, a script, a route, a patch and a module of its own."""
    folder = tmp_path / "live-extension"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "live.py").write_text(EXTENSION)
    (folder / "helpers_of_live.py").write_text(
        "import sys\n\ndef told(word):\n    sys.modules['contract_probe'].ran.append(word)\n"
    )
    webui.run(
        """
        import urllib.error, urllib.request
        sys.modules["contract_probe"] = probe = type(sys)("contract_probe")
        exec("def shown(): return 'old'", vars(probe))
        probe.ran = []
        def ask(path):
            try:
                with urllib.request.urlopen(lp.host().address + path, timeout=30) as answer:
                    return answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code
        def works():
            probe.ran.clear()
            fire()
            run_method("process")
            words = [*probe.ran, probe.shown(), ask("/live-extension")]
            found = {w.removeprefix("process ").removeprefix("old and ").strip('"')
                     for w in words if isinstance(w, str)} & {"first", "second", "third"}
            count = sum(any(f in str(w) for f in found) for w in words)
            assert count in (0, 4), words
            return found.pop() if found else None
        """
    )
    yield folder
    webui.run("lp.restore_all(); del sys.modules['contract_probe']")


def test_an_extension_is_loaded_reloaded_and_unloaded(webui: Webui, live: Path) -> None:
    check_load_reload_and_unload(webui, live, live / "scripts" / "live.py", "works()")


def test_what_ends_while_it_loads_leaves_nothing(webui: Webui, live: Path) -> None:
    check_what_ends_while_it_loads(webui, live, live / "scripts" / "live.py", "works()")


def test_what_a_loaded_extension_has_is_its_own(webui: Webui, live: Path) -> None:
    said = webui.run(f"str(lp.extensions().load({str(live)!r}))")
    for counted in ("3 callbacks", "1 script", "1 route", "1 patch", "1 module"):
        assert counted in said
    assert "ui_tabs: called by the page's next Reload UI" in said
    assert webui.run("sorted({r.event for r in lp.extensions()['live-extension'].callbacks})") == [
        *("app_started", "image_saved", "ui_tabs"),
    ]
    assert webui.run("[r.name for r in lp.extensions()['live-extension'].hooks]") == ["Live"]
    names = webui.run("sorted(lp.host().modules())")
    assert "extensions.live_extension.live" in names
    webui.run("lp.replace('extensions.live_extension.live.WORD', 'patched')")
    assert webui.run("fire(); probe.ran[-1]") == "patched"
    mine = "lp.extensions()['live-extension']"
    assert webui.run(f"[route.path for route in {mine}.routes]") == ["/live-extension"]
    assert webui.run(f"[f.name for f in {mine}.files], [f.name for f in {mine}.scripts]") == (
        *(["helpers_of_live.py", "live.py"], ["live.py"]),
    )
    assert webui.run(f"{mine}.start > 0")
    webui.run("with lp.timing(only=['callbacks']): fire()")
    assert webui.run(f"{mine}.run > 0")
    shown = webui.shows("%extensions")
    assert "start ms" in shown
    assert "/live-extension" in shown
    shown = webui.shows("%extensions live-extension")
    assert "image_saved" in shown
    assert "unloaded live-extension" in webui.shows("%extensions unload live-extension")
    assert webui.run("works()") is None


def test_an_extension_of_the_webuis_own_is_unloaded(webui: Webui) -> None:
    webui.run(
        """
        table = lp.extensions()
        victim = next(e for e in table if e.callbacks and e.hooks) if any(
            e.callbacks and e.hooks for e in table) else next(e for e in table if e.callbacks)
        had = [r.callback for r in victim.callbacks]
        said = str(table.unload(victim.name))
        """
    )
    assert "callback" in webui.run("said")
    assert webui.run("[r for r in lp.callbacks() if r.callback in had]") == []
    webui.run("lp.undo()")
    assert webui.run("len([r for r in lp.callbacks() if r.callback in had]) == len(had)")


def test_what_is_no_extension_is_refused(webui: Webui, tmp_path: Path) -> None:
    check_nonsense(webui, tmp_path / "empty")


def test_bad_input_changes_nothing(webui: Webui) -> None:
    webui.run("register('image_saved', note('one')); event = lp.callbacks()['image_saved']")
    unknown = webui.run("error(lambda: lp.callbacks()['image_svaed'])")
    assert "has no event 'image_svaed'" in unknown
    assert "did you mean image_saved" in unknown
    assert len(unknown.splitlines()) == 3
    webui.run("one = event['one']; script_callbacks.remove_callbacks_for_function(one.callback)")
    gone = webui.run("error(lambda: one.mute())")
    assert "is no longer registered" in gone
    assert len(gone.splitlines()) == 3
    assert "cannot be called" in webui.run("error(lambda: event.add(3))")
    assert "goes from 0 to" in webui.run("error(lambda: event.add(note('x'), index=999))")
    assert "nothing is registered as" in webui.run("error(lambda: lp.callbacks().mute('nil'))")
    assert webui.run("fire()") == []


def test_a_registry_of_an_unknown_shape_is_said_and_shown(webui: Webui) -> None:
    webui.run("register('image_saved', note('one'))")  # empty events are counted only
    webui.run(
        "own = script_callbacks.callback_map\n"
        "script_callbacks.callback_map = {**own, 'callbacks_odd': 7, 'another': []}"
    )
    try:
        shown = webui.shows("print(lp.callbacks())")
        assert "odd: of an unknown shape (int)" in shown
        assert "image_saved" in shown
        refused = webui.run("error(lambda: lp.callbacks()['odd'].add(note('x')))")
        assert "unknown shape" in refused
        webui.run("script_callbacks.callback_map = [1, 2]")
        refused = webui.run("error(lp.callbacks)")
        assert "callback_map" in refused
        assert "list" in refused
        assert len(refused.splitlines()) == 3
    finally:
        webui.run("script_callbacks.callback_map = own")


def test_functions_of_extension_scripts_have_names(webui: Webui) -> None:
    names = webui.run("sorted(lp.host().modules())")
    assert names
    assert all(name.startswith(("extensions.", "scripts.")) for name in names)
    target = webui.run(
        """
        import types
        path = next(f"{name}.{key}" for name, module in sorted(lp.host().modules().items())
                    for key, value in vars(module).items()
                    if isinstance(value, types.FunctionType) and not key.startswith("_")
                    and value.__globals__ is vars(module))
        path
        """
    )
    webui.run("layer = lp.replace(path, lambda *args, **kwargs: 'patched')")
    assert webui.run("layer.target") == target
    assert webui.run(
        "from livepatch.engine.naming.lookup import look_up; look_up('', path).value()"
    ) == ("patched")
    offered = webui.run(
        "from livepatch.engine.naming.completion import targets_beginning; "
        "targets_beginning(path.rpartition('.')[0] + '.')"
    )
    assert target in offered


def test_a_change_when_idle_waits_for_the_generation(webui: Webui) -> None:
    webui.run(
        """
        from modules.call_queue import queue_lock
        def shown(): return "old"
        sys.modules["contract_probe"] = probe = type(sys)("contract_probe")
        exec("def shown(): return 'old'", vars(probe))
        """
    )
    assert webui.run("lp.host().is_idle()")
    webui.run(
        """
        with queue_lock:
            busy = lp.host().is_idle()
            layer = lp.replace("contract_probe.shown", lambda: "new", when="idle")
            during = layer.state, probe.shown()
        """
    )
    assert webui.run("busy, during") == (False, ("pending", "old"))
    webui.run(
        "end = time.monotonic() + 20\n"
        "while layer.state == 'pending' and time.monotonic() < end: time.sleep(0.01)"
    )
    assert webui.run("layer.state, probe.shown()") == ("active", "new")


def test_interrupt_is_the_webuis_own(webui: Webui) -> None:
    webui.run("shared.state.interrupted = False; said = lp.host().interrupt()")
    assert webui.run("said, shared.state.interrupted") == (
        "shared.state.interrupt() was called",
        True,
    )
    webui.run("shared.state.interrupted = False")


def test_reload_ui_leaves_layers_and_what_is_muted(webui: Webui) -> None:
    webui.run(
        """
        sys.modules["contract_probe"] = probe = type(sys)("contract_probe")
        exec("def shown(): return 'old'", vars(probe))
        layer = lp.replace("contract_probe.shown", lambda: "new")
        owners = [r.owner for r in lp.callbacks() if r.owner.startswith("extension")]
        muted = next(r for r in lp.callbacks() if r.owner.startswith("extension")
                     and len({x.name for x in r.point}) == len(list(r.point)))
        where = muted.event, muted.name
        muted.mute()
        """
    )
    webui.run("reload_ui()")
    assert webui.run("layer.state, probe.shown()") == ("active", "new")
    assert webui.run("lp.callbacks()[where[0]][where[1]].state") == "off"
    assert webui.run("any(s for s in scripts.scripts_txt2img.alwayson_scripts)") or webui.is_real
    assert webui.run("[r.owner for r in lp.callbacks() if r.owner.startswith('extension')]")
    webui.run("lp.restore_all()")
    assert webui.run("lp.callbacks()[where[0]][where[1]].state") == "active"
    webui.run("before = raw()")
