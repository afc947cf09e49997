"""Watched files: a save is live, a file owns its changes, a broken one changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
from notebook_support import Notebook
from samples import functions
from watching_support import HEAD, OLD, PATIENCE, replacing

import livepatch as lp
from livepatch.reports import diff
from livepatch.watching.watches import watches

TESTS = Path(__file__).parents[1]
TARGET = "samples.functions.plain"


def module_of(path):
    modules = sys.modules.copy().values()
    return next((m for m in modules if getattr(m, "__file__", None) == str(path)), None)


def test_a_save_is_live_and_what_it_no_longer_says_is_taken_back(folder):
    folder.write(replacing("one") + "lp.replace('samples.functions.uses_module', lambda a: 'too')")
    assert (functions.plain(1), functions.uses_module(1)) == ("one", "too")
    assert {layer.owner for layer in lp.patches()} == {f"file {folder.path / 'mine.py'}"}
    folder.write(replacing("two"))
    assert (functions.plain(1), functions.uses_module(1)) == ("two", 3)
    assert len(lp.patches()) == 1
    folder.write(HEAD)
    assert functions.plain(1) == OLD


def test_a_file_that_is_there_already_runs_at_once(tmp_path):
    (tmp_path / "mine.py").write_text(replacing("at once"))
    with_one_file = lp.watch(tmp_path / "mine.py")
    try:
        assert functions.plain(1) == "at once"
        assert lp.watch(tmp_path / "mine.py") is with_one_file
    finally:
        said = with_one_file.stop()
    assert "1 layer of its files stay" in said
    assert functions.plain(1) == "at once"


def test_a_deleted_file_takes_everything_of_its_back(folder):
    folder.write(replacing("one"))
    (folder.path / "mine.py").unlink()
    folder.until(lambda: "took back mine.py" in folder.told)
    assert functions.plain(1) == OLD
    assert len(folder.watch.files) == 0
    assert module_of(folder.path / "mine.py") is None


def test_a_renamed_file_takes_its_changes_with_it(folder):
    folder.write(replacing("one"))
    (folder.path / "mine.py").rename(folder.path / "yours.py")
    folder.until(lambda: "took back mine.py" in folder.told)
    assert functions.plain(1) == "one"
    assert [layer.owner for layer in lp.patches()] == [f"file {folder.path / 'yours.py'}"]


@pytest.mark.parametrize(
    ("broken", "line", "message"),
    [
        ("def f(:\n", 3, "SyntaxError"),
        ("lp.replace('samples.functions.uses_module', lambda a: 1)\n1/0\n", 4, "ZeroDivisionError"),
        ("def f():\n    raise SystemExit(3)\nf()\n", 4, "SystemExit: 3"),
        ("lp.replace('samples.functions.gone', 1)\n", 3, "TargetNotFound"),
        ("lp.restore_all()\nraise KeyboardInterrupt\n", 4, "KeyboardInterrupt"),
        ("x = '\0'\n", None, "null byte"),
    ],
)
def test_a_broken_file_leaves_its_former_version_live_and_says_so(folder, broken, line, message):
    folder.write(replacing("good"))
    notebook = lp.replace("samples.functions.annotated", lambda a: "the notebook's")
    folder.write(HEAD + broken)
    (error,) = folder.watch.errors
    assert (error.file, message in error.message) == (str(folder.path / "mine.py"), True), error
    assert line is None or error.line == line
    assert functions.plain(1) == "good"
    assert (functions.uses_module(1), functions.annotated(1)) == (3, "the notebook's")
    assert "broken, the previous version is live" in str(folder.watch)
    folder.write(replacing("fixed"))
    assert folder.watch.errors == []
    assert functions.plain(1) == "fixed"
    assert notebook.state == "active"


def test_a_file_that_is_broken_from_the_start_is_only_told(tmp_path):
    (tmp_path / "broken.py").write_text(replacing("never") + "oops\n")
    watched = lp.watch(tmp_path)
    try:
        (error,) = watched.errors
        assert (error.line, error.message) == (4, "NameError: name 'oops' is not defined")
        assert functions.plain(1) == OLD
        (tmp_path / "broken.py").unlink()
    finally:
        watched.stop()


def test_the_text_that_runs_is_shown_while_another_one_is_broken(folder):
    folder.write(f"{HEAD}def new(a):\n    return 'good'\nlp.replace('{TARGET}', new)\n")
    folder.write(f"{HEAD}def other(a):\n    return 'bad'\n\n1/0\n")
    assert "+    return 'good'" in str(diff(TARGET))
    assert "bad" not in str(diff(TARGET))


def test_no_call_meets_the_webuis_own_code_between_two_versions(folder):
    folder.write(replacing("one"))
    folder.write(f"{HEAD}seen = functions.plain(1)\n{replacing('two')}")
    assert module_of(folder.path / "mine.py").seen == "one"


def test_what_a_file_took_off_comes_back_when_it_says_so_no_longer(folder):
    lp.replace(TARGET, lambda a: "the notebook's")
    folder.write(f"{HEAD}lp.restore('{TARGET}')\n")
    assert functions.plain(1) == OLD
    folder.write(replacing("the file's"))
    assert functions.plain(1) == "the file's"
    folder.write(HEAD)
    assert functions.plain(1) == "the notebook's"


def test_restoring_what_the_former_version_replaced_is_no_way_back_to_it(folder):
    folder.write(replacing("one"))
    folder.write(f"{HEAD}lp.restore('{TARGET}')\n")
    assert functions.plain(1) == OLD
    folder.write(HEAD)
    assert functions.plain(1) == OLD


def test_middleware_of_a_file_follows_it(folder, monkeypatch):
    starlette = pytest.importorskip("starlette.applications")
    app = starlette.Starlette()
    monkeypatch.setitem(sys.modules, "watched_app", ModuleType("watched_app"))
    sys.modules["watched_app"].app = app
    text = """
