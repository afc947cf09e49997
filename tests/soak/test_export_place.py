"""Where an export goes: nothing of others is written over, nobody sends its files elsewhere."""

from __future__ import annotations

import itertools
import os
import pathlib
import socket
import stat
import tempfile

import export_support
import pytest
import samples.exported

import livepatch as lp
from livepatch.exporting import export as export_module
from livepatch.exporting.checking import Checked
from livepatch.exporting.place import Place

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and modes are POSIX's")
KINDS = pytest.mark.parametrize(
    ("flavor", "single"), [("plain", False), ("demo", True), ("textgen", True)]
)


@pytest.fixture(autouse=True)
def live():
    """One change that can be exported."""
    assert samples.exported
    export_support.wrap_another()


def export(folder, flavor="plain", single=False, name="mine"):
    return lp.export(folder, name=name, flavor=flavor, single_file=single)


def everything(folder):
    """All that is in a folder: kinds, modes and contents."""
    found = {}
    for base, folders, files in os.walk(os.fsencode(folder)):
        for name in (*folders, *files):
            path = os.path.join(base, name)
            status = os.lstat(path)
            content = b""
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = file.read(1_000_000)
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            found[path] = (status.st_mode, status.st_ino, content)
    return found


def refused(folder, *words, **arguments):
    before = everything(folder)
    with pytest.raises(lp.ExportRefused) as caught:
        export(folder, **arguments)
    assert everything(folder) == before
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    for word in words:
        assert word in str(caught.value)


@pytest.fixture
def unchecked(monkeypatch):
    """Exports are not tried in a process of their own: their places are what matters."""
    monkeypatch.setattr(export_module, "checked_export", lambda *_: Checked("lints clean", 1))


