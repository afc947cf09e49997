"""The journal on disk: what is written, what a kill or a full disk costs, and replaying it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from samples import functions
from test_magics import Notebook

import livepatch as lp
from livepatch.history import file as journal_file
from livepatch.history.saved import sessions_in

TESTS = Path(__file__).parent
TARGET = "samples.functions.uses_module"
TEXT = "def uses_module(a):\n    return 'new'"
NAMESPACE = {"__name__": "livepatch_notebook"}


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The journal of a webui, kept from now on."""
    monkeypatch.setenv("LIVEPATCH_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(lp.journal, "_entries", type(lp.journal._entries)(maxlen=100))
    yield lp.journal.keep("A Webui")
    lp.journal.end()


def restart():
    """What is live ends with the process, and the next one keeps the same journal."""
    path = lp.journal.path
    lp.journal.end()
    lp.restore_all()
    lp.journal._entries.clear()
    assert lp.journal.keep("a-webui") == path


def written(path):
    assert lp.journal.flush()
    return [json.loads(line) for line in path.read_text().splitlines()]


def by_target(report):
    return {one.target: one for one in report}


def run(script, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, **options},
    )


def test_each_step_is_a_line_with_time_target_text_owner_and_outcome(path):
    lp.replace(TARGET, TEXT)
    lp.undo()
    header, step, undone = written(path)
    assert (header["livepatch_journal"], header["pid"]) == (1, os.getpid())
    (change,) = step["changes"]
    assert (change["verb"], change["target"], change["owner"]) == ("replace", TARGET, __name__)
    assert change["source"] == TEXT
    assert step["outcome"] == "done"
    assert step["time"].startswith("20")
    assert undone["undo"] == step["step"]


def test_the_file_is_the_users_alone(path):
    lp.replace(TARGET, TEXT)
    assert lp.journal.flush()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.name == "a-webui.jsonl"


def test_the_number_of_the_cell_is_kept(path):
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    try:
        notebook.run(f"%%replace {TARGET}\n{TEXT}")
        assert written(path)[-1]["cell"] == lp.journal[-1].cell == 2
    finally:
        notebook.run("%unload_ext livepatch")
        notebook.shell.history_manager.end_session()


def test_no_value_is_written(path):
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
    assert len(written(path)) == 5
    assert secret not in path.read_text()


def test_a_disk_that_does_not_answer_holds_nobody_up(path):
    answers = threading.Event()
    lp.journal._file.append(lambda: {"lost": int(answers.wait(60)) - 1})
    layers = [lp.replace(TARGET, TEXT) for _ in range(20)]
    assert functions.uses_module(1) == "new"
    assert not lp.journal.flush(timeout=0)
    answers.set()
    assert len(written(path)) == 2 + len(layers)


FULL_DISK = """
import logging, resource, sys
logging.basicConfig(format="%(message)s")
import livepatch as lp
from samples import functions
path = lp.journal.keep("full")
lp.replace("samples.functions.plain", "def plain(a):\\n    return 1")
assert lp.journal.flush()
full = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, full[1]))
for _ in range(3):
    lp.replace("samples.functions.uses_module", "def uses_module(a):\\n    return 2")
    assert lp.journal.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, full)
lp.replace("samples.functions.annotated", "def annotated(a):\\n    return 3")
assert lp.journal.flush()
print(functions.plain(1), functions.uses_module(1), functions.annotated(1))
"""


def test_a_full_disk_is_one_line_in_the_log_and_the_file_still_reads(tmp_path):
    process = run(FULL_DISK, LIVEPATCH_STATE_DIR=str(tmp_path))
    out, err = process.communicate(timeout=60)
    assert out.split() == ["1", "2", "3"]
    assert err.count("livepatch: the journal is not written to disk") == 1
    (session,) = sessions_in(tmp_path / "journal" / "full.jsonl")
    assert sorted(session.steps) == [1, 5]
    assert (session.lost, session.bad) == (3, 1)