import livepatch as lp
from watched_app import app
class Mine:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)
lp.middleware(app).add(Mine)
"""
    for _ in range(2):
        folder.write(text)
        added = [m for m in lp.middleware(app) if m.kind == "added"]
        assert [(m.name, m.owner) for m in added] == [("Mine", f"file {folder.path / 'mine.py'}")]
    folder.write("import livepatch as lp\n")
    assert [m for m in lp.middleware(app) if m.kind == "added"] == []


def test_a_layer_that_waits_for_a_safe_point_goes_with_its_file(folder):
    unsubscribe = lp.engine.subscribe("is_idle", lambda _: False)
    try:
        folder.write(f"{HEAD}lp.replace('{TARGET}', lambda a: 1, when='idle')\n")
        assert [layer.state for layer in lp.patches()] == ["pending"]
        folder.write(f"{HEAD}lp.replace('{TARGET}', lambda a: 2, when='idle')\n1/0\n")
        folder.write(HEAD)
        assert len(lp.patches()) == 0
    finally:
        unsubscribe()


def test_however_an_editor_saves_it_is_one_version(folder):
    mine = folder.path / "mine.py"
    folder.write(replacing("one"))
    # Atomically, by a file beside it.
    (folder.path / "mine.py.tmp").write_text(replacing("two"))
    (folder.path / "mine.py.tmp").replace(mine)
    folder.until(lambda: functions.plain(1) == "two")
    # By moving the former version away first, as vim does.
    mine.rename(folder.path / "mine.py~")
    mine.write_text(replacing("three"))
    folder.until(lambda: functions.plain(1) == "three")
    folder.settle()
    assert "took back mine.py" not in folder.told
    assert folder.watch.errors == []


@pytest.mark.parametrize("between", ["moved away", "cut off"])
def test_a_look_in_the_middle_of_a_save_is_no_version(folder, between):
    mine, look = folder.path / "mine.py", folder.watch._look
    folder.write(replacing("one"))

    def look_then_save():
        """The editor writes the new version after the look that met none."""
        folder.watch._look = look
        done = look()
        mine.write_text(replacing("two"))
        return done

    folder.watch._look = look_then_save
    if between == "moved away":
        mine.rename(folder.path / "mine.py~")
    else:
        os.truncate(mine, 0)
        os.utime(mine, (1, 1))
    folder.until(lambda: functions.plain(1) == "two")
    assert [said.partition(" · ")[0] for said in folder.told] == ["loaded mine.py"] * 2


def test_a_file_that_is_still_being_written_is_no_event(folder):
    folder.write(replacing("one"))
    for _ in range(3):
        with (folder.path / "mine.py").open("w", buffering=1) as file:
            for part in (replacing("two"), "class Un", "finished:\n", "    'by now'\n"):
                file.write(part)
                file.flush()
                os.fsync(file.fileno())
    folder.until(lambda: functions.plain(1) == "two")
    folder.settle()
    assert not [said for said in folder.told if "Error" in said or "took back" in said]


def test_what_editors_leave_beside_a_file_is_no_event(folder):
    (folder.path / ".#mine.py").symlink_to("user@machine.4711")  # Emacs' lock: it leads nowhere
    (folder.path / "dangling.py").symlink_to(folder.path / "nowhere.py")
    for name in ("mine.py~", "#mine.py#", ".mine.py.swp", "4913", ".hidden.py", "mine.pyc"):
        (folder.path / name).write_text("1/0")
    (folder.path / "folder.py").mkdir()
    folder.settle()
    assert [file.path.name for file in folder.watch.files] == ["last.py"]
    assert folder.watch.errors == []


def test_a_linked_file_follows_what_it_leads_to(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real.py").write_text(replacing("one"))
    (folder.path / "mine.py").symlink_to(elsewhere / "real.py")
    folder.until(lambda: functions.plain(1) == "one")
    folder.settle()
    (elsewhere / "real.py").write_text(replacing("two"))
    folder.until(lambda: functions.plain(1) == "two")


def test_a_folder_that_is_moved_away_and_made_anew_is_followed(folder, tmp_path):
    folder.write(replacing("one"))
    folder.path.rename(tmp_path / "away")
    folder.until(lambda: functions.plain(1) == OLD)
    folder.path.mkdir()
    for value in ("again", "and again"):
        folder.write(replacing(value))
        folder.until(lambda value=value: functions.plain(1) == value)


def test_a_save_is_a_step_and_undo_goes_back_by_one_version(folder):
    lp.replace("samples.functions.uses_module", lambda a: "the notebook's")
    for value in ("one", "two", "three"):
        folder.write(replacing(value))
    lp.undo()
    assert functions.plain(1) == "two"
    lp.undo()
    assert (functions.plain(1), functions.uses_module(1)) == ("two", 3)
    folder.write(replacing("four"))
    assert functions.plain(1) == "four"
    folder.write(HEAD)
    assert functions.plain(1) == OLD


def test_stopped_is_stopped(folder):
    folder.write(replacing("one"))
    assert folder.watch.stop().startswith(f"stopped watching {folder.path} · 1 layer")
    assert not folder.watch.is_on
    assert watches() == []
    (folder.path / "mine.py").write_text(replacing("two"))
    assert [t.name for t in threading.enumerate() if t.name == "livepatch-watch"] == []
    assert functions.plain(1) == "one"


OLDER = """
from extensions.hot_reload.utils import restore, replace

