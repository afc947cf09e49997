"""What is done to a hook of text-generation-webui holds over a reload of its extension, and ends.

Every combination of a change, of who reloads the extension (its file edited before), and of the way
back: the change is true of the new module, and afterwards the module is as a fresh one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from running import Webui, started, webuis_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEGIN = """
import sys, types
from pathlib import Path
from modules import extensions, shared

class LlamaServer:
    last_prompt_token_count = 0
    def generate(self, question, state):
        return f"<{question}>"
    def generate_with_streaming(self, question, state):
        yield f"<{question}>"

class Tokenizer:
    def encode(self, text, **options): return [ord(c) for c in text]
    def decode(self, ids, **options): return "".join(map(chr, ids))

shared.model, shared.tokenizer, shared.model_name = LlamaServer(), Tokenizer(), "stub"
own = shared.user_data_dir, shared.args.extensions, list(extensions.available_extensions)

def file_of(name):
    return shared.user_data_dir / "extensions" / name / "script.py"

def write(text):
    file_of("probe").parent.mkdir(parents=True, exist_ok=True)
    file_of("probe").write_text(text)

def functions(module):
    found = {n: v for n, v in vars(module).items() if callable(v) and not n.startswith("__")}
    return {n: v.__code__ for n, v in found.items()}

def is_fresh():
    module = extensions.state["probe"][2]
    fresh = types.ModuleType("fresh")
    exec(compile(file_of("probe").read_text(), "fresh", "exec"), vars(fresh))
    return functions(module) == functions(fresh)

def said():
    text = extensions.apply_extensions("input", "a", {})
    return extensions.apply_extensions("output", text, {})

def asked(call):
    end = time.monotonic() + 20
    while not call() and time.monotonic() < end:
        time.sleep(0.02)
    return call()

def mute():
    lp.hooks().mute("output_modifier/probe")
def replace():
    lp.hooks().replace("output_modifier/probe", lambda string, state: string + "-mine")
def add():
    lp.hooks().add("input_modifier", lambda string: string + "-mine", to="probe")

def by_us():
    lp.extensions().reload("probe")
def by_webui():
    extensions.load_extensions()
def of_file():
    module = extensions.state["probe"][2]
    exec(compile(file_of("probe").read_text(), module.__file__, "exec"), vars(module))

def restore():
    lp.restore_all()
def undo():
    for _ in range(4):
        if lp.patches():
            lp.undo()
def detach():
    get_ipython().run_line_magic("unload_ext", "livepatch")
    get_ipython().run_line_magic("load_ext", "livepatch")
"""
TEXT = """
WORD = {word!r}
def output_modifier(string, state):
    return string + {word!r}
def helper(string):
    return string
"""
DONE = {"mute": "a", "replace": "a-mine", "add": "a-mine-new"}


@pytest.fixture(scope="module", params=webuis_of("textgen"))
def running(request: pytest.FixtureRequest) -> Iterator[Webui]:
    yield from started(request.param, BEGIN)


@pytest.fixture
def webui(running: Webui, tmp_path: Path) -> Iterator[Webui]:
    running.run(
        f"""
        shared.user_data_dir, shared.args.extensions = Path({str(tmp_path)!r}), ["probe"]
        extensions.available_extensions.append("probe")
        write({TEXT.format(word="-old")!r})
        extensions.load_extensions()
        """
    )
    yield running
    running.run(
        """
        lp.restore_all()
        shared.user_data_dir, shared.args.extensions, extensions.available_extensions[:] = own
        extensions.load_extensions()
        """
    )


@pytest.mark.parametrize("back", ["restore", "undo", "detach"])
@pytest.mark.parametrize("reload", ["by_us", "by_webui", "of_file"])
@pytest.mark.parametrize("change", sorted(DONE))
def test_a_change_holds_over_a_reload_and_ends(
    webui: Webui, change: str, reload: str, back: str
) -> None:
    assert webui.run("said()") == "a-old"
    webui.run(f"{change}(); write({TEXT.format(word='-new')!r}); {reload}()")
    webui.run(f"asked(lambda: said() == {DONE[change]!r})")
    assert webui.run("said()") == DONE[change]
    shown = webui.shows("%patches")
    assert "stale" not in shown
    assert "probe" in shown
    webui.run("old = extensions.state['probe'][2]")
    webui.run(f"{back}()")
    if reload == "by_us":  # a step of ours as well: the module from before it is back
        assert webui.run("said()") == "a-old"
        webui.run("extensions.load_extensions()")
    assert webui.run("is_fresh(), said()") == (True, "a-new")
    assert webui.run("len(lp.patches())") == 0


@pytest.mark.parametrize("change", sorted(DONE))
def test_a_change_made_while_its_extension_is_away_comes_with_it(webui: Webui, change: str) -> None:
    webui.run(f"{change}(); state = dict(extensions.state); extensions.state = {{}}")
    webui.run("time.sleep(0); lp.hooks().report()")
    assert "stale" in webui.shows("%patches")
    webui.run(
        f"extensions.state = state; asked(lambda: said() == {DONE[change].replace('new', 'old')!r})"
    )
    assert webui.run("said()") == DONE[change].replace("new", "old")
    assert "stale" not in webui.shows("%patches")
    webui.run("extensions.state = {}; module = state['probe'][2]; lp.restore_all()")
    assert webui.run("extensions.state = state; is_fresh(), said()") == (True, "a-old")


def test_what_the_new_module_has_itself_is_not_written_over(webui: Webui) -> None:
    webui.run("add()")
    assert webui.run("said()") == "a-mine-old"
    text = TEXT.format(word="-new") + "def input_modifier(string):\n    return string + '-its'\n"
    webui.run(f"write({text!r}); by_webui()")
    webui.run("asked(lambda: 'stale' in str(lp.patches()))")
    assert webui.run("said()") == "a-its-new"
    assert "stale" in webui.shows("%patches")
    why = webui.run("next(r.why for r in lp.hooks()['input_modifier'] if r.is_ours)")
    assert why.startswith("probe has its own input_modifier now (")
    webui.run("lp.restore_all()")
    assert webui.run("is_fresh()")
