"""The journal on disk: what is written, what a kill or a full disk costs, and replaying it."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading

import pytest
from journal_support import (
    KEEPS,
    NAMESPACE,
    PLAIN,
    TARGET,
    TEXT,
    by_target,
    killed,
    ran,
    read,
    restart,
    start,
    written,
)
from notebook_support import Notebook
from samples import functions

import livepatch as lp
from livepatch.history import writer as journal_writer
from livepatch.history.places import Place
from livepatch.history.writer import SessionWriter


def test_each_step_is_a_line_with_time_target_text_owner_and_outcome(kept):
    lp.replace(TARGET, TEXT)
    lp.undo()
    header, step, undone = written()
    assert (header["livepatch_journal"], header["pid"]) == (1, os.getpid())
    (change,) = step["changes"]
    assert (change["verb"], change["target"], change["owner"]) == ("replace", TARGET, __name__)
    assert change["source"] == TEXT
    assert step["outcome"] == "done"
    assert step["time"].startswith("20")
    assert undone["undo"] == step["step"]


def test_the_file_is_there_at_once_and_the_users_alone(place):
    path = lp.journal.keep("A Webui")
    assert path == lp.journal.path == place.folder / "1.jsonl"
    assert place.folder.name == "a-webui"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (place.folder, place.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_number_of_the_cell_is_kept(kept):
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    try:
        notebook.run(f"%%replace {TARGET}\n{TEXT}")
        assert written()[-1]["cell"] == lp.journal[-1].cell == 2
    finally:
        notebook.run("%unload_ext livepatch")
        notebook.shell.history_manager.end_session()


def test_no_value_is_written(kept):
    secret = "sk-123456"
    namespace = {"__name__": "livepatch_notebook", "token": secret}

    class Caller:
        def __call__(self, a):
            return secret

        def __repr__(self):
            return secret

    exec("import livepatch as lp", namespace)
    lp.replace("samples.functions.FACTOR", secret)
    lp.replace("samples.functions.LIMITS['steps']", [secret])
    lp.replace("samples.functions.annotated", Caller())
    exec(f"lp.replace({TARGET!r}, 'def uses_module(a):\\n    return token')", namespace)
    assert functions.uses_module(secret) == secret
    assert len(written()) == 5
    assert secret not in lp.journal.path.read_text()


def test_a_disk_that_does_not_answer_holds_nobody_up(kept):
    answers = threading.Event()
    lp.journal._writer.append(lambda: {"lost": int(answers.wait(60)) - 1})
    layers = [lp.replace(TARGET, TEXT) for _ in range(20)]
    assert functions.uses_module(1) == "new"
    assert not lp.journal.flush(timeout=0)
    answers.set()
    assert len(written()) == 2 + len(layers)


FULL_DISK = (
    KEEPS
    + """
import logging, resource
logging.basicConfig(format="%(message)s")
path, full = lp.journal.path, resource.getrlimit(resource.RLIMIT_FSIZE)
change("plain", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, full[1]))
for _ in range(3):
    lp.replace("samples.functions.uses_module", "def uses_module(a):\\n    return 2")
    print(lp.journal.flush(), lp.journal.lost)
resource.setrlimit(resource.RLIMIT_FSIZE, full)
lp.replace("samples.functions.annotated", "def annotated(a):\\n    return 3")
print(lp.journal.flush(), lp.journal.lost)
print(functions.plain(1), functions.uses_module(1), functions.annotated(1))
print(str(lp.journal).splitlines()[0])
"""
)


def test_a_full_disk_is_one_line_in_the_log_and_what_is_lost_is_said(place):
    process = start(FULL_DISK, state=place.folder.parent.parent)
    out, err = process.communicate(timeout=60)
    *flushed, values, title = out.splitlines()
    assert flushed == ["False 1", "False 2", "False 3", "False 3"], err
    assert values == "1 2 3"
    assert title == "Journal · 3 steps could not be written to disk"
    assert err.count("livepatch: cannot write the journal to disk") == 1
    session = read(place, 1)
    assert sorted(session.steps) == [1, 5]
    assert (session.lost, session.bad) == (3, [])
    lp.journal.keep("a-webui")
    assert "3 steps could not be written" in str(lp.journal.saved())


# The room for the header goes first; then that for the session's next file.
NO_ROOM = """
import logging, os, resource, sys
logging.basicConfig(format="%(message)s")
import livepatch as lp
from livepatch.history import writer
from samples import functions
full = resource.getrlimit(resource.RLIMIT_FSIZE)
if sys.argv[1] == "header":
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, full[1]))
    folder = lp.journal.keep("a-webui")
    print(folder.is_dir(), os.listdir(folder), lp.journal.path)
