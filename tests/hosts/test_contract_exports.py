"""What is exported in a webui is loaded into that webui as its other extensions, and taken out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from exports_changes import REFUSED, Change, changes_of
from exports_running import PACK, Home
from running import HERE, Webui, webuis_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each of two dozen exports starts a process, and a real webui starts in a minute.
pytestmark = pytest.mark.timeout(1500)

TARGETS = {
    "a1111": "modules.extensions.list_extensions",
    "forge": "modules.extensions.list_extensions",
    "comfyui": "nodes.before_node_execution",
    "textgen": "modules.extensions.apply_extensions",
}


@pytest.fixture(params=webuis_of("a1111", "forge", "comfyui", "textgen"))
def webui(request: Any) -> Iterator[Webui]:
    found = Webui(*request.param)
    try:
        yield found
    finally:
        found.close()


def test_an_export_is_loaded_reloaded_and_unloaded(webui: Webui, tmp_path: Path) -> None:
    module, _, name = TARGETS[webui.flavor].rpartition(".")
    webui.run(f"import sys\nfunction = sys.modules[{module!r}].{name}\nown = function.__code__")
    webui.run(f"lp.replace(function, 'def {name}(*args, **kwargs):\\n    return None')")
    told = webui.run(f"str(lp.export({str(tmp_path)!r}, name='quiet'))")
    assert "applied 1 and took them back" in told
    assert "left out" not in told
    webui.run("lp.restore_all()")
    assert webui.run("function.__code__ is own")
    target = TARGETS[webui.flavor]
    owners = f"[layer.owner for layer in lp.patches() if str(layer.target) == {target!r}]"
    load = f"str(lp.extensions().load({str(tmp_path / 'quiet')!r}))"
    for verb in (load, "str(lp.extensions().reload('quiet'))"):
        assert "loaded quiet" in webui.run(verb)
        assert webui.run(owners) == ["extension quiet"]
        assert webui.run("function.__code__ is own") is False
    for verb, there in (("extensions().unload('quiet')", False), ("undo()", True)):
        webui.run(f"lp.{verb}")
        assert webui.run(owners) == ["extension quiet"] * there
        assert webui.run("function.__code__ is own") is not there
    webui.run("lp.restore_all()")
    assert webui.run("function.__code__ is own")


BEGIN = f"""
import pathlib, sys, tempfile, threading
named = {{**sys.modules, **lp.host().modules()}}
home = sorted(n for n, m in named.items() if n.endswith({PACK!r}) and "/" not in n
              or n.endswith("{PACK}.script"))[-1]
{PACK} = named[home]
zz_watched = pathlib.Path(tempfile.mkdtemp()) / "watched.py"

def zz_outputs():
    found = []
    thread = threading.Thread(target=lambda: found.append({PACK}.outputs()))
    thread.start()
    thread.join()
    return found[0]