def test_a_folder_that_cannot_be_made_is_one_line_in_the_log(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIVEPATCH_STATE_DIR", str(tmp_path / "file"))
    lp.journal.keep("nowhere")
    try:
        lp.replace(TARGET, TEXT)
        lp.restore(TARGET)
        lp.journal.flush()
    finally:
        lp.journal.end()
    assert len([r for r in caplog.records if "journal is not written" in r.message]) == 1


WRITER = """
import sys
from pathlib import Path
from livepatch.history import file
file.LONGEST = 1 << 40
kept = file.JournalFile(Path(sys.argv[1]))
for number in range(1, 10_000):
    change = {"verb": "replace", "target": "a.b", "owner": "o", "name": "n", "source": "x" * size}
    kept.append(lambda: {"step": number, "changes": [change]})
    kept.flush()
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_loses_one_step_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_file, "LONGEST", 1 << 40)
    path = tmp_path / "journal" / "killed.jsonl"
    for size in (10, 5_000_000, 40_000_000):
        path.unlink(missing_ok=True)
        process = run(WRITER.replace("* size", f"* {size}"), path)
        for _ in range(3):
            told = int(process.stdout.readline())
        # The line that comes next is longer than what the system writes at once.
        whole = path.stat().st_size
        while size > 10 and path.stat().st_size == whole:
            pass
        process.send_signal(signal.SIGKILL)
        told = max([told, *map(int, process.communicate(timeout=60)[0].split())])
        (session,) = sessions_in(path)
        steps = sorted(session.steps)
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) >= told
        assert session.bad <= 1
        print(f"lines of {size} bytes: {len(steps)} whole, {session.bad} cut off")
        # The next process begins on a line of its own.
        after = journal_file.JournalFile(path)
        after.append(lambda: {"step": 1, "changes": []})
        assert after.flush()
        after.end()
        assert [len(s.steps) for s in sessions_in(path)] == [len(steps), 1]


def test_a_line_cut_off_anywhere_costs_that_line_only(path):
    lp.replace(TARGET, TEXT)
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    written(path)
    whole = path.read_bytes()
    begins = whole[:-1].rindex(b"\n") + 1
    for end in range(begins + 1, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        (session,) = sessions_in(path)
        assert (len(session.steps), session.bad) == (1, 1)
        # The next process begins on a line of its own.
        after = journal_file.JournalFile(path)
        after.append(lambda: {"step": 1, "changes": []})
        assert after.flush()
        after.end()
        assert [len(s.steps) for s in sessions_in(path)] == [1, 1]


CHANGES = """
import livepatch as lp
from samples import functions
lp.journal.keep("restarted")
lp.replace("samples.functions.uses_module", "def uses_module(a):\\n    return 'again'")
lp.replace("samples.functions.plain", "def plain(a):\\n    return 'never seen again'")
lp.undo()
print(lp.journal.flush(), flush=True)
input()
"""
REPLAYS = """
import livepatch as lp
from samples import functions
lp.journal.keep("restarted")
assert functions.uses_module(1) == 3
report = lp.journal.replay()
print([one.state for one in report], functions.uses_module(1), functions.plain(1))
lp.undo()
print(functions.uses_module(1))
"""


def test_what_a_killed_process_had_live_is_replayed_in_the_next(tmp_path):
    environment = {"LIVEPATCH_STATE_DIR": str(tmp_path)}
    process = run(CHANGES, **environment)
    assert process.stdout.readline() == "True\n"
    process.kill()
    process.communicate(timeout=60)
    process = run(REPLAYS, **environment)
    out, err = process.communicate(timeout=60)
    assert out.splitlines() == ["['replayed'] again ('old', 1, 2, 1)", "3"], err


def test_replay_is_one_step_and_keeps_owner_verb_and_state(path):
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


def test_a_target_that_is_gone_or_another_one_is_stale_and_left_alone(path, monkeypatch, tmp_path):
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
    assert "source is not what it was" in found["replay_target.edited"].why
    assert found["replay_target.gone"].state == "stale"
    assert "has no 'gone'" in found["replay_target.gone"].why
    assert (replay_target.kept(), replay_target.edited()) == ("new", 2)


def test_what_needs_a_value_is_stale_until_the_notebook_has_it(path):
    notebook = {"__name__": "livepatch_notebook", "lp": lp, "strength": 5}
    exec(f"lp.replace({TARGET!r}, 'def uses_module(a):\\n    return strength')", notebook)
    lp.replace("samples.functions.FACTOR", 4)
    restart()
    found = by_target(lp.journal.replay(namespace=NAMESPACE))
    assert found[TARGET].state == "stale"
    assert "needs `strength`" in found[TARGET].why
    assert "values are not written down" in found["samples.functions.FACTOR"].why
    assert (functions.uses_module(1), functions.FACTOR) == (3, 3)
    notebook["strength"] = 6
    assert by_target(lp.journal.replay(namespace=notebook))[TARGET].state == "replayed"
    assert functions.uses_module(1) == 6


def added(a):
    return ("added", helper(a))


def helper(a):
    return a


def test_functions_lambdas_and_classes_come_back_too(path):
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


def test_several_layers_taken_off_at_once_are_all_gone(path):
    lp.replace(TARGET, TEXT)
    lp.replace(TARGET, TEXT, name="second")
    lp.restore(TARGET)
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    restart()
    assert [one.target for one in lp.journal.saved()] == ["samples.functions.plain"]


def test_only_the_steps_that_are_named_are_replayed(path):
    lp.replace(TARGET, TEXT)
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    number = lp.journal[-1].number
    restart()
    lp.journal.replay(number)
    assert (functions.plain(1), functions.uses_module(1)) == (1, 3)
    with pytest.raises(lp.PatchRefused, match="steps that were live at the session's end"):
        lp.journal.replay(number + 1)


def test_a_journal_of_a_newer_version_is_refused(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"livepatch_journal": 2, "session": "x"}\n{"session": "x", "moved": 1}\n')
    with pytest.raises(lp.PatchRefused, match="a newer livepatch wrote it") as caught:
        lp.journal.replay()
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    "damage",
    ["\x00\x00", "[1]", '{"session": 3}', '{"step": 1, "changes": 2, "session": "%s"}', "{"],
)
def test_a_damaged_line_is_said_and_passed_over(path, damage):
    lp.replace(TARGET, TEXT)
    session = lp.journal._file.session
    assert lp.journal.flush()
    with path.open("a") as file:
        file.write(damage.replace("%s", session) + "\n")
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    restart()
    report = lp.journal.replay()
    assert [one.state for one in report] == ["replayed", "replayed"]
    assert "1 line could not be read" in str(report)


def test_a_long_journal_is_put_aside_and_still_replays(path, monkeypatch):
    monkeypatch.setattr(journal_file, "LONGEST", 60_000)
    lp.replace(TARGET, TEXT)
    for number in range(400):
        lp.replace("samples.functions.plain", f"def plain(a):\n    return {number}")
    lp.undo()
    assert lp.journal.flush()
    assert path.with_suffix(".1.jsonl").exists()
    assert path.stat().st_size + path.with_suffix(".1.jsonl").stat().st_size < 150_000
    restart()
    lp.journal.replay()
    assert (functions.uses_module(1), functions.plain(1)) == ("new", 398)


def test_without_a_journal_on_disk_replay_says_how_to_have_one():
    with pytest.raises(lp.PatchRefused, match="no journal is kept on disk") as caught:
        lp.journal.replay()
    assert "lp.journal.keep" in str(caught.value)


def test_the_magic_replays_and_says_what_it_did(path):
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
