"""Watched files: whose they may be, and that the watching outlives whatever lies there."""

from __future__ import annotations

import os
import shutil
import socket
import threading

import pytest
from notebook_support import Notebook
from samples import functions
from watching_support import OLD, replacing

import livepatch as lp
from livepatch.watching.watches import watches

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners, modes and links are POSIX")
as_root = pytest.mark.skipif(
    os.name == "posix" and os.geteuid() != 0, reason="only root can give files away"
)
SOMEBODY = 54321  # an id that has no account


def until_error(folder, word):
    folder.until(lambda: any(word in error.message for error in folder.watch.errors))
    (error,) = folder.watch.errors
    return error


def a_pipe(path):
    os.mkfifo(path / "x.py")


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(path)  # its name has 107 bytes at most
        bound.bind("x.py")
        os.chdir(here)


def a_folder(path):
    (path / "x.py").mkdir()


def a_circle(path):
    (path / "x.py").symlink_to("x.py")


def a_longer_circle(path):
    (path / "x.py").symlink_to("y.py")
    (path / "y.py").symlink_to("x.py")


def a_link_into_a_missing_folder(path):
    (path / "x.py").symlink_to(path.parent / "missing" / "x.py")


def a_link_to_a_device(path):
    (path / "x.py").symlink_to("/dev/zero")


def a_link_to_a_folder(path):
    (path.parent / "elsewhere").mkdir()
    (path / "x.py").symlink_to(path.parent / "elsewhere")


def deep_folders(path):
    inner = path
    for _ in range(60):
        inner = inner / "deep.py"
        inner.mkdir()


def many_files(path):
    for number in range(3000):
        (path / f"x{number}.txt").touch()
    for number in range(200):
        (path / f"x{number}.py").touch()


def a_name_that_is_no_text(path):
    with open(os.fsencode(path) + b"/\xff.py", "w") as file:
        file.write("seen = True\n")


def a_name_with_a_newline(path):
    (path / "a\n\x1b[2J.py").write_text("seen = True\n")


def a_link_into_a_folder_whose_name_is_no_text(path):
    """The system cannot be asked to tell of that one: it is looked at instead."""
    elsewhere = os.fsencode(path.parent) + b"/\xff"
    os.mkdir(elsewhere)
    with open(elsewhere + b"/real.py", "w") as file:
        file.write("seen = True\n")
    os.symlink(elsewhere + b"/real.py", os.fsencode(path) + b"/x.py")


KINDS = (a_pipe, a_socket, a_folder, a_circle, a_longer_circle, a_link_into_a_missing_folder)
KINDS += (a_link_to_a_device, a_link_to_a_folder, deep_folders, many_files)
KINDS += (a_name_that_is_no_text, a_name_with_a_newline, a_link_into_a_folder_whose_name_is_no_text)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_the_watching_outlives_whatever_lies_in_the_folder(folder, make):
    """Defect 65: a link in a circle ended it for good, without a word."""
    (thread,) = [t for t in threading.enumerate() if t.name == "livepatch-watch"]
    make(folder.path)
    folder.settle()
    for value in ("one", "two"):
        folder.write(replacing(value))
        folder.until(lambda value=value: functions.plain(1) == value)
    assert folder.watch.errors == []
    assert thread.is_alive()
    assert all(line.isprintable() for line in folder.told)
    assert all(line.isprintable() for line in str(folder.watch).splitlines())
    for entry in os.scandir(os.fsencode(folder.path)):
        shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)
    folder.until(lambda: functions.plain(1) == OLD)
    assert thread.is_alive()


@pytest.mark.parametrize("make", [a_circle, a_pipe, a_link_to_a_device, a_folder])
def test_watching_begins_beside_whatever_lies_in_the_folder(tmp_path, make):
    make(tmp_path)
    (tmp_path / "mine.py").write_text(replacing("at once"))
    watched = lp.watch(tmp_path)
    try:
        assert functions.plain(1) == "at once"
        assert [file.path.name for file in watched.files] == ["mine.py"]
    finally:
        watched.stop()


@pytest.mark.parametrize(
    "make", [a_circle, a_pipe, a_link_to_a_device, a_link_into_a_missing_folder]
)
def test_what_is_no_file_cannot_be_watched_as_one(tmp_path, make):
    make(tmp_path)
    with pytest.raises(lp.TargetNotFound) as refused:
        lp.watch(tmp_path / "x.py")
    assert len(str(refused.value).splitlines()) == 3


def test_a_folder_called_like_a_file_is_a_folder(tmp_path):
    project = tmp_path / "project.py"
    project.mkdir()
    (project / "mine.py").write_text(replacing("in it"))
    watched = lp.watch(project)
    try:
        assert functions.plain(1) == "in it"
    finally:
        watched.stop()


def test_the_folder_and_all_above_it_may_go_and_come_again(folder, tmp_path):
    folder.write(replacing("one"))
    top = tmp_path / "a"
    deep = top / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "mine.py").write_text(replacing("deep", "samples.functions.uses_module"))
    watched = lp.watch(deep)
    try:
        shutil.rmtree(top)
        folder.until(lambda: functions.uses_module(1) == 3)
        assert watched.is_on
        deep.mkdir(parents=True)
        (deep / "mine.py").write_text(replacing("again", "samples.functions.uses_module"))
        folder.until(lambda: functions.uses_module(1) == "again")
    finally:
        watched.stop()


