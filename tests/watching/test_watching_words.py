"""What watching says: of files whose changes were restored, of folders that nobody watches."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from notebook_support import a_notebook
from samples import functions
from watching_support import OLD, replacing

import livepatch as lp
from livepatch.reach.playground import watch_playground
from livepatch.watching import loaded
from livepatch.watching import watches as watching


def test_after_restore_all_nothing_is_called_live_and_a_save_brings_it_back(folder):
    folder.write(replacing("one"))
    assert "live" in str(folder.watch)
    said = lp.restore_all()
    assert "mine.py is still watched, and changes something again when saved" in said
    assert functions.plain(1) == OLD
    ((_, state, layers, *_),) = folder.watch.report().rows()
    assert (state, layers) == ("restored: save it again", "0")
    folder.write(replacing("two"))
    assert functions.plain(1) == "two"
    ((_, state, layers, *_),) = folder.watch.report().rows()
    assert (state, layers) == ("live", "1")


def test_a_file_without_changes_is_not_called_live(folder):
    folder.write("x = 1\n")
    ((_, state, *_),) = folder.watch.report().rows()
    assert state == "it changes nothing"


def test_a_playground_that_cannot_be_watched_is_said_in_the_next_cell(tmp_path, monkeypatch):
    (tmp_path / "playground").mkdir()
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    monkeypatch.setitem(sys.modules, "watchfiles._rust_notify", None)
    watch_playground(tmp_path / "livepatch.py")
    with a_notebook() as notebook:
        said = notebook.run("1")
        assert f"{tmp_path / 'playground'} is not watched" in said
        assert "watchfiles" in said
        assert "not watched" not in notebook.run("1")
        assert f"{tmp_path / 'playground'} is not watched" in notebook.run("%watch")
        monkeypatch.undo()
        pytest.importorskip("watchfiles")
        notebook.run(f"%watch {tmp_path / 'playground'}")
        assert "not watched" not in notebook.run("%watch")
    watching.stop_all()


def test_the_folder_of_an_extension_leads_to_reload(tmp_path, monkeypatch):
    pack = tmp_path / "custom_nodes" / "pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("ran = []\n")
    (pack / "nodes.py").write_text("ran = 1\n")
    spec = spec_from_file_location("pack", pack / "__init__.py")
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pack", module)
    spec.loader.exec_module(module)
    for path in (pack, pack / "__init__.py"):
        with pytest.raises(lp.PatchRefused, match="%extensions reload pack") as refused:
            lp.watch(path)
        assert "as pack" in refused.value.found
    playground = pack / "playground"
    playground.mkdir()
    loaded.refuse_loaded("watch it", [playground, pack / "nodes.py"])  # nothing has loaded these
