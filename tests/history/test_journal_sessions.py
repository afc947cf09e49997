"""The journal by sessions: siblings, forks, machines, and which session is the one before."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time

import pytest
from IPython.core.error import UsageError
from journal_kills import kill_writers
from journal_support import (
    KEEPS,
    NAMESPACE,
    PLAIN,
    TARGET,
    TEXT,
    killed,
    ran,
    read,
    restart,
    session,
    start,
)
from notebook_support import Notebook
from samples import functions

import livepatch as lp
from livepatch.history import rotation
from livepatch.history import writer as journal_writer
from livepatch.history.places import Place

DAY = 86400


def targets(report):
    return [one.target.rpartition(".")[2] for one in report]


def states():
    return {one.session: one.state for one in lp.journal.sessions()}


def rewrite_header(place, number, **facts):
    """As if another process had written the session."""
    path = place.part(number)
    header, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(header), **facts}), *rest, ""]))


def let_end(place, number):
    """Take its last word from a session: its process was killed."""
    path = place.part(number)
    lines = path.read_text().splitlines()
    assert "end" in json.loads(lines[-1])
    path.write_text("\n".join([*lines[:-1], ""]))


def test_several_processes_write_side_by_side(sibling, kept):
    lp.replace(TARGET, TEXT)
    _, first = sibling("change('plain', 1)")
    _, second = sibling("change('annotated', 2)", "change('plain', 3)")
    assert lp.journal.flush()
    assert [len(read(kept, n).steps) for n in (1, first, second)] == [1, 1, 2]
    assert states() == {"1": "this one", str(first): "running", str(second): "running"}


def test_a_living_sibling_is_never_taken_for_the_session_before(sibling, place):
    sibling("change('plain', 1)")
    lp.journal.keep("a-webui")
    assert targets(lp.journal.saved()) == []
    assert lp.journal.replay() is not None
    assert functions.plain(1) == ("old", 1, 2, 1)


def test_the_session_before_is_the_last_that_ended_by_pid_and_start(sibling, place):
    before, _ = sibling("change('plain', 1)")
    killed(before)
    living, _ = sibling("change('annotated', 2)")
    lp.journal.keep("a-webui")
    assert targets(lp.journal.saved()) == ["plain"]
    killed(living)
    assert targets(lp.journal.saved()) == ["annotated"]


def test_a_pid_that_another_process_has_by_now_is_no_sibling(sibling, place):
    _, number = sibling("change('plain', 1)")
    lp.journal.keep("a-webui")
    rewrite_header(place, number, started="1")
    assert targets(lp.journal.saved()) == ["plain"]


def test_a_sibling_that_ended_later_is_not_the_one_before(sibling, place):
    before, _ = sibling("change('plain', 1)")
    killed(before)
    lp.journal.keep("a-webui")
    later, number = sibling("change('annotated', 2)")
    killed(later)
    assert targets(lp.journal.saved()) == ["plain"]
    assert targets(lp.journal.saved(number)) == ["annotated"]


def test_of_several_that_ended_the_one_that_lived_until_last_is_taken(sibling, place):
    long_lived, _ = sibling("change('plain', 1)")
    session(annotated=2)
    killed(long_lived)
    lp.journal.keep("a-webui")
    assert targets(lp.journal.saved()) == ["annotated"]
    os.utime(place.part(1))  # its last sign of life came later
    assert targets(lp.journal.saved()) == ["plain"]


def test_a_session_in_which_nothing_is_done_gives_a_sign_of_life(place, monkeypatch):
    monkeypatch.setattr(journal_writer, "ALIVE_EVERY", 0.01)
    path = lp.journal.keep("a-webui")
    os.utime(path, (1, 1))
    while path.stat().st_mtime == 1:
        pass


def test_one_of_three_writers_killed_as_it_writes_loses_the_step_under_way_only(place):
    losses = kill_writers(place, kills=2)
    assert losses.kills == 2
    assert losses.told >= 2
    assert losses.is_none(), losses


def test_a_running_session_is_looked_at_but_not_replayed(sibling, kept):
    _, number = sibling("change('plain', 1)")
    lp.replace(TARGET, TEXT)
    assert targets(lp.journal.saved(number)) == ["plain"]
    for chosen, whose in ((number, "of a running process"), (1, "this process's own")):
        with pytest.raises(lp.PatchRefused, match=whose) as caught:
            lp.journal.replay(session=chosen)
        assert len(str(caught.value).splitlines()) == 3
    assert functions.plain(1) == ("old", 1, 2, 1)


def test_a_session_is_chosen_by_its_number(place):
    for value in (1, 2, 3):
        session(plain=value)
    lp.journal.keep("a-webui")
    lp.journal.replay(session=2, namespace=NAMESPACE)
    assert functions.plain(1) == 2
    with pytest.raises(lp.TargetNotFound, match="its sessions: 1, 2, 3, 4") as caught:
        lp.journal.replay(session="9")
    assert len(str(caught.value).splitlines()) == 3


def test_the_magic_lists_and_chooses_sessions(place):
    for value in (1, 2):
        session(plain=value)
    lp.journal.keep("a-webui")
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    try:
        assert "= lp.journal.sessions()" in notebook.run("%journal --sessions")
        assert "this one" in str(notebook.value("%journal --sessions"))
        assert '= lp.journal.saved("1")' in notebook.run("%journal --saved 1")
        assert "Session 1 of" in str(notebook.value("%journal --saved 1"))
        assert "Session 2 of" in str(notebook.value("%journal --saved"))
        shown = notebook.run("%journal --replay --session 1")
        assert '= lp.journal.replay(session="1")' in shown
        assert functions.plain(1) == 1
        with pytest.raises(UsageError, match="--replay"):
            notebook.shell.run_line_magic("journal", "--session 1")
    finally:
        notebook.run("%unload_ext livepatch")
        notebook.shell.history_manager.end_session()


def test_a_start_that_crashed_does_not_hide_the_session_before(place, tmp_path):
    pytest.importorskip("watchfiles")
    state = place.folder.parent.parent
    session(plain=1)
    ran(KEEPS + "import os; os._exit(0)", state=state)
    # The layers of a watched file come with the start: they are no session of the user's either.
    watched = (
        "from livepatch.watching.watches import watch\n"
        "watch(sys.argv[1])\nassert lp.journal.flush()\nimport os; os._exit(0)"
    )
    file = tmp_path / "watched.py"
    file.write_text(f"import livepatch as lp\nlp.replace('samples.functions.plain', {PLAIN!r})")
    ran(KEEPS + watched, file, state=state)
    lp.journal.keep("a-webui")
    (left,) = lp.journal.saved(3)
    assert (left.owner, left.state) == (f"file {file}", "left")
    assert targets(lp.journal.saved()) == ["plain"]
    assert "Session 1 of" in str(lp.journal.saved())


def test_a_restore_of_everything_is_a_session_before(place):
    session(plain=1)
    lp.journal.keep("a-webui")
    lp.replace("samples.functions.plain", PLAIN)
    lp.restore_all()
    restart()
    assert targets(lp.journal.saved()) == []


def test_an_attach_before_this_one_is_the_session_before(kept):
    lp.replace(TARGET, TEXT)
    restart()
    assert targets(lp.journal.saved()) == ["uses_module"]


def test_the_session_before_an_exec_has_ended(place):
    script = (
        "import os\nif len(sys.argv) == 1:\n    change('plain', 1)\n"
        "    os.execv(sys.executable, [sys.executable, '-c', sys.orig_argv[2], 'again'])\n"
        "print([one.target for one in lp.journal.saved()])"
    )
    assert ran(KEEPS + script, state=place.folder.parent.parent) == (
        "['samples.functions.plain']\n"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_opens_a_session_of_its_own_when_it_changes_something(place):
    script = """