def test_a_file_that_is_too_long_is_an_error_and_no_end(folder):
    with (folder.path / "x.py").open("wb") as file:
        file.truncate(65_000_000)
    assert "longer than 64,000,000 bytes" in until_error(folder, "longer").message
    folder.write(replacing("one"))
    assert functions.plain(1) == "one"


@as_root
def test_a_file_of_somebody_else_is_an_error_and_says_what_allows_it(
    folder,
    monkeypatch,
):
    """Defect 73: it ran, as whoever the webui runs as, without a word."""
    folder.write(replacing("good"))
    (folder.path / "theirs").write_text(replacing("theirs"))
    os.chown(folder.path / "theirs", SOMEBODY, SOMEBODY)
    (folder.path / "theirs").rename(folder.path / "mine.py")
    error = until_error(folder, "FileNotTrusted")
    mine = str(folder.path / "mine.py")
    asked, found, advice = error.message.removeprefix("FileNotTrusted: ").split(" · ")
    assert (error.file, asked) == (mine, f"run the watched file {mine}")
    assert f"{mine} belongs to uid {SOMEBODY}" in found
    assert f"LIVEPATCH_TRUST_UIDS={SOMEBODY}" in advice
    assert functions.plain(1) == "good"  # as for a broken file: the last good version stays
    assert "broken, the previous version is live" in str(folder.watch)
    assert len(folder.told) == 2  # said once
    monkeypatch.setenv("LIVEPATCH_TRUST_UIDS", str(SOMEBODY))
    folder.write("seen = True\n", "last.py")
    folder.until(lambda: functions.plain(1) == "theirs" and not folder.watch.errors)


@as_root
def test_what_mends_it_need_not_be_a_save(folder):
    (folder.path / "mine.py").touch()
    os.chown(folder.path / "mine.py", SOMEBODY, SOMEBODY)
    (folder.path / "mine.py").write_text(replacing("fixed"))
    until_error(folder, "belongs to")
    os.chown(folder.path / "mine.py", os.geteuid(), -1)
    folder.until(lambda: functions.plain(1) == "fixed")
    assert folder.watch.errors == []


@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_a_file_that_everybody_could_write_is_an_error_until_it_is_closed(
    folder,
    what,
):
    folder.path.chmod(0o777 if what == "its folder" else 0o755)
    (folder.path / "draft").write_text(replacing("anybody's"))
    (folder.path / "draft").chmod(0o666 if what == "the file" else 0o644)
    (folder.path / "draft").rename(folder.path / "mine.py")
    error = until_error(folder, "is writable by everybody")
    writable = folder.path if what == "its folder" else folder.path / "mine.py"
    assert f"chmod o-w {writable}" in error.message
    assert functions.plain(1) == OLD
    writable.chmod(0o755)
    folder.write("seen = True\n", "last.py")
    folder.until(lambda: functions.plain(1) == "anybody's")


@as_root
def test_links_are_followed_where_a_trusted_user_has_laid_them(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real.py").write_text(replacing("linked"))
    (tmp_path / "way").symlink_to(elsewhere)
    (folder.path / "mine.py").symlink_to(tmp_path / "way" / "real.py")
    folder.until(lambda: functions.plain(1) == "linked")
    os.chown(tmp_path / "way", SOMEBODY, -1, follow_symlinks=False)
    (elsewhere / "real.py").write_text(replacing("theirs"))
    assert f"{tmp_path / 'way'} belongs to" in until_error(folder, "belongs to").message
    assert functions.plain(1) == "linked"


@as_root
def test_a_link_of_somebody_else_is_an_error_even_to_a_file_of_ours(folder, tmp_path):
    (tmp_path / "real.py").write_text(replacing("ours"))
    (folder.path / "draft").symlink_to(tmp_path / "real.py")
    os.chown(folder.path / "draft", SOMEBODY, -1, follow_symlinks=False)
    (folder.path / "draft").rename(folder.path / "mine.py")
    assert f"{folder.path / 'mine.py'} belongs to" in until_error(folder, "belongs").message
    assert functions.plain(1) == OLD


@pytest.fixture
def ended(folder, monkeypatch):
    """A watch whose thread has ended, which nothing is known to bring about."""

    def end(*_):
        raise SystemExit("ended")

    watch = folder.watch
    folder.write(replacing("one"))
    with monkeypatch.context() as patch:
        patch.setattr(type(watch), "_follow_as_told", end)
        patch.setattr(type(watch), "_take_note", end)
        thread = watch._thread
        (folder.path / "other.py").write_text("seen = True\n")
        folder.path.rename(folder.path.with_name("away"))  # lets the thread come round
        folder.path.mkdir()
        thread.join(60)
    assert not watch.is_on
    return folder


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("cell", ["1 + 1", "%watch"])
def test_if_the_thread_ever_ends_the_next_cell_says_so_and_it_goes_on(ended, cell):
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    try:
        assert f"watching {ended.path} had ended · it goes on" in notebook.run(cell)
        assert "had ended" not in notebook.run(cell)
        assert ended.watch.is_on
        assert watches() == [ended.watch]
        ended.write(replacing("two"))
        ended.until(lambda: functions.plain(1) == "two")
        assert "Watching" in str(notebook.value("%watch"))
    finally:
        notebook.run("%unload_ext livepatch")
        notebook.shell.history_manager.end_session()
