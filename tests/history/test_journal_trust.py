"""Whose journals are read, and what becomes of one in which anything may stand."""

from __future__ import annotations

import copy
import json
import os
import stat
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_support import KEEPS, NAMESPACE, ran, read, session
from notebook_support import Notebook
from samples import functions

import livepatch as lp
from livepatch.errors import FileNotTrusted

OURS = ("old", 1, 2, 1)


@pytest.fixture
def before(place):
    """A session before this process's own, whose replay would be seen."""
    session(plain="replayed")
    lp.journal.keep("a-webui")
    return place


def assert_refused(*words):
    """Neither looked at nor run, in three lines with a way out; the list names it."""
    for ask in (lp.journal.saved, lp.journal.replay, lambda: lp.journal.replay(session=1)):
        with pytest.raises(FileNotTrusted) as caught:
            ask()
        lines = str(caught.value).splitlines()
        assert len(lines) == 3
        assert all(word in lines[1] or word in lines[2] for word in words), lines
    assert functions.plain(1) == OURS
    (row,) = [one for one in lp.journal.sessions() if one.session == "1"]
    assert row.state == "refused"
    assert all(word in row.why for word in words)


def test_a_journal_of_another_user_is_refused_and_trusted_when_told_so(before, a_user, monkeypatch):
    os.chown(before.part(1), a_user.pw_uid, a_user.pw_gid)
    assert_refused(
        a_user.pw_name, f"LIVEPATCH_TRUST_UIDS={a_user.pw_uid}", f"chown 0 {before.part(1)}"
    )
    monkeypatch.setenv("LIVEPATCH_TRUST_UIDS", str(a_user.pw_uid))
    lp.journal.replay(namespace=NAMESPACE)
    assert functions.plain(1) == "replayed"


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize("mode", [0o666, 0o602, 0o622])
def test_a_journal_that_everybody_can_write_is_refused(before, mode):
    before.part(1).chmod(mode)
    assert_refused("writable by everybody", f"chmod o-w {before.part(1)}")
    before.part(1).chmod(0o640)
    lp.journal.replay(namespace=NAMESPACE)
    assert functions.plain(1) == "replayed"


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize("which", ["folder", "above"])
def test_a_journal_in_a_folder_that_everybody_can_write_is_refused(before, which, caplog):
    folder = before.folder if which == "folder" else before.folder.parent.parent
    folder.chmod(0o777)
    assert_refused(str(folder), "writable by everybody", f"chmod o-w {folder}")
    lp.journal.end()
    lp.journal.keep("a-webui")
    assert "writable by everybody" in caplog.text
    assert lp.journal.path is None
    lp.journal.end()
    folder.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links, named pipes")
@pytest.mark.parametrize("kind", ["link", "named pipe", "folder"])
def test_what_is_no_file_is_refused_at_once(before, kind, tmp_path):
    path = before.part(1)
    elsewhere = path.rename(tmp_path / "elsewhere.jsonl")
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert_refused(f"is a {kind}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links, named pipes")
def test_a_journal_of_0_1_is_not_trusted_more(place, tmp_path):
    place.folder.parent.mkdir(parents=True)
    os.mkfifo(place.folder.parent / "a-webui.jsonl")
    lp.journal.keep("a-webui")
    with pytest.raises(FileNotTrusted, match="is a named pipe"):
        lp.journal.replay()
    assert [one.state for one in lp.journal.sessions()] == ["refused", "this one"]
    session(plain=1)
    lp.journal.keep("a-webui")
    assert len(lp.journal.saved()) == 1  # there is a newer one


def test_what_somebody_else_put_there_is_not_written_to(place, tmp_path):
    place.folder.mkdir(parents=True)
    theirs = tmp_path / "theirs"
    theirs.write_text("")
    place.part(1).symlink_to(theirs)
    lp.journal.keep("a-webui")
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    assert lp.journal.flush()
    assert lp.journal.path == place.part(2)
    assert theirs.read_text() == ""


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_files_and_folders_are_the_users_alone_whatever_the_umask(place, umask):
    made = place.folder.parent.parent
    ran(f"import os; os.umask({umask}){KEEPS}change('plain', 1)", state=made)
    modes = {
        path.relative_to(made.parent): stat.S_IMODE(path.lstat().st_mode)
        for path in [made, *made.rglob("*")]
    }
    assert set(modes.values()) == {0o700, 0o600}
    assert all((mode == 0o600) == path.name.endswith(".jsonl") for path, mode in modes.items())


