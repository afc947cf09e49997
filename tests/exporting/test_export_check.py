"""The check of an export: loaded as the webui loads it, and compared with what is live."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import textwrap

import pytest
from export_support import fresh
from reach_support import place

import livepatch as lp
from livepatch.adapters import Layout
from livepatch.adapters.plain import PlainHost

HOST = '''
"""A module as a webui has it: importing it again would do what must not be done twice."""

import functools
import pathlib

with open(__file__ + ".started", "a") as log:
    log.write("started ")

class App:
    def route(self, path):
        return lambda function: function


app = App()


def noted(word):
    def decorate(function):
        @functools.wraps(function)
        def around(*args, **kwargs):
            return word, function(*args, **kwargs)

        return around

    return decorate


def half(a):
    return a / 2


def shared(a, b=3):
    return half(a) + b


def twice(a):
    return 2 * a


@noted("first")
@noted("second")
def decorated(a):
    return a


@app.route("/page")
def page(a, *, b=None):
    return a


def numbers(n):
    yield n


class Sampler:
    size = 4

    @staticmethod
    def scale(a):
        return a

    def step(self, x, sigma=0.5):
        return x


LIMITS = {"steps": 20}
NAME = "own"
'''


@pytest.fixture
def webui(app):
    """A module of a webui, which has been imported once."""
    return app.load(HOST)


def exported(tmp_path, name="mine", **options):
    return lp.export(tmp_path / "to", name=name, flavor="plain", **options)


def started(webui):
    with open(f"{webui.__file__}.started") as log:
        return log.read().split()


def test_what_is_changed_is_there_as_its_definition_and_nothing_of_the_webui_runs(webui, tmp_path):
    name = webui.__name__
    decorators = '@noted("first")\n@noted("second")\n'
    lp.replace(f"{name}.decorated", f"{decorators}def decorated(a):\n    return a + 1")
    lp.replace(f"{name}.page", "def page(a, *, b=None):\n    return a, b")
    lp.replace(f"{name}.numbers", "def numbers(n):\n    yield n\n    yield n + 1")
    lp.replace(f"{name}.Sampler.scale", "@staticmethod\ndef scale(a):\n    return 2 * a")
    lp.replace(f"{name}.Sampler.step", "def step(self, x, sigma=0.5):\n    return x * sigma")
    lp.wrap(f"{name}.half", lambda original, a: original(a) + 1, guard=3)
    lp.replace(f"{name}.LIMITS['steps']", 30)
    lp.replace(f"{name}.NAME", "new")
    told = str(exported(tmp_path))
    assert "8 changes · lints clean · applied 8 and took them back in a clean process" in told
    assert "8 targets as live" in told
    assert "left out" not in told
    assert "is no definition" not in told
    assert "as it is defined" not in told
    assert started(webui) == ["started"]


def test_functions_that_are_pure_python_return_there_what_they_return_live(webui, tmp_path):
    lp.replace(f"{webui.__name__}.shared", "def shared(a, b=3):\n    return half(a) * b")
    lp.filter_result(f"{webui.__name__}.shared", lambda result: [result])
    lp.filter_result(f"{webui.__name__}.twice", lambda result: result + 1)
    told = exported(tmp_path)
    assert "2 targets as live, 2 functions with the same results" in str(told)
    assert "not checked" not in str(told)
    lp.replace(f"{webui.__name__}.page", lambda a, *, b=None: print(a))
    assert f"not checked: what {webui.__name__}.page returns there" in str(exported(tmp_path))


@dataclasses.dataclass(frozen=True)
class Tampered(Layout):
    """Exports that do something else than what is live."""

    said: str = ""
    instead: str = ""

    def files(self, code):
        files = super().files(code)
        return {path: text.replace(self.said, self.instead) for path, text in files.items()}


@pytest.mark.parametrize(
    ("said", "instead", "words"),
    [
        ("(a, b=3)", "(a, b=4)", "shared: it is (a, b=4), live (a, b=3)"),
        ("half(a) * b", "half(a) - b", "shared(3) gives"),
        ("webui_shared", "webui_other", "webui_shared is not changed by it"),
    ],
)
def test_an_export_that_does_something_else_is_refused(
    said, instead, words, webui, tmp_path, monkeypatch
):
    name = webui.__name__
    said, instead, words = (
        text.replace("webui_shared", f"{name}.shared").replace("webui_other", f"{name}.half")
        for text in (said, instead, words)
    )
    lp.replace(f"{name}.shared", "def shared(a, b=3):\n    return half(a) * b")
    monkeypatch.setattr(PlainHost, "layout", Tampered(said=said, instead=instead))
    with pytest.raises(lp.ExportRefused) as caught:
        exported(tmp_path)
    found = str(caught.value).splitlines()
    assert len(found) == 3
    assert "the export does not do what is live" in found[1]
    assert words in found[1]
    assert "no file was kept" in found[1]
    assert not (tmp_path / "to").exists()
    told = str(exported(tmp_path, check=False))
    assert "not checked, as you asked" in told
    assert (tmp_path / "to" / "mine").is_dir()


def test_one_that_would_change_nothing_is_refused(webui, notebook, tmp_path):
    lp.replace(f"{webui.__name__}.half", "def half(a):\n    return a")
    assert "return a / 2" in notebook.run(f"%diff {webui.__name__}.half")
    with open(webui.__file__) as file:
        text = file.read()
    with open(webui.__file__, "w") as file:  # what a fresh webui will load
        file.write(text.replace("return a / 2", "return a / 3"))
    with pytest.raises(lp.ExportRefused) as caught:
        exported(tmp_path)
    assert "it would change nothing: " in str(caught.value)
    assert "is not what it was" in str(caught.value)


def test_what_it_leaves_out_is_said_once_and_first_with_the_command_that_helps(webui, tmp_path):
    name = webui.__name__
    lp.replace(f"{name}.NAME", "new")
    lp.replace(f"{name}.half", "def half(a):\n    return a").off()
    lp.replace(f"{name}.page", "def page(a, *, b=None):\n    return 1")
    told = exported(tmp_path)
    assert str(told).count("left out") == 1
    assert f"{name}.half (notebook's 'replace') is off: %patches --on {name}.half" in (
        told.answer.facts[0].replace(f"{__name__}'s", "notebook's")
    )


def test_a_trace_changes_nothing_and_is_no_part_of_it(webui, tmp_path):
    from livepatch.engine.layers.trace import trace

    lp.replace(f"{webui.__name__}.half", "def half(a):\n    return a")
    running = trace(f"{webui.__name__}.half")
    try:
        told = str(exported(tmp_path))
    finally:
        running.end()
    assert "1 change · lints clean · applied 1" in told
    assert "left out" not in told


def test_a_watched_files_code_is_carried_not_imported(webui, tmp_path):
    name, folder = webui.__name__, tmp_path / "watched"
    folder.mkdir()
    (folder / "gen.py").write_text(
        "import livepatch as lp\n\n\ndef doubled(a):\n    return a * 2\n\n\n"
        f"def half(a):\n    return doubled(a)\n\n\nlp.replace('{name}.half', half)\n"
        f"lp.wrap('{name}.page', lambda original, a, *, b=None: (doubled(a), original(a)))\n"
    )
    watched = lp.watch(folder)
    try:
        assert watched.errors == []
        live = webui.half(4), webui.page(1)
        made = exported(tmp_path)
    finally:
        watched.stop()
    assert "livepatch_watched" not in "".join(p.read_text() for p in made.path.rglob("*.py"))
    script = f"""
        sys.path[:0] = sys.argv[2:4]
        import {name} as webui, mine
        assert mine.apply() == []
        print(json.dumps([webui.half(4), webui.page(1)]))
    """
    (half, page), _ = fresh(script, made.path / "src", tmp_path)
    assert (half, tuple(page)) == live == (8, (2, 1))


def test_an_added_route_is_refused_with_what_helps(webui, tmp_path):
    starlette = pytest.importorskip("starlette.applications")
    lp.replace(f"{webui.__name__}.half", "def half(a):\n    return a")
    site = starlette.Starlette()
    from starlette.responses import PlainTextResponse

    def hello(request):
        return PlainTextResponse("hello")

    layer = lp.routes(site).add("/hello", hello)
    with pytest.raises(lp.ExportRefused) as caught:
        exported(tmp_path)
    assert '%patches --off "GET /hello" leaves that out' in str(caught.value).splitlines()[2]
    layer.off()
    told = exported(tmp_path)
    assert "GET /hello" in told.answer.facts[0]
    assert "is off" in told.answer.facts[0]


def test_it_ends_in_time(webui, tmp_path):
    def slow(a):
        return a

    slow_module = tmp_path / "slow_to_come.py"
    slow_module.write_text("import time\ntime.sleep(60)\n")
    lp.replace(f"{webui.__name__}.half", slow)
    with pytest.raises(lp.ExportRefused) as caught:
        exported(tmp_path, timeout=0.01)
    found = str(caught.value).splitlines()
    assert "did not end within 0.01 s" in found[1]
    assert "--timeout" in found[2]
    assert "--no-check" in found[2]


def test_a_package_is_imported_by_the_extensions_name(webui, tmp_path):
    lp.replace(f"{webui.__name__}.NAME", "new")
    made = exported(tmp_path, name="my-patch")
    script = f"""
        sys.path[:0] = sys.argv[2:4]
        import {webui.__name__} as webui, my_patch
        my_patch.apply()
        print(json.dumps(webui.NAME))
    """
    assert fresh(script, made.path / "src", tmp_path)[0] == "new"
    with pytest.raises(lp.ExportRefused, match="another module that is installed"):
        exported(tmp_path, name="pytest")


def test_off_when_the_app_comes_it_is_complete_when_it_is_switched_on(tmp_path):
    from samples import exported_apps as apps

    lp.middleware(apps.starlette_app()).add(apps.Other, word="added")
    made = lp.export(tmp_path, name="mine", flavor="starlette")
    script = """
        sys.path.insert(0, sys.argv[2])
        import mine, samples.exported_apps as apps
        app = apps.starlette_app()
        mine.switch(on=False)
        mine.apply(app)
        before = len(app.user_middleware)
        told = mine.switch(on=True)
        print(json.dumps([before, len(app.user_middleware), told]))
    """
    assert fresh(script, made.path / "src")[0] == [2, 3, []]


SERVER = """
import pathlib, sys