else:
    writer.LONGEST = 1
    lp.journal.keep("a-webui")
    lp.journal.path.with_name("1.2.jsonl").mkdir()
lp.replace("samples.functions.plain", "def plain(a):\\n    return 1")
print(lp.journal.flush(), lp.journal.lost, functions.plain(1))
resource.setrlimit(resource.RLIMIT_FSIZE, full)
lp.replace("samples.functions.annotated", "def annotated(a):\\n    return 3")
print(lp.journal.flush(), lp.journal.lost, functions.annotated(1))
"""


def test_a_disk_that_is_full_when_the_session_begins(place):
    process = start(NO_ROOM, "header", state=place.folder.parent.parent)
    out, err = process.communicate(timeout=60)
    assert out.splitlines() == ["True [] None", "False 1 1", "False 1 3"], err
    assert err.count("livepatch: cannot write the journal to disk") == 1
    assert (sorted(read(place, 1).steps), read(place, 1).lost) == ([2], 1)


def test_a_next_file_that_cannot_be_made_costs_nothing(place):
    process = start(NO_ROOM, "next", state=place.folder.parent.parent)
    out, err = process.communicate(timeout=60)
    assert out.splitlines() == ["True 0 1", "True 0 3"], err
    lines = list(map(json.loads, place.part(1).read_text().splitlines()))
    assert [line["step"] for line in lines if "step" in line] == [1, 2]


def test_a_folder_that_cannot_be_made_is_one_line_in_the_log(place, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIVEPATCH_STATE_DIR", str(tmp_path / "file"))
    lp.journal.keep("nowhere")
    try:
        lp.replace(TARGET, TEXT)
        lp.restore(TARGET)
        assert not lp.journal.flush()
        assert lp.journal.lost == 2
    finally:
        lp.journal.end()
    assert len([r for r in caplog.records if "cannot write the journal" in r.message]) == 1


def test_a_step_that_is_too_long_is_lost_and_the_next_is_written(kept, monkeypatch, caplog):
    monkeypatch.setattr(journal_writer, "LONGEST_LINE", 5_000)
    lp.replace(TARGET, f"def uses_module(a):\n    return {'x' * 5_000!r}")
    lp.replace(TARGET, TEXT)
    assert not lp.journal.flush()
    (record,) = caplog.records
    assert "longer than 5,000" in record.message
    assert (sorted(read(kept, 1).steps), read(kept, 1).lost) == ([lp.journal[-1].number], 1)


def test_more_steps_than_may_wait_are_lost_and_counted(kept, monkeypatch):
    monkeypatch.setattr(journal_writer, "WAITING", 5)
    answers = threading.Event()
    lp.journal._writer.append(lambda: {"lost": int(answers.wait(60)) - 1})
    for _ in range(20):
        lp.replace(TARGET, TEXT)
    answers.set()
    assert not lp.journal.flush()
    session = read(kept, 1)
    assert session.lost == lp.journal.lost > 0
    assert len(session.steps) == 20 - session.lost


def test_a_journal_that_is_removed_begins_anew_and_says_what_is_lost(kept, caplog):
    lp.replace(TARGET, TEXT)
    assert lp.journal.flush()
    lp.journal.path.unlink()
    lp.replace(TARGET, TEXT)
    assert not lp.journal.flush()
    assert lp.journal.lost == 1
    assert "was removed" in caplog.text
    assert len(read(kept, 1).steps) == 1


def test_the_thread_that_writes_runs_outside_the_context_of_what_began_it(place):
    import contextvars

    cell = contextvars.ContextVar("cell", default="none")
    cell.set("a cell's")
    lp.journal.keep("A Webui")
    seen = []
    lp.journal._writer.append(lambda: seen.append(cell.get()) or {"lost": 0})
    assert lp.journal.flush()
    assert seen == ["none"]


def test_a_session_without_a_step_leaves_no_file(kept):
    (path,) = kept.folder.iterdir()
    lp.journal.end()
    assert not path.exists()


def test_a_session_says_when_it_ended(kept):
    lp.replace(TARGET, TEXT)
    lp.journal.end()
    assert read(kept, 1).end.startswith("20")


def test_the_end_of_the_process_ends_the_session(place):
    ran(KEEPS + "change('plain', 1)", state=place.folder.parent.parent)
    assert read(place, 1).end.startswith("20")


def test_steps_made_before_are_written_with_their_undos(place):
    lp.replace(TARGET, TEXT)
    lp.replace("samples.functions.plain", PLAIN)
    lp.undo()
    lp.journal.keep("A Webui")
    restart()
    assert [one.target for one in lp.journal.saved()] == [TARGET]


WRITER = """
import sys
from pathlib import Path
from livepatch.history import writer
from livepatch.history.places import Place
size, writer.LONGEST = int(sys.argv[2]), int(sys.argv[3])
kept = writer.SessionWriter(Place(Path(sys.argv[1])))
kept.begin()
change = {"verb": "replace", "target": "a.b", "owner": "o", "name": "n", "source": "x" * size}
for number in range(1, 100_000):
    kept.append(lambda: {"step": number, "changes": [change]})
    kept.flush()
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("size", "longest"), [(10, 1 << 40), (1_000_000, 1 << 40), (15_000_000, 1 << 40), (10, 2_000)]
)
def test_a_process_killed_while_it_writes_loses_one_step_at_most(place, size, longest):
    process = start(WRITER, place.folder, size, longest)
    for _ in range(3):
        told = int(process.stdout.readline())
    if size > 10:  # the line that comes next is longer than what the system writes at once
        whole = place.part(1).stat().st_size
        while place.part(1).stat().st_size == whole:
            pass
    process.kill()
    told = max([told, *map(int, process.communicate(timeout=60)[0].split())])
    session = read(place, 1)
    steps = sorted(session.steps)
    first = session.carried[-1].before if session.carried else 1
    assert steps == list(range(first, steps[-1] + 1))
    assert steps[-1] >= told
    assert len(session.bad) <= 1
    # The next process has a file of its own.
    after = SessionWriter(Place(place.folder))
    after.begin([lambda: {"step": 1, "changes": []}])
    assert after.flush()
    after.end()
    assert (after.session, len(read(place, 2).steps)) == (2, 1)