# What a file of ours has, for the fuzzer to change.
HEADER = {
    "livepatch_journal": 1, "session": "1", "pid": 1 << 22, "started": "1", "boot": "another",
    "namespace": "another", "machine": None, "host": "far", "held": True,
    "since": "2026-05-01T10:00:00+00:00", "python": "3.11.7", "livepatch": "0.1.0",
}  # fmt: skip
CHANGE = {
    "verb": "replace", "target": "samples.functions.plain", "owner": "notebook",
    "name": "replace", "stack": "samples.functions.plain", "form": "text", "guard": 3,
    "source": "def plain(a):\n    return 'tampered'", "names": ["a"], "original": None,
    "module": "livepatch_notebook", "gone": [["a", "b", "c"]], "targets": ["x"],
}  # fmt: skip
STEP = {"step": 1, "time": HEADER["since"], "cell": 1, "outcome": "done", "changes": [CHANGE]}
SAVED = {
    "step": 1, "time": HEADER["since"], "cell": None, "line": CHANGE, "first": "add", "on": True,
}  # fmt: skip
LINES = [
    HEADER, STEP, {"undo": 1}, {"redo": 1}, {"lost": 2}, {"carried": 1, "layers": 1},
    {"carried": 1, "layer": SAVED}, {"end": HEADER["since"]},
]  # fmt: skip


def shortened(value):
    return repr(value)[:20]


NASTY = st.sampled_from(
    [
        None, True, False, 0, -1, 1, 5, 10**14, 10**30, 1.5, 1e308, "", "x", "\x00", "\x1b[2J",
        "a\nb", "\u2028", "\ud800", "x" * 5000, [], {}, [[]], [5], [None], [["a", "b"]], {"a": 1},
        "samples.functions.LIMITS['steps']", "samples.functions.plain.__code__", "[", "a..b",
        "builtins.print", "livepatch.journal", "file x", "__main__", "other", "value", "lambda",
        "class", "function", "restore", "take back", "switch off", "adopt", "wrap",
        "def plain(a):\n    return 1", "def f(:", "lambda a: 1", "\tdef f(a):\n\t  pass",
    ]
)  # fmt: skip
RAW = [
    b"", b"\n", b"\x00" * 50, b"\xff\xfe", b"{", b"[" * 100_000, b'{"a":' * 100_000, b"null",
    b"1e999", b'{"step": 1e999, "changes": []}', b'{"step": ' + b"9" * 50_000 + b"}",
    b'{"step": 999999999999999999999, "changes": []}', b'{"step": NaN}',
    '{"step": 1}'.encode("utf-16"), b'{"session": 3}', b"[1]",
    b"x" * 300_000, b'"' + b"\\ud800" * 10 + b'"',
]  # fmt: skip


