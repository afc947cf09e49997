"""The contract with text-generation-webui: extensions are modules, hooks are looked up by name."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
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

BEGIN = '''
import sys, types
from pathlib import Path
from modules import extensions, shared

class LlamaServer:
    """No model: the webui chooses the generator by the name of the class."""
    last_prompt_token_count = 0
    def generate(self, question, state):
        return f"<{question}>"
    def generate_with_streaming(self, question, state):
        for length in range(1, len(question) + 1):
            yield f"<{question[:length]}>"

class Tokenizer:
    def encode(self, text, **options): return [ord(c) for c in text]
    def decode(self, ids, **options): return "".join(map(chr, ids))

shared.model, shared.tokenizer, shared.model_name = LlamaServer(), Tokenizer(), "stub"

def extension(name, **hooks):
    """An extension as the webui keeps it, without a file."""
    module = types.ModuleType(f"user_ext_{name}")
    vars(module).update(hooks)
    extensions.state[name] = [True, len(extensions.state), module]
    return module

def raw():
    return [(name, is_on, order, {k: id(v) for k, v in vars(module).items() if callable(v)})
            for name, (is_on, order, module) in extensions.state.items()]

def error(call):
    try:
        call()
    except LivepatchError as refused:
        return str(refused)
'''


@pytest.fixture(scope="module", params=webuis_of("textgen"))
def running(request: pytest.FixtureRequest) -> Iterator[Webui]:
    yield from started(request.param, BEGIN)


@pytest.fixture
def webui(running: Webui) -> Iterator[Webui]:
    """Every test leaves the webui's extensions as they were, to the very functions."""
    running.run("own_state = dict(extensions.state); before = raw()")
    yield running
    running.run("lp.restore_all(); extensions.state = dict(own_state)")
    assert running.run("raw() == before")


