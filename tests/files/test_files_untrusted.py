"""The walk and the reader that strangers' folders are looked through with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livepatch.adapters.loader import execute, python_files
from livepatch.files.untrusted import Unreadable, entries_of, read_untrusted, walk_untrusted
from livepatch.notebook.words import paths_below
from livepatch.this_webui.installed import InstalledExtension

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and modes are POSIX's")


def walk(folder, **limits):
    found = walk_untrusted(folder, lambda name: name.endswith(".py"), str.isupper, **limits)
    return [(os.path.relpath(e.path, folder), e.trouble) for e in found]


def test_files_come_in_the_order_of_names_and_what_is_left_out_does_not(tmp_path):
    for path in ("b.py", "a/z.py", "a/a.py", "a/NOT/x.py", "c/x.txt", "c/d/y.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    names = [name for name, _ in walk(tmp_path)]
    assert names == ["b.py", "a/a.py", "a/z.py", "c/d/y.py"]


def test_limits_are_told_where_they_are_met(tmp_path):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "x.py").touch()
    assert walk(tmp_path, deepest=1) == [
        ("a/x.py", ""),
        ("a/b", "is nested in more than 1 folders"),
    ]
    assert walk(tmp_path, most=2)[-1] == (
        "a",
        "is not read further: more than 2 files and folders",
    )
    assert walk(tmp_path / "nothing") == [(".", "cannot be read: No such file or directory")]
    listed, is_all = entries_of(tmp_path / "a", most=1)
    assert (len(listed), is_all) == (1, False)


@posix
def test_a_link_may_lead_to_a_regular_file_and_not_out_of_a_folder(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "inside"  # begins alike
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "x.py").write_text(folder.name)
    (inside / "near").symlink_to("x.py")
    (inside / "far").symlink_to(outside / "x.py")
    (inside / "folder").symlink_to(outside)
    assert read_untrusted(inside / "near", inside=inside) == b"in"
    assert read_untrusted(inside / "far") == b"inside"
    for name, why in (("far", "leads out"), ("folder", "leads out"), ("none", "No such file")):
        with pytest.raises(Unreadable, match=why):
            read_untrusted(inside / name, inside=inside)
    (tmp_path / "way").symlink_to(inside)  # the folder itself may be named by a link
    assert read_untrusted(tmp_path / "way" / "near", inside=tmp_path / "way") == b"in"


@posix
def test_a_file_that_was_exchanged_for_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    """Between the look at its kind and its opening."""
    file = tmp_path / "x.py"
    file.write_text("x")
    real = os.open

    def exchange(path, *arguments, **options):
        file.unlink()
        os.mkfifo(file)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", exchange)
    with pytest.raises(Unreadable, match="is a named pipe"):
        read_untrusted(file)


def test_a_file_that_is_too_long_gives_its_beginning(tmp_path):
    (tmp_path / "x").write_bytes(b"ab" * 100)
    with pytest.raises(Unreadable, match="longer than 100 bytes") as caught:
        read_untrusted(tmp_path / "x", longest=100)
    assert caught.value.beginning == b"ab" * 50 + b"a"
    assert len(read_untrusted(tmp_path / "x", longest=200)) == 200


@posix
def test_what_webuis_load_is_read_without_waiting(tmp_path):
    (tmp_path / "scripts").mkdir()
    os.mkfifo(tmp_path / "scripts" / "pipe.py")
    (tmp_path / "scripts" / "folder.py").mkdir()
    (tmp_path / "scripts" / "good.py").write_text("x = 1")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "scripts" / "linked.py").symlink_to("good.py")
    good, linked = (tmp_path / "scripts" / name for name in ("good.py", "linked.py"))
    assert python_files(tmp_path / "scripts") == [good, linked]
    assert python_files(tmp_path / "nowhere") == []
    assert execute("linked", linked).x == 1
    with pytest.raises(ImportError, match="is a named pipe, not a regular file"):
        execute("pipe", tmp_path / "scripts" / "pipe.py")
    extension = InstalledExtension("x", tmp_path)
    assert extension.files == (good, linked)
    assert extension.scripts == (good, linked)


@posix
def test_completion_of_a_path_offers_no_name_that_a_terminal_obeys(tmp_path):
    for name in ("a.py", "b.txt", "c\x1b[2J.py", "d\n.py"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert [Path(p).name for p in paths_below(str(tmp_path), ".py")] == ["a.py", "folder"]
    assert paths_below(str(tmp_path / "nowhere" / "x"), ".py") == []