def places_in(value, path=()):
    """Where something stands in a line."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places_in(value[key], (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places_in(item, (*path, number))


def put(line, path, value):
    line = copy.deepcopy(line)
    if not path:
        return value
    inner = line
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return line


@st.composite
def tampered_lines(draw):
    line = draw(st.sampled_from(LINES))
    if draw(st.booleans()):
        return draw(st.sampled_from(RAW))
    for _ in range(draw(st.integers(0, 2))):
        where = list(places_in(line))
        if isinstance(line, (dict, list)):
            line = put(line, draw(st.sampled_from(where)), draw(NASTY))
    data = json.dumps(line).encode()
    cut = draw(st.integers(0, 3))
    return data if cut else data[: draw(st.integers(0, len(data)))]


journals = st.tuples(st.sampled_from(["numbered", "0.1"]), st.lists(tampered_lines(), max_size=6))


def answer_of(ask):
    """The report, or the error of three lines; anything else passes on."""
    try:
        return ask()
    except lp.LivepatchError as error:
        return error


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(journals)
def test_a_tampered_journal_is_never_a_traceback(place, journal):
    kind, lines = journal
    header = json.dumps({**HEADER, "session": "abc"}).encode()
    lp.journal.end()
    if kind == "0.1":
        place.folder.parent.mkdir(parents=True, exist_ok=True)
        lines = [header, *lines]
        path = place.folder.parent / "a-webui.jsonl"
    else:
        place.folder.mkdir(parents=True, exist_ok=True)
        path = place.part(1)
    path.write_bytes(b"\n".join(lines))
    try:
        lp.journal.keep("a-webui")
        str(lp.journal.sessions())
        for ask in (
            lp.journal.saved,
            lp.journal.replay,
            lambda: lp.journal.saved(1),
            lambda: lp.journal.replay(1, session=1),
            lambda: lp.journal.replay(session=1, namespace=NAMESPACE),
        ):
            answer = answer_of(ask)
            assert str(answer).replace("\n", "").isprintable()
            if isinstance(answer, lp.LivepatchError):
                assert len(str(answer).splitlines()) == 3
            else:
                answer._repr_mimebundle_()["text/html"].encode()
    finally:
        lp.restore_all()
        lp.journal._entries.clear()
        lp.journal.end()
        for left in [path, *place.folder.glob("*")]:
            left.unlink(missing_ok=True)


@pytest.mark.parametrize("raw", [*RAW, b'{"step": 2, "changes": 2}', b'{"gone": 5}'], ids=shortened)
def test_a_damaged_line_is_named_and_passed_over(before, raw):
    path = before.part(1)
    header, step, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([header, raw, b"\n", step, *rest]))
    report = lp.journal.replay(namespace=NAMESPACE)
    assert functions.plain(1) == "replayed"
    bad = read(before, 1).bad
    if raw.strip():
        assert len(bad) >= 1
        assert f"could not be read ({bad[0]}" in str(report)
        assert bad[0] == "1.jsonl:2"
    else:
        assert not bad


@pytest.mark.parametrize(
    "change",
    [{"gone": 5}, {"module": []}, {"names": 3}, {"guard": "x"}, {"guard": 0}, {"source": 1},
     {"form": []}, {"original": {}}, {"target": None}, {"gone": [["a", "b"]]}],
    ids=shortened,
)  # fmt: skip
def test_a_step_with_a_field_of_another_type_is_passed_over(before, change):
    path = before.part(1)
    header, step, *rest = path.read_text().splitlines(keepends=True)
    other = json.loads(step)
    other["step"] = 99
    other["changes"][0].update({"target": "samples.functions.annotated", **change})
    path.write_text("".join([header, step, json.dumps(other) + "\n", *rest]))
    report = lp.journal.replay(namespace=NAMESPACE)
    assert [one.target for one in report] == ["samples.functions.plain"]
    assert "1 line could not be read (1.jsonl:3)" in str(report)


def test_a_huge_file_is_read_in_part(before):
    path = before.part(1)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # sparse: nothing but zeros
    report = lp.journal.replay(namespace=NAMESPACE)
    assert functions.plain(1) == "replayed"
    assert "1 line could not be read (1.jsonl:4)" in str(report)


def test_the_magic_shows_three_lines_for_a_journal_that_is_not_trusted(before):
    before.part(1).chmod(0o666)
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    try:
        shown = notebook.run("%journal --replay").splitlines()
        assert shown[-3].startswith("FileNotTrusted: read the journal")
    finally:
        notebook.run("%unload_ext livepatch")
        notebook.shell.history_manager.end_session()


def test_what_stands_in_a_journal_reaches_no_terminal_raw(before):
    path = before.part(1)
    header, step, *rest = path.read_text().splitlines(keepends=True)
    evil = json.loads(step)
    evil["changes"][0].update(owner="\x1b[2Jx", name="a\nb")
    path.write_text("".join([header, json.dumps(evil) + "\n", *rest]))
    shown = str(lp.journal.saved(namespace=NAMESPACE))
    assert "\x1b" not in shown
    assert r"\x1b[2Jx" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="asks for the modes of the journal")
def test_a_session_that_cannot_be_read_is_three_lines(before, a_user):
    pid = os.fork()
    if pid == 0:
        os.setuid(a_user.pw_uid)
        try:
            lp.journal.saved()
        except lp.LivepatchError as error:
            os._exit(len(str(error).splitlines()))
        os._exit(100)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