def test_a_line_cut_off_anywhere_costs_that_line_only(kept):
    lp.replace(TARGET, TEXT)
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    written()
    path = lp.journal.path
    whole = path.read_bytes()
    begins = whole[:-1].rindex(b"\n") + 1
    for end in range(begins + 1, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        session = read(kept, 1)
        assert (len(session.steps), session.bad) == (1, ["1.jsonl:3"])


def test_what_a_killed_process_had_live_is_replayed_in_the_next(place):
    state = place.folder.parent.parent
    lines = "change('uses_module', 'again'); change('plain', 'never seen again'); lp.undo()"
    process = start(f"{KEEPS}{lines}\nprint(lp.journal.flush(), flush=True)\ninput()", state=state)
    assert process.stdout.readline() == "True\n"
    killed(process)
    replays = """
assert functions.uses_module(1) == 3
report = lp.journal.replay()
print([one.state for one in report], functions.uses_module(1), functions.plain(1))
lp.undo()
print(functions.uses_module(1))
"""
    out = ran(KEEPS + replays, state=state)
    assert out.splitlines() == ["['replayed'] again ('old', 1, 2, 1)", "3"]


def test_replay_is_one_step_and_keeps_owner_verb_and_state(kept):
    lp.replace(TARGET, TEXT, name="low")
    lp.wrap(TARGET, "def around(original, a):\n    return original(a) * 2", name="high").off()
    lp.replace("samples.functions.plain", TEXT.replace("(a)", "(a, b)")).remove()
    restart()
    assert [one.state for one in lp.journal.saved()] == ["ready", "ready"]
    assert functions.uses_module(1) == 3  # looking changes nothing
    report = lp.journal.replay(namespace=NAMESPACE)
    assert [one.state for one in report] == ["replayed", "replayed"]
    assert [(p.verb, p.owner, p.name, p.state) for p in lp.patches()] == [
        ("replace", __name__, "low", "active"),
        ("wrap", __name__, "high", "off"),
    ]
    assert [one.state for one in lp.journal.replay()] == ["live", "live"]
    lp.undo()
    assert functions.uses_module(1) == 3


def test_a_target_that_is_gone_or_another_one_is_stale_and_left_alone(kept, monkeypatch, tmp_path):
    file = tmp_path / "replay_target.py"
    text = "def kept():\n    return 1\ndef edited():\n    return 1"
    file.write_text(f"{text}\ndef gone():\n    return 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    import replay_target

    for name in ("kept", "edited", "gone"):
        lp.replace(f"replay_target.{name}", f"def {name}():\n    return 'new'")
    assert lp.journal.flush()
    restart()
    monkeypatch.delitem(sys.modules, "replay_target")
    file.write_text(f"{text} + 1")
    os.utime(file, (1, 1))  # so that Python reads it again
    del replay_target
    import replay_target

    found = by_target(lp.journal.replay())
    assert found["replay_target.kept"].state == "replayed"
    assert found["replay_target.edited"].state == "stale"
    assert "source has changed" in found["replay_target.edited"].why
    assert found["replay_target.gone"].state == "stale"
    assert "has no 'gone'" in found["replay_target.gone"].why
    assert (replay_target.kept(), replay_target.edited()) == ("new", 2)


def test_what_needs_a_value_is_stale_until_the_notebook_has_it(kept):
    notebook = {"__name__": "livepatch_notebook", "lp": lp, "strength": 5}
    exec(f"lp.replace({TARGET!r}, 'def uses_module(a):\\n    return strength')", notebook)
    lp.replace("samples.functions.FACTOR", 4)
    restart()
    found = by_target(lp.journal.replay(namespace=NAMESPACE))
    assert found[TARGET].state == "stale"
    assert "needs `strength`" in found[TARGET].why
    assert "the journal holds no values" in found["samples.functions.FACTOR"].why
    assert (functions.uses_module(1), functions.FACTOR) == (3, 3)
    notebook["strength"] = 6
    assert by_target(lp.journal.replay(namespace=notebook))[TARGET].state == "replayed"
    assert functions.uses_module(1) == 6


def added(a):
    return ("added", helper(a))


def helper(a):
    return a


def test_functions_lambdas_and_classes_come_back_too(kept):
    lp.replace(TARGET, added)
    lp.replace("samples.functions.plain", lambda a: ("of a lambda", a))
    count = 3
    lp.replace("samples.functions.annotated", lambda a: count)
    restart()
    found = by_target(lp.journal.replay(namespace=NAMESPACE))
    assert functions.uses_module(2) == ("added", 2)
    assert functions.plain(2) == ("of a lambda", 2)
    assert found["samples.functions.annotated"].state == "stale"
    assert "needs `count`" in found["samples.functions.annotated"].why
    # And what was replayed is written down as well as what it was made from.
    restart()
    assert [one.state for one in lp.journal.replay(namespace=NAMESPACE)] == ["replayed"] * 2
    assert functions.plain(2) == ("of a lambda", 2)


def test_the_definitions_of_a_class_are_replayed(kept):
    text = (
        "class Shape:\n    sides = 7\n    def area(self): return 'again'\n"
        "    @edge.setter\n    def edge(self, size): self.size = -size\n"
    )
    lp.replace("samples.functions.Shape", text)
    restart()
    assert functions.Shape(2).area() == 4
    assert [one.state for one in lp.journal.replay(namespace=NAMESPACE)] == ["replayed"]
    shape = functions.Shape(2)
    shape.edge = 3
    assert (shape.area(), shape.size, functions.Shape.sides) == ("again", -3, 7)
    lp.undo()
    assert (functions.Shape(2).area(), functions.Shape.sides) == (4, 4)


def test_several_layers_taken_off_at_once_are_all_gone(kept):
    lp.replace(TARGET, TEXT)
    lp.replace(TARGET, TEXT, name="second")
    lp.restore(TARGET)
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    restart()
    assert [one.target for one in lp.journal.saved()] == ["samples.functions.plain"]


def test_only_the_steps_that_are_named_are_replayed(kept):
    lp.replace(TARGET, TEXT)
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    number = lp.journal[-1].number
    restart()
    lp.journal.replay(number)
    assert (functions.plain(1), functions.uses_module(1)) == (1, 3)
    with pytest.raises(lp.PatchRefused, match="steps that were live at the session's end"):
        lp.journal.replay(number + 1)


def test_without_a_journal_on_disk_replay_says_how_to_have_one():
    with pytest.raises(lp.PatchRefused, match="keeps no journal on disk") as caught:
        lp.journal.replay()
    assert "lp.journal.keep" in str(caught.value)


def test_the_magic_replays_and_says_what_it_did(kept):
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    try:
        notebook.run(f"%%replace {TARGET}\n{TEXT}")
        number = lp.journal[-1].number
        restart()
        assert "ready" in str(notebook.value("%journal --saved"))
        shown = str(notebook.value(f"%journal --replay {number}"))
        assert "replayed" in shown
        assert f"replace {TARGET}" in shown
        assert functions.uses_module(1) == "new"
    finally:
        notebook.run("%unload_ext livepatch")
        notebook.shell.history_manager.end_session()