import os
change("plain", 1)
for does in ("nothing", "a change", "attach"):
    child = os.fork()
    if child == 0:
        if does == "a change":
            change("annotated", 2)
        if does == "attach":
            lp.journal.keep("a-webui")
            assert lp.journal.flush()
        print(does, lp.journal.path and lp.journal.path.name, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
change("uses_module", 3)
print("parent", lp.journal.path.name)
"""
    out = ran(KEEPS + script, state=place.folder.parent.parent)
    assert out.splitlines() == [
        "nothing None",
        "a change 2.jsonl",
        "attach 3.jsonl",
        "parent 1.jsonl",
    ]
    names = [
        {one.identity[0].rpartition(".")[2] for one in read(place, n).live()} for n in (1, 2, 3)
    ]
    assert names == [{"plain", "uses_module"}, {"plain", "annotated"}, {"plain"}]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_child_that_outlives_its_parent_does_not_keep_its_session_alive(place):
    script = (
        "import os\nchange('plain', 1)\nif os.fork() == 0:\n    print('forked', flush=True)\n"
        "    sys.stdout.close(); input()\n    os._exit(0)\nos._exit(0)"
    )
    parent = start(KEEPS + script, state=place.folder.parent.parent)
    assert parent.stdout.readline() == "forked\n"  # the child lets go before it runs on
    parent.wait(60)
    rewrite_header(place, 1, namespace="a container's")
    lp.journal.keep("a-webui")
    try:
        assert targets(lp.journal.saved()) == ["plain"]
    finally:
        parent.communicate("\n", timeout=60)


def test_an_earlier_start_of_the_machine_has_ended_its_sessions(sibling, place):
    _, number = sibling("change('plain', 1)")
    lp.journal.keep("a-webui")
    rewrite_header(place, number, boot="another", held=False)
    assert targets(lp.journal.saved()) == ["plain"]


def test_a_session_of_another_machine_has_to_be_named(place):
    session(plain=1)
    session(annotated=2)
    lp.journal.keep("a-webui")
    far = {"boot": "another", "machine": "another", "host": "far"}
    rewrite_header(place, 2, **far)
    assert targets(lp.journal.saved()) == ["annotated"]  # it has said that it ended
    let_end(place, 2)
    report = lp.journal.saved()
    assert targets(report) == ["plain"]
    assert "skipped session 2, it ran on the machine far" in str(report)
    assert states()["2"] == "unknown"
    lp.journal.replay(session=2, namespace=NAMESPACE)
    assert functions.annotated(1) == 2


CONTAINER = """
import subprocess, sys
alone = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
sys.exit(subprocess.call([*alone, *sys.argv[1:]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux's")
def test_a_container_that_shares_the_folder_is_known_by_the_mark_on_its_file(place):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a pid namespace takes root and unshare")
    script = KEEPS + "change('plain', 1)\nprint(lp.journal.path, flush=True)\ninput()"
    process = start(CONTAINER, sys.executable, "-c", script, state=place.folder.parent.parent)
    if not process.stdout.readline():
        pytest.skip(process.communicate()[1].strip())
    lp.journal.keep("a-webui")
    assert states()["1"] == "running"
    assert targets(lp.journal.saved()) == []
    process.communicate("\n", timeout=60)
    let_end(place, 1)
    assert states()["1"] == "ended"
    assert targets(lp.journal.saved()) == ["plain"]


def test_a_file_without_its_first_line_is_nobodys(place):
    session(plain=1)
    path = place.part(1)
    path.write_text(path.read_text().splitlines()[1])
    lp.journal.keep("a-webui")
    report = lp.journal.saved()
    assert (targets(report), states()["1"]) == ([], "unknown")
    assert "does not say which process wrote it" in str(report)
    assert targets(lp.journal.saved(1)) == ["plain"]


def test_a_session_of_a_newer_version_is_refused(place):
    session(plain=1)
    rewrite_header(place, 1, livepatch_journal=2)
    lp.journal.keep("a-webui")
    with pytest.raises(lp.PatchRefused, match="a newer livepatch wrote session 1") as caught:
        lp.journal.replay()
    assert len(str(caught.value).splitlines()) == 3
    assert states()["1"] == "ended"


def test_a_long_session_goes_on_in_further_files_and_still_replays(place, monkeypatch):
    monkeypatch.setattr(journal_writer, "LONGEST", 20_000)
    lp.journal.keep("a-webui")
    lp.replace(TARGET, TEXT)
    with lp.transaction():
        lp.replace("samples.functions.annotated", "def annotated(a):\n    return 'gone'")
        lp.replace("samples.functions.plain", PLAIN, name="low")
    around = "def around(original, a):\n    return original(a)"
    lp.wrap("samples.functions.plain", around, name="high").off()
    lp.restore("samples.functions.annotated")
    for number in range(400):
        lp.replace("samples.functions.plain", f"def plain(a):\n    return {number}", name="low")
    lp.undo()
    assert lp.journal.flush()
    (parts,) = place.sessions().values()
    assert len(parts) == journal_writer.PARTS
    assert sum(path.stat().st_size for path in parts) < 150_000
    steps = sorted(read(place, 1).steps)
    assert steps == list(range(steps[0], lp.journal[-1].number + 1))
    restart()
    assert targets(lp.journal.replay(namespace=NAMESPACE)) == ["uses_module", "plain", "plain"]
    assert (functions.uses_module(1), functions.plain(1)) == ("new", 398)
    assert [(p.name, p.state) for p in lp.patches("samples.functions.plain")] == [
        ("low", "active"),
        ("high", "off"),
    ]


def test_a_file_that_is_carried_over_in_part_takes_nothing_away(place, monkeypatch):
    monkeypatch.setattr(journal_writer, "LONGEST", 10_000)
    lp.journal.keep("a-webui")
    lp.replace(TARGET, TEXT)
    for number in range(150):
        lp.replace("samples.functions.plain", f"def plain(a):\n    return {number}")
    assert lp.journal.flush()
    whole = read(place, 1)
    assert whole.carried
    *_, last = place.sessions()[1]
    live = [one.identity for one in whole.live()]
    # Killed while it wrote the next file: the file that would go is still there.
    carried = {"carried": max(whole.steps), "layers": 2}
    place.part(1, 99).write_text(last.read_text().splitlines()[0] + "\n" + json.dumps(carried))
    assert [one.identity for one in read(place, 1).live()] == live


def test_old_sessions_go_whole_and_never_a_living_one(sibling, place, monkeypatch):
    state = place.folder.parent.parent
    _, living = sibling("change('plain', 1)")
    for value in range(4):
        session(plain=value)
    ran(KEEPS + "import os; os._exit(0)", state=state)  # killed before its first step
    long_ago = time.time() - 400 * DAY
    for path in place.folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    monkeypatch.setattr(rotation, "KEPT_SESSIONS", 3)
    monkeypatch.setattr(rotation, "KEPT_DAYS", 500)
    lp.journal.keep("a-webui")
    assert lp.journal.flush()
    assert list(states()) == [str(living), "3", "4", "5", "7"]
    monkeypatch.setattr(rotation, "KEPT_DAYS", 300)
    lp.replace(TARGET, TEXT)
    restart()
    assert lp.journal.flush()
    assert list(states()) == [str(living), "7", "8"]
    lp.journal.end()
    let_end(place, 7)
    os.utime(place.part(7), (long_ago, long_ago))
    lp.journal.keep("a-webui")
    assert targets(lp.journal.saved()) == ["uses_module"]  # the last one stays, however old


def test_much_is_too_much(place, monkeypatch):
    for value in range(3):
        session(plain="x" * 1000 + str(value))
    monkeypatch.setattr(rotation, "KEPT_BYTES", 3_500)
    lp.journal.keep("a-webui")
    assert lp.journal.flush()
    assert list(states()) == ["2", "3", "4"]


def test_sessions_of_other_machines_go_when_they_are_forgotten(place):
    for value in range(3):
        session(plain=value)
    for number, held in ((1, True), (2, False)):
        let_end(place, number)
        rewrite_header(place, number, boot="another", machine="another", held=held)
        os.utime(place.part(number), (time.time() - 100 * DAY,) * 2)
    lp.journal.keep("a-webui")
    assert lp.journal.flush()
    assert list(states()) == ["2", "3", "4"]  # of 2 nobody can say whether it is written to


OLD = {
    "livepatch_journal": 1,
    "pid": 1 << 22,  # above the highest that Linux gives
    "since": "2026-05-01T10:00:00+00:00",
    "session": "abc",
}


def old_step(number, name, value, whose="abc"):
    change = {
        "verb": "replace",
        "target": f"samples.functions.{name}",
        "owner": "notebook",
        "name": "replace",
        "stack": f"samples.functions.{name}",
        "form": "text",
        "source": f"def {name}(a):\n    return {value!r}",
        "names": [],
        "module": "livepatch_notebook",
    }
    if name == "plain":
        from livepatch.history.lines import digest, original_of

        change["original"] = digest(original_of(functions.plain))
    return {
        "step": number,
        "time": OLD["since"],
        "cell": None,
        "changes": [change],
        "session": whose,
    }


def write_old(place, *lines, name="a-webui.jsonl"):
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    path = place.folder.parent / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_journal_of_0_1_is_read_and_never_written(place):
    aside = write_old(place, OLD, old_step(1, "plain", "first"), name="a-webui.1.jsonl")
    sibling = {**OLD, "session": "def", "pid": os.getppid()}
    path = write_old(
        place,
        old_step(2, "plain", "second"),
        sibling,
        old_step(1, "annotated", "of a sibling", "def"),
        {"undo": 2, "session": "abc"},
    )
    before = path.read_bytes(), aside.read_bytes()
    lp.journal.keep("a-webui")
    report = lp.journal.replay(namespace=NAMESPACE)
    assert functions.plain(1) == "first"
    assert f"skipped session 0.1-def, a process with its pid {os.getppid()} is running" in str(
        report
    )
    assert states() == {"0.1-abc": "ended", "0.1-def": "unknown", "1": "this one"}
    assert targets(lp.journal.saved("0.1-def")) == ["annotated"]
    lp.replace(TARGET, TEXT)
    assert lp.journal.flush()
    assert (path.read_bytes(), aside.read_bytes()) == before


def test_a_journal_of_0_1_goes_when_it_is_old_and_there_is_a_newer_session(place):
    path = write_old(place, OLD, old_step(1, "plain", "first"))
    os.utime(path, (time.time() - 100 * DAY,) * 2)
    lp.journal.keep("a-webui")
    assert lp.journal.flush()
    assert path.exists()
    lp.replace(TARGET, TEXT)
    restart()
    assert lp.journal.flush()
    assert not path.exists()


def test_of_two_that_begin_at_once_each_takes_a_number_of_its_own(place, monkeypatch):
    session(plain=1)
    session(plain=2)
    with monkeypatch.context() as patched:
        patched.setattr(Place, "sessions", lambda _: {})  # both have looked before either began
        assert lp.journal.keep("a-webui") == place.part(3)
    assert [len(read(place, number).steps) for number in (1, 2)] == [1, 1]