def complete(webui: Webui, prompt: str) -> str:
    """What the webui's API answers."""
    address = webui.run("lp.host().address")
    body = json.dumps({"prompt": prompt, "max_tokens": 8}).encode()
    request = urllib.request.Request(
        f"{address}/v1/completions", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        text: str = json.load(answer)["choices"][0]["text"]
        return text


def test_which_webui_it_is(webui: Webui) -> None:
    assert webui.run("lp.host().flavor") == "textgen"
    assert webui.run("lp.host().address").startswith("http://127.0.0.1:")
    assert webui.run("lp.host().app() is sys.modules['modules.api.script'].app")
    assert webui.run("lp.host().extension_folder.parts[-2:]") == ("user_data", "extensions")
    refused = webui.run("error(lp.callbacks)")
    assert "flavor textgen) has no callbacks" in refused


def test_the_structures_that_livepatch_relies_on(webui: Webui) -> None:
    assert webui.run("type(extensions.state) is dict")
    webui.run("extension('probe')")
    assert webui.run("[type(x).__name__ for x in extensions.state['probe']]") == [
        *("bool", "int", "module"),
    ]
    assert webui.run("isinstance(extensions.EXTENSION_MAP, dict)")
    assert {"input", "output", "state", "history", "custom_generate_reply"} <= set(
        webui.run("sorted(extensions.EXTENSION_MAP)")
    )
    assert webui.run("[name for _, name in extensions.iterator()][-1]") == "probe"
    assert webui.run("shared.generation_lock.locked()") is False
    assert webui.run("isinstance(extensions.available_extensions, list)")
    assert webui.run("shared.stop_everything in (True, False)")
    assert webui.run("str(shared.user_data_dir)").endswith("user_data")


def test_hooks_are_listed_with_their_extensions_in_the_order_of_the_calls(webui: Webui) -> None:
    webui.run("extension('one', input_modifier=lambda string: string + '1')")
    webui.run("extension('two', input_modifier=lambda string: string + '2')")
    assert webui.run("[r.name for r in lp.hooks()['input_modifier']][-2:]") == ["one", "two"]
    assert complete(webui, "a").endswith("12>")
    webui.run("extensions.state['one'][1], extensions.state['two'][1] = 98, 97")
    assert webui.run("[r.name for r in lp.hooks()['input_modifier']][-2:]") == ["two", "one"]
    assert complete(webui, "a").endswith("21>")
    webui.run("extensions.state['two'][0] = False")
    assert webui.run("'two' in [r.name for r in lp.hooks()['input_modifier']]") is False
    events = webui.run("lp.hooks().events")
    order = ["state_modifier", "input_modifier", "tokenizer_modifier", "output_modifier"]
    assert [e for e in events if e in order] == order
    webui.run("extensions.state['one'][1], extensions.state['two'][1] = 8, 9")


def test_a_modifier_of_one_parameter_still_gets_one_after_wrap(webui: Webui) -> None:
    webui.run(
        """
        def input_modifier(string):
            return string + "1"
        probe = extension('probe', input_modifier=input_modifier)
        sys.modules['user_ext_probe'] = probe
        got = []
        def wrapper(original, *args, **kwargs):
            got.append((args, kwargs))
            return original(*args, **kwargs) + "!"
        layer = lp.wrap("user_ext_probe.input_modifier", wrapper)
        """
    )
    assert complete(webui, "a").endswith("1!>")
    args, kwargs = webui.run("got[0]")
    assert len(args) == 1
    assert kwargs == {}
    webui.run("layer.remove()")
    assert complete(webui, "a").endswith("1>")
    webui.run("lp.undo(); got.clear()")
    assert complete(webui, "a").endswith("1!>")
    webui.run("del sys.modules['user_ext_probe']; lp.restore_all()")


def test_hooks_added_replaced_muted_and_removed(webui: Webui) -> None:
    webui.run("probe = extension('probe', output_modifier=lambda string, state: string + 'o')")
    plain = complete(webui, "a")
    assert plain.endswith("o")
    webui.run("lp.hooks()['input_modifier'].add(lambda string: string + 'i', to='probe')")
    assert "i>" in complete(webui, "a")
    webui.run("lp.undo()")
    assert complete(webui, "a") == plain
    assert webui.run("hasattr(probe, 'input_modifier')") is False
    webui.run("hook = lp.hooks()['output_modifier']; own = probe.output_modifier")
    webui.run("hook.replace('probe', lambda string: string + 'n')")
    assert complete(webui, "a") == plain[:-1] + "n"
    webui.run("hook.mute('probe')")
    assert complete(webui, "a") == plain[:-1]
    assert webui.run("hasattr(probe, 'output_modifier')") is False
    webui.run("hook.unmute('probe')")
    assert complete(webui, "a") == plain[:-1] + "n"
    webui.run("hook.remove('probe')")
    assert complete(webui, "a") == plain[:-1]
    webui.run("lp.restore_all()")
    assert complete(webui, "a") == plain
    assert webui.run("probe.output_modifier is own")


def test_only_the_first_extension_generates(webui: Webui) -> None:
    webui.run(
        """
        def make(word):
            def custom_generate_reply(question, original_question, state, *args, **kwargs):
                yield word
            return custom_generate_reply
        extension('first', custom_generate_reply=make("first"))
        extension('second', custom_generate_reply=make("second"))
        """
    )
    assert complete(webui, "a").startswith("first")
    assert "only the first is called" in webui.shows("print(lp.hooks())")
    webui.run("lp.hooks()['custom_generate_reply'].mute('first')")
    assert complete(webui, "a").startswith("second")


def test_a_change_when_idle_waits_for_the_generation(webui: Webui) -> None:
    webui.run(
        """
        probe = extension('probe', output_modifier=lambda string, state: string)
        sys.modules['user_ext_probe'] = probe
        exec("def shown(): return 'old'", vars(probe))
        with shared.generation_lock:
            busy = lp.host().is_idle()
            layer = lp.replace("user_ext_probe.shown", lambda: "new", when="idle")
            during = layer.state, probe.shown()
        end = time.monotonic() + 20
        while layer.state == 'pending' and time.monotonic() < end: time.sleep(0.01)
        """
    )
    assert webui.run("busy, during, layer.state, probe.shown()") == (
        *(False, ("pending", "old"), "active", "new"),
    )
    webui.run("lp.restore_all(); del sys.modules['user_ext_probe']")


def test_interrupt_stops_the_generation(webui: Webui) -> None:
    webui.run("shared.stop_everything = False; said = lp.host().interrupt()")
    assert webui.run("said, shared.stop_everything") == ("shared.stop_everything = True", True)
    assert complete(webui, "a")  # the next one begins anew


def test_a_restart_of_the_page_leaves_what_is_muted_and_replaced(webui: Webui) -> None:
    webui.run(
        """
        def make():
            def output_modifier(string, state): return string + "o"
            def input_modifier(string): return string + "i"
            return {"output_modifier": output_modifier, "input_modifier": input_modifier}
        extension("probe", **make())
        lp.hooks()["output_modifier"].mute("probe")
        lp.hooks()["input_modifier"].replace("probe", lambda string: string + "n")
        # As load_extensions() does it: another dictionary, with modules that were executed anew.
        extensions.state = {name: list(known) for name, known in extensions.state.items()}
        anew = extension("probe", **make())
        end = time.monotonic() + 20
        while hasattr(anew, "output_modifier") and time.monotonic() < end: time.sleep(0.02)
        """
    )
    assert complete(webui, "a").endswith("n>")
    webui.run("lp.restore_all()")
    assert complete(webui, "a").endswith("i>o")


def test_bad_input_changes_nothing(webui: Webui) -> None:
    webui.run("probe = extension('probe', input_modifier=lambda string: string)")
    unknown = webui.run("error(lambda: lp.hooks()['input_modifer'])")
    assert "has no hook 'input_modifer'" in unknown
    assert "did you mean input_modifier" in unknown
    nobody = webui.run("error(lambda: lp.hooks()['output_modifier'].add(len, to='prob'))")
    assert "nothing is called 'prob'" in nobody
    assert "to='probe'" in nobody
    twice = webui.run("error(lambda: lp.hooks()['input_modifier'].add(len, to='probe'))")
    assert "probe has input_modifier already" in twice
    webui.run("registration = lp.hooks()['input_modifier']['probe']; del probe.input_modifier")
    assert "no longer registered" in webui.run("error(lambda: registration.mute())")
    assert "offers no way to move" in webui.run(
        "error(lambda: lp.hooks()['input_modifier'].move('probe', index=0))"
    )


def test_a_hook_that_raises(webui: Webui) -> None:
    webui.run("extension('probe', output_modifier=lambda string, state: string + 'o')")
    webui.run("lp.hooks()['output_modifier'].replace('probe', lambda string: 1 / 0)")
    with pytest.raises(urllib.request.HTTPError):  # the webui's own answer to it
        complete(webui, "a")
    webui.run("lp.undo()")
    assert complete(webui, "a").endswith("o")


def test_a_registry_of_an_unknown_shape_is_said(webui: Webui) -> None:
    webui.run("own = extensions.state; extensions.state = {'odd': 7, **own}")
    try:
        assert webui.run("'input_modifier' in lp.hooks().events")
        assert "odd" in webui.shows("print(lp.extensions())")
        webui.run("extensions.state = [1, 2]")
        refused = webui.run("error(lp.hooks)")
        assert "modules.extensions.state is a list" in refused
        assert len(refused.splitlines()) == 3
    finally:
        webui.run("extensions.state = own")


EXTENSION = """
import modules.shared as shared
from modules.api import script

WORD = "first"
params = {"mark": "?"}

def setup():
    params["set up"] = True
    def answer():
        return WORD
    script.app.add_api_route("/live-extension", answer)

def output_modifier(string, state):
    return f"{string} {WORD}{params['mark']}" if params["set up"] else string

def ui():
    pass
"""


@pytest.fixture
def live(webui: Webui, tmp_path: Path) -> Iterator[Path]:
    """An extension with a hook, a route and a page."""
    folder = tmp_path / "live_extension"
    folder.mkdir()
    (folder / "script.py").write_text(EXTENSION)
    webui.run(
        """
        import json, urllib.error, urllib.request
        def ask(path, body=None):
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(
                lp.host().address + path, data, {"content-type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code
        def works():
            text = ask("/v1/completions", {"prompt": "a", "max_tokens": 4})["choices"][0]["text"]
            found = [w for w in ("first", "second", "third") if w + "?" in text]
            assert ask("/live-extension") == (found[0] if found else 404), (found, text)
            return found[0] if found else None
        own_names = list(shared.args.extensions or [])
        """
    )
    yield folder
    webui.run("lp.restore_all(); assert list(shared.args.extensions or []) == own_names")


def test_an_extension_is_loaded_reloaded_and_unloaded(webui: Webui, live: Path) -> None:
    check_load_reload_and_unload(webui, live, live / "script.py", "works()")


def test_what_ends_while_it_loads_leaves_nothing(webui: Webui, live: Path) -> None:
    check_what_ends_while_it_loads(webui, live, live / "script.py", "works()")


def test_what_a_loaded_extension_has_is_its_own(webui: Webui, live: Path) -> None:
    said = webui.run(f"str(lp.extensions().load({str(live)!r}))")
    assert "1 extension" in said
    assert "1 route" in said
    assert "ui: called when the page is built again" in said
    assert "a restart will not find it: it is neither in" in said
    hooks = webui.run("[r.event for r in lp.extensions()['live_extension'].hooks]")
    assert hooks == ["output_modifier", "ui"]
    webui.run("lp.replace('user_ext_live_extension.WORD', 'second')")
    assert webui.run("works()") == "second"


@pytest.mark.parametrize("place", ["user_data", "came along"])
def test_the_names_are_the_webuis_whoever_loads_it(webui: Webui, place: str) -> None:
    """It finds extensions in two folders, under names of different kinds."""
    folder = Path(webui.run("str(Path.cwd())")) / "extensions"
    if place == "user_data":
        folder = Path(webui.run("str(shared.user_data_dir.absolute() / 'extensions')"))
    folder.mkdir(exist_ok=True)
    mine, name = folder / "contract_live", "contract_live"
    mine.mkdir()
    try:
        (mine / "script.py").write_text("from .words import WORD\n")
        (mine / "words.py").write_text("WORD = 'first'\n")
        if place == "user_data":  # executed as a file, it is no package
            (mine / "script.py").write_text("WORD = 'first'\n")
        key = f"user_ext_{name}" if place == "user_data" else f"extensions.{name}.script"
        said = webui.run(f"str(lp.extensions().load({str(mine)!r}))")
        assert "restart" not in said
        assert webui.run(f"sys.modules[{key!r}] is extensions.state[{name!r}][2]")
        assert webui.run(f"extensions.state[{name!r}][2].WORD") == "first"
        assert webui.run(f"lp.extensions()[{name!r}].builtin") is (place != "user_data")
        webui.run(
            f"""
            own_available, own_named = extensions.available_extensions, shared.args.extensions
            shared.args.extensions = [*(own_named or []), {name!r}]
            live = extensions.state[{name!r}][2]
            extensions.load_extensions()  # as at a restart of the page
            again = extensions.state[{name!r}][2]
            """
        )
        assert webui.run("again.__name__, again.__file__ == live.__file__") == (key, True)
        webui.run("shared.args.extensions = own_named; lp.restore_all()")
    finally:
        shutil.rmtree(mine)
        webui.run(
            f"[sys.modules.pop(m) for m in list(sys.modules) if {name!r} in m];"
            f"extensions.state.pop({name!r}, None);"
            f"{name!r} in extensions.available_extensions"
            f" and extensions.available_extensions.remove({name!r})"
        )


def test_a_reload_leaves_the_order_of_the_calls(webui: Webui, tmp_path: Path) -> None:
    for name in ("live_a", "live_b"):
        (tmp_path / name).mkdir()
        text = f"def input_modifier(string):\n    return string + '{name[-1]}'\n"
        (tmp_path / name / "script.py").write_text(text)
        webui.run(f"lp.extensions().load({str(tmp_path / name)!r})")
    assert "ab>" in complete(webui, "x")
    text = "def input_modifier(string):\n    return string + 'z'\n"
    (tmp_path / "live_a" / "script.py").write_text(text)
    webui.run("orders = {k: v[:2] for k, v in extensions.state.items()}")
    webui.run("lp.extensions().reload('live_a')")
    assert "zb>" in complete(webui, "x")
    assert webui.run("{k: v[:2] for k, v in extensions.state.items()} == orders")
    webui.run("extensions.state['live_a'][0] = False; lp.extensions().reload('live_a')")
    assert webui.run("extensions.state['live_a'][0]") is False


def test_an_extension_of_the_webuis_own_is_unloaded(webui: Webui) -> None:
    if not webui.run("list(extensions.state)"):
        pytest.skip("it was started without extensions")
    name = webui.run("next(iter(extensions.state))")
    named = webui.run("list(shared.args.extensions)")
    webui.run(f"lp.extensions().unload({name!r})")
    assert webui.run(f"{name!r} in extensions.state") is False
    assert webui.run("list(shared.args.extensions)") == [n for n in named if n != name]
    webui.run("lp.undo()")
    assert webui.run(f"{name!r} in extensions.state")
    assert webui.run("list(shared.args.extensions)") == named


def test_what_is_no_extension_is_refused(webui: Webui, tmp_path: Path) -> None:
    check_nonsense(webui, tmp_path / "empty")


def test_hooks_are_timed(webui: Webui) -> None:
    webui.run("def input_modifier(string): return string + 'i'")
    webui.run("probe = extension('probe', input_modifier=input_modifier)")
    webui.run("t = lp.timing(only=['hooks']).start()")
    assert complete(webui, "a").endswith("i>") or "i>" in complete(webui, "a")
    calls = webui.run("t['input_modifier/probe'].calls")
    assert calls >= 1
    assert webui.run("t.stop(); probe.input_modifier is input_modifier")
    assert "input_modifier/probe" in webui.run("str(t)")