pathlib.Path("started.txt").open("a").write("started ")
WORDS = ["hello"]


def greet(name, mark="!"):
    return " ".join([*WORDS, name]) + mark


def main():
    import livepatch as lp

    lp.replace("__main__.greet", "def greet(name, mark='!'):\\n    return name + mark")
    print(lp.export("to", name="mine", flavor="plain"))


if __name__ == "__main__":
    main()
"""


def test_the_main_module_is_not_run_again(tmp_path):
    (tmp_path / "server.py").write_text(textwrap.dedent(SERVER))
    with place():
        done = subprocess.run(
            [sys.executable, "server.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert "applied 1 and took them back" in done.stdout
    assert "1 target as live" in done.stdout
    assert (tmp_path / "started.txt").read_text() == "started "


def test_it_goes_to_the_webuis_own_folder_of_extensions(webui, tmp_path, monkeypatch):
    lp.replace(f"{webui.__name__}.NAME", "new")
    monkeypatch.chdir(tmp_path)
    assert lp.export(name="mine", flavor="starlette").path.parent.samefile(tmp_path)
    folder = tmp_path / "webui" / "extensions"
    monkeypatch.setattr(PlainHost, "extension_folder", folder)
    made = lp.export(name="mine", flavor="plain")
    assert made.path == folder / "mine"
    assert f"exported mine for plain to {folder / 'mine'}" in str(made)
    assert lp.export(name="mine", flavor="aiohttp").path.parent.samefile(tmp_path)


def test_the_magic_has_the_same_options(webui, notebook, tmp_path):
    lp.replace(f"{webui.__name__}.NAME", "new")
    shown = notebook.run(f"%export mine --to {tmp_path} --for plain --no-check")
    assert "not checked, as you asked" in shown
    assert f'= lp.export("{tmp_path}", name="mine", flavor="plain", check=False)' in shown
    refused = notebook.run(f"%export mine --to {tmp_path} --for plain --timeout 0.01")
    assert "did not end within 0.01 s" in refused
    shown = notebook.run(f"%export mine --to {tmp_path} --for plain --timeout 60")
    assert "timeout=60.0" in shown
    assert "1 target as live" in shown