import modules.text_generation
from modules.text_generation import generate_reply_HF, generate_reply_custom


def test_generator(*a, **kw):
    output = ''
    for letter in "ab":
        output += letter
        yield output

# # Uncomment to replace generator
%sreplace(modules.text_generation, generate_reply_HF, test_generator)
%sreplace(modules.text_generation, generate_reply_custom, test_generator)

# # Uncomment to restore original behavior
%srestore(modules.text_generation, generate_reply_HF)
%srestore(modules.text_generation, generate_reply_custom)
"""


@pytest.fixture
def textgen(monkeypatch):
    """The modules of text-generation-webui that its scripts use."""
    for name in ("modules", "modules.text_generation"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    generation = sys.modules["modules.text_generation"]
    sys.modules["modules"].text_generation = generation
    for name in ("generate_reply_HF", "generate_reply_custom"):
        exec(f"def {name}(question, state=None):\n    yield 'webui'", vars(generation))
    return generation


def replies(generation):
    found = (generation.generate_reply_HF, generation.generate_reply_custom)
    return [list(generate("q", state=1)) for generate in found]


def test_scripts_of_the_older_extension_run_unchanged(folder, textgen):
    held = textgen.generate_reply_HF
    folder.write(OLDER % ("", "", "# ", "# "))
    assert replies(textgen) == [["a", "ab"]] * 2
    assert list(held("q")) == ["a", "ab"]
    folder.write(OLDER % ("# ", "# ", "", ""))
    assert replies(textgen) == [["webui"]] * 2
    folder.write(OLDER % ("", "# ", "# ", ""))
    assert replies(textgen) == [["a", "ab"], ["webui"]]
    folder.write(OLDER % ("# ", "# ", "# ", "# "))
    assert replies(textgen) == [["webui"]] * 2
    assert folder.watch.errors == []


def test_a_module_of_the_older_name_that_exists_comes_first(folder, monkeypatch, tmp_path):
    own = tmp_path / "webui" / "extensions" / "hot_reload"
    own.mkdir(parents=True)
    (own / "utils.py").write_text("replace = 'the webui has it'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "webui"))
    folder.write("from extensions.hot_reload.utils import replace\nassert 'webui' in replace\n")
    try:
        assert folder.watch.errors == []
    finally:
        for name in ("extensions", "extensions.hot_reload", "extensions.hot_reload.utils"):
            sys.modules.pop(name, None)


def test_the_older_name_is_answered_only_while_somebody_watches(folder):
    folder.write("from extensions.hot_reload.utils import replace, restore\n")
    assert folder.watch.errors == []
    folder.watch.stop()
    with pytest.raises(ModuleNotFoundError):
        __import__("extensions.hot_reload.utils")
    assert not any(name.partition(".")[0] == "extensions" for name in sys.modules)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ((), "no file or folder was named"),
        (("nowhere",), "there is no .*nowhere"),
        (("notes.txt",), "is neither a folder nor a file"),
    ],
)
def test_what_cannot_be_watched_is_three_lines(paths, found, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(lp.TargetNotFound, match=found) as caught:
        lp.watch(*(tmp_path / path for path in paths))
    assert len(str(caught.value).splitlines()) == 3
    assert watches() == []


def test_without_watchfiles_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles._rust_notify", None)
    with pytest.raises(lp.HostUnsupported, match="watchfiles is missing") as caught:
        lp.watch(tmp_path)
    assert str(caught.value).splitlines()[2].endswith("pip install 'livepatch[watch]'")
    assert watches() == []


def test_the_magic_watches_shows_and_ends(folder):
    folder.watch.stop()
    (folder.path / "mine.py").write_text(replacing("by the magic"))
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    try:
        shown = notebook.run(f"%watch {folder.path}")
        assert f'= lp.watch("{folder.path}")' in shown
        assert functions.plain(1) == "by the magic"
        folder.write("1/0", "broken.py")
        shown = str(notebook.value("%watch"))
        assert "line 1: ZeroDivisionError" in shown
        assert "mine.py" in shown
        refused = notebook.run("%watch nowhere --off")
        assert f"watched: {folder.path}\n" in refused
        assert len(watches()) == 1
        notebook.run(f"%watch {folder.path} --off")
        assert watches() == []
        assert "nothing is watched" in notebook.run("%watch")
        notebook.run(f"%watch {folder.path}")
    finally:
        notebook.run("%unload_ext livepatch")
        notebook.shell.history_manager.end_session()
    assert watches() == []
    assert functions.plain(1) == OLD


ENDS = """
import sys, threading
import livepatch as lp
lp.watch(sys.argv[1])
print([t.name for t in threading.enumerate() if t.name == "livepatch-watch"])
"""


def test_a_process_that_watches_ends_as_it_would_without(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-c", ENDS, str(tmp_path)]
    for _ in range(2):
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "['livepatch-watch']\n"


def test_detach_ends_watching_before_it_restores(folder):
    folder.write(replacing("one"))
    lp.detach()
    assert watches() == []
    assert functions.plain(1) == OLD