def socket_at(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


PUT_IN = {
    "bytes that are no text": lambda path: path.with_name("a.bin").write_bytes(b"\xff\xfe\0"),
    "a file of one's own": lambda path: path.with_name("notes.txt").write_text("mine"),
    "bytes in place of a text": lambda path: (path.unlink(), path.write_bytes(b"\xff\xfe\0")),
    "a named pipe": lambda path: os.mkfifo(path.with_name("pipe")),
    "a pipe in place of a file": lambda path: (path.unlink(), os.mkfifo(path)),
    "a socket": lambda path: socket_at(path.with_name("s")),
    "a link": lambda path: path.with_name("link.py").symlink_to(__file__),
    "a link in place of a file": lambda path: (
        path.rename(path.parents[3] / "away"),
        path.symlink_to(path.parents[3] / "away"),
    ),
    "a folder in place of a file": lambda path: (path.unlink(), path.mkdir()),
    "a name of two lines": lambda path: path.with_name("a\nb\x1b[2J.py").write_text("x"),
    "a name of bytes": lambda path: open(os.fsencode(path.parent) + b"/\xff.py", "wb").close(),
    "notes among compiled files": lambda path: (
        path.with_name("__pycache__").mkdir(),
        path.with_name("__pycache__").joinpath("notes.txt").write_text("mine"),
    ),
    "a terabyte": lambda path: os.truncate(path, 1 << 40),
}


@posix
@pytest.mark.parametrize("put_in", PUT_IN.values(), ids=PUT_IN.keys())
def test_a_folder_in_which_anything_was_changed_is_left_alone(put_in, tmp_path, unchecked):
    exported = export(tmp_path)
    put_in(exported.path / "src" / "mine" / "names.py")
    refused(tmp_path, "somebody changed")


@posix
def test_what_python_has_compiled_is_no_change(tmp_path, unchecked):
    exported = export(tmp_path)
    compiled = exported.path / "src" / "mine" / "__pycache__"
    compiled.mkdir()
    (compiled / "names.cpython-311.pyc").write_bytes(b"\0")
    assert export(tmp_path).path == exported.path
    assert not compiled.exists()
    single = export(tmp_path, "textgen", single=True, name="other")
    (single.path.parent / "__pycache__").mkdir()
    (single.path.parent / "__pycache__" / "script.cpython-311.pyc").write_bytes(b"\0")
    export(tmp_path, "textgen", single=True, name="other")


IN_PLACE = {
    "a named pipe": os.mkfifo if os.name == "posix" else None,
    "a socket": socket_at,
    "a link to a folder": lambda path: path.symlink_to(path.parent),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a file": lambda path: path.write_bytes(b"\xff"),
    "a folder": lambda path: path.mkdir(),
    "a folder of pipes": lambda path: (
        path.mkdir(),
        os.mkfifo(path / "livepatch.json"),
        os.mkfifo(path / "script.py"),
    ),
}


@posix
@KINDS
@pytest.mark.parametrize("put", IN_PLACE.values(), ids=IN_PLACE.keys())
def test_what_stands_in_its_place_is_left_alone(put, flavor, single, tmp_path):
    put(tmp_path / ("mine.py" if flavor == "demo" else "mine"))
    refused(tmp_path, "mine", flavor=flavor, single=single)


@posix
@KINDS
def test_a_link_to_an_export_is_left_alone(flavor, single, tmp_path, unchecked):
    (tmp_path / "there").mkdir()
    exported = export(tmp_path / "there", flavor, single)
    held = tmp_path / "there" / ("mine.py" if flavor == "demo" else "mine")
    assert held in (exported.path, exported.path.parent)
    (tmp_path / held.name).symlink_to(held)
    refused(tmp_path, "is a link to", flavor=flavor, single=single)


MANIFESTS = {
    "nothing": "",
    "deep": "[" * 100_000,
    "a list": "[]",
    "no files": '{"made_by": "livepatch export", "name": "mine"}',
    "files that are none": '{"made_by": "livepatch export", "name": "mine", "files": 5}',
    "of another name": '{"made_by": "livepatch export", "name": "other", "files": {}}',
    "paths that are none": '{"made_by": "livepatch export", "name": "mine", "files": {"/": 1}}',
    "a null": '{"made_by": "livepatch export", "name": "mine", "files": {"a\\u0000": []}}',
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_list_of_files_that_is_none_protects_what_is_there(text, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "livepatch.json").write_text(text)
    (tmp_path / "mine" / "script.py").write_text("mine = True")
    refused(tmp_path, "mine")


@KINDS
def test_a_folder_that_is_missing_is_made(flavor, single, tmp_path, unchecked):
    folder = tmp_path / "a" / "b"
    exported = export(folder, flavor, single)
    assert exported.path.exists()
    assert folder in exported.path.parents


@posix
def test_a_refused_export_leaves_no_folder_behind(tmp_path, monkeypatch):
    def fail(draft, names, live, asked, timeout):
        assert draft.parent.parent == tmp_path / "a" / "b"
        raise lp.ExportRefused(asked, "the check failed", "fix it")

    monkeypatch.setattr(export_module, "checked_export", fail)
    with pytest.raises(lp.ExportRefused, match="the check failed"):
        export(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "f").touch()
    for wrong, word in (
        (tmp_path / "f", "it is a file"),
        (tmp_path / "f" / "g", "it is a file"),
        (tmp_path / "n\0ul", "null"),
        (tmp_path / ("n" * 300), "too long"),
        ("~nobody0/x", "home"),
    ):
        with pytest.raises(lp.ExportRefused, match=word) as caught:
            export(wrong)
        assert len(str(caught.value).splitlines()) == 3


@posix
def test_links_made_beforehand_send_no_file_elsewhere(tmp_path, monkeypatch):
    """0.1 named its draft after the process; of names nobody can foresee, some are taken."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "extensions"
    folder.mkdir()
    (folder / f".mine-{os.getpid()}").symlink_to(elsewhere)
    for name in ("taken", "taken2"):
        (folder / f".mine-{name}").symlink_to(elsewhere)
    names = itertools.chain(["taken", "taken2"], tempfile._RandomNameSequence())
    monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: names)
    exported = export(folder)
    assert next(names) not in ("taken", "taken2")
    assert list(elsewhere.iterdir()) == []
    assert not exported.path.is_symlink()
    assert (exported.path / "README.md").is_file()


@posix
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
@KINDS
def test_nobody_else_can_write_what_is_exported_whatever_the_umask(
    umask, flavor, single, tmp_path, monkeypatch
):
    seen = []

    def look(draft, names, live, asked, timeout):
        room = draft.relative_to(tmp_path / "new").parts[0]
        seen.append(stat.S_IMODE((tmp_path / "new" / room).stat().st_mode))
        return real(draft, names, live, asked, timeout)

    real = export_module.checked_export
    monkeypatch.setattr(export_module, "checked_export", look)
    former = os.umask(umask)
    try:
        exported = export(tmp_path / "new", flavor, single)
    finally:
        os.umask(former)
    assert seen == [0o700]
    found = everything(tmp_path / "new") | {b"new": ((tmp_path / "new").stat().st_mode, 0, b"")}
    modes = {(stat.S_ISDIR(mode), stat.S_IMODE(mode)) for mode, _, _ in found.values()}
    assert modes <= {(True, 0o755 & ~umask), (False, 0o644 & ~umask)}
    assert exported.path.exists()


@KINDS
def test_what_comes_to_its_place_during_the_check_is_not_written_over(
    flavor, single, tmp_path, monkeypatch
):
    final = tmp_path / ("mine.py" if flavor == "demo" else "mine")

    def meanwhile(draft, names, live, asked, timeout):
        if flavor == "demo":
            final.write_text("somebody's")
        else:
            final.mkdir()
            (final / "script.py").write_text("somebody's")
        return real(draft, names, live, asked, timeout)

    real = export_module.checked_export
    monkeypatch.setattr(export_module, "checked_export", meanwhile)
    with pytest.raises(lp.ExportRefused):
        export(tmp_path, flavor, single)
    file = final if flavor == "demo" else final / "script.py"
    assert file.read_text() == "somebody's"
    assert [path.name for path in tmp_path.iterdir()] == [final.name]


def test_the_former_export_comes_back_when_a_new_one_cannot_be_put(
    tmp_path, monkeypatch, unchecked
):
    export(tmp_path)
    before = everything(tmp_path)
    real = pathlib.Path.replace

    def replace(path, target):
        if path.name == "mine" and path.parent != tmp_path:
            raise OSError(28, "No space left on device", str(path))
        return real(path, target)

    monkeypatch.setattr(pathlib.Path, "replace", replace)
    with pytest.raises(lp.ExportRefused, match="No space left"):
        export(tmp_path)
    assert everything(tmp_path) == before


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    place = Place("export mine", tmp_path / "new", "mine", "mine", is_file=False)

    def interrupted():
        with place.draft({"a/b.py": "x"}) as draft:
            assert (draft / "a" / "b.py").read_text() == "x"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