before = zz_outputs()
"""


class Exported:
    """What was live while one export was written.

    Attributes:
        change: what was changed.
        path: the export.
        during: what everything answered.
        told: the answer of the export.
    """

    def __init__(self, webui: Webui, change: Change, home: str, folder: Path) -> None:
        self.change = change
        webui.run(change.cell.replace("PACK", home))
        self.during: dict[str, str] = webui.run("zz_outputs()")
        options = f", {change.options}" if change.options else ""
        name = f"zzz-{change.kind}"  # loaded behind zz_pack
        answer = webui.run(f"str(lp.export({str(folder)!r}, name={name!r}{options}))")
        self.told = str(answer)
        self.path = folder / name
        webui.run("lp.restore_all()")
        assert webui.run("zz_outputs() == before"), change.kind


class Live:
    """A webui in which everything was changed and exported, one after the other."""

    def __init__(self, parameter: Any, folder: Path) -> None:
        self.home = Home(*parameter, folder / "webui")
        exports = folder / "exports"
        webui = self.home.live()
        try:
            webui.run(BEGIN)
            self.before: dict[str, str] = webui.run("before")
            name = self.name = webui.run("home")
            changes = changes_of(webui.flavor)
            self.exports = [Exported(webui, change, name, exports) for change in changes]
            self.refused = []
            for cell, word in REFUSED:
                webui.run(cell.replace("PACK", name))
                code = f"lp.export({str(exports)!r}, name='zz-refused')"
                self.refused.append((webui.shows(code), word))
                webui.run("lp.restore_all()")
            folder_of = "str(lp.host().export_folder(single_file=False))"
            self.folder = Path(webui.run(folder_of))
        finally:
            webui.close()

    def fresh(self, exports: list[Exported]) -> dict[str, Any]:
        return self.home.fresh([one.path for one in exports], [one.path.name for one in exports])


@pytest.fixture(scope="module", params=webuis_of("a1111", "forge", "sdnext", "comfyui", "textgen"))
def live(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Live:
    return Live(request.param, tmp_path_factory.mktemp("exports"))


def check(live: Live, exports: list[Exported], told: dict[str, Any]) -> None:
    """What was live is what they do; off they do nothing."""
    expected = dict(live.before)
    for one in exports:
        expected.update({answer: one.during[answer] for answer in one.change.answers})
    log = told["log"][-2000:]
    assert told["warnings"] == [], log
    assert told["on"] == expected, log
    assert told["off"] == live.before
    assert told["again"] == expected
    assert told["alone"] is True


def test_what_was_live_is_what_all_exports_do_in_a_fresh_webui(live: Live) -> None:
    for one in live.exports:
        changed = {name for name in live.before if one.during[name] != live.before[name]}
        assert changed == set(one.change.answers), one.change.kind
        assert "took them back in a clean process" in one.told
        assert ("left out" in one.told) is bool(one.change.said), one.told
        assert one.change.said.replace("PACK", live.name) in one.told
    together = [one for one in live.exports if not one.change.said]
    assert len(together) >= 20
    check(live, together, live.fresh(together))


def test_one_that_leaves_something_out_does_the_rest(live: Live) -> None:
    (one,) = (one for one in live.exports if one.change.said)
    check(live, [one], live.fresh([one]))


def test_each_of_them_alone_in_a_fresh_webui(live: Live) -> None:
    if live.home.command is not None:
        pytest.skip("a real one loads them together: each start takes long")
    for one in live.exports:
        check(live, [one], live.fresh([one]))


def test_what_cannot_be_exported_is_said(live: Live) -> None:
    for shown, word in live.refused:
        assert "ExportRefused: export zz-refused" in shown
        assert word in shown
    assert not (live.exports[0].path.parent / "zz-refused").exists()


def test_exports_go_to_the_webuis_own_folder(live: Live) -> None:
    wanted = live.home.extensions
    if live.home.flavor == "comfyui" and live.home.command is not None:
        assert live.folder.name == "custom_nodes"  # its own; the test's is a further one
    else:
        assert live.folder == wanted


def test_one_that_was_off_when_the_page_was_loaded_again_is_complete_when_it_is_on(
    tmp_path: Path,
) -> None:
    home = Home("a1111", None, tmp_path / "webui")
    (change,) = (one for one in changes_of("a1111") if one.kind == "middleware")
    webui = home.live()
    try:
        webui.run(f"{change.cell}\nlp.export(name='zz-words')")
    finally:
        webui.close()
    webui = home.live()
    try:
        webui.run(RELOAD)
        names = "[m.cls.__name__ for m in lp.host().app().user_middleware]"
        assert "ZzMiddleware" in webui.run(names)
        webui.run("switch(False)")
        assert "ZzMiddleware" not in webui.run(names)
        webui.run("reload()")
        assert "ZzMiddleware" not in webui.run(names)
        webui.run("switch(True)")
        assert "ZzMiddleware" in webui.run(names)
        webui.run("reload()")
        assert webui.run(names).count("ZzMiddleware") == 1
    finally:
        webui.close()


RELOAD = """
import sys
from modules import shared

def switch(on):
    shared.opts.data["zz_words_changes_enabled"] = on
    sys.modules["zz_words_changes"].when_switched()

def reload():
    app, told = lp.host().app(), []
    former = sys.modules["zz_words_changes"]
    shared.state.request_restart()
    end = time.monotonic() + 50
    while time.monotonic() < end and (
        lp.host().app() in (app, None)
        or sys.modules.get("zz_words_changes") in (former, None)
        or sys.modules["zz_words_changes"].EXTENSION.app is None
    ):
        time.sleep(0.05)
"""


def test_a_hook_is_found_from_whichever_folder_its_extension_is_loaded(tmp_path: Path) -> None:
    home = Home("textgen", None, tmp_path / "webui")
    home.others = ("shout",)
    change = Change(
        "shout",
        "def zz_shout(string):\n    return string + ' shouted'\n"
        "lp.hooks()['input_modifier'].replace('shout', zz_shout)",
        ("replaced hook",),
    )
    webui = home.live()
    try:
        webui.run(BEGIN)
        assert webui.run("'user_ext_shout' in sys.modules") is False
        one = Exported(webui, change, "shout", tmp_path / "exports")
        before = webui.run("before")
    finally:
        webui.close()
    assert "shouted" in one.during["replaced hook"]
    shutil.copytree(HERE / "textgen" / "extensions" / "shout", home.extensions / "shout")
    told = home.fresh([one.path], [one.path.name])
    assert told["warnings"] == []
    assert told["on"] == told["again"] == one.during
    assert told["off"] == before
    # Named before the extension that it changes, it says what to do.
    home.others = (one.path.name, "shout")
    told = home.fresh([one.path], [])
    assert f"name shout before {one.path.name} behind --extensions" in told["log"]
    assert told["on"] == before
