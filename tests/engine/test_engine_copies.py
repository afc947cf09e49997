"""Copies of the engine's folder, as exported extensions carry them, share one state."""

from __future__ import annotations

import importlib
import itertools
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest
from samples import functions

import livepatch as lp
from livepatch import engine
from livepatch.engine.changing.registry import VERSION

PLAIN = "samples.functions.plain"
OLD = ("old", 1, 2, 1)


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """Two copies of the engine's folder, imported under other names."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ["carried_engine", "other_engine"]
    for name in names:
        folder = pathlib.Path(engine.__file__).parent
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    yield [importlib.import_module(name) for name in names]
    for name in [n for n in sys.modules if n.partition(".")[0] in names]:
        del sys.modules[name]


def around(word):
    return lambda original, a: (word, original(a))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_of_them_restores_in_any_order(copies, order):
    engines, own_code = [engine, *copies], functions.plain.__code__
    assert len({id(each.replace) for each in engines}) == 3
    for number, each in enumerate(engines):
        each.wrap(PLAIN, around(number), name=f"layer {number}", owner=f"copy {number}")
    expected = [0, 1, 2]

    def nested():
        result = OLD
        for number in expected:
            result = (number, result)
        return result

    assert functions.plain(1) == nested()
    assert [layer.owner for layer in lp.patches()] == ["copy 0", "copy 1", "copy 2"]
    for number in order:
        # Not the copy that laid it: the next one takes it off.
        engines[(number + 1) % 3].restore(PLAIN, name=f"layer {number}")
        expected.remove(number)
        assert functions.plain(1) == nested()
    assert functions.plain.__code__ is own_code
    assert len(copies[0].live_layers()) == 0


def test_a_transaction_of_one_rolls_back_what_another_did(copies):
    first, second = copies

    def changes():
        with first.transaction():
            first.wrap(PLAIN, around("first"), name="first")
            first.replace("samples.functions.FACTOR", 9)
            raise ValueError("end")

    with pytest.raises(ValueError, match="end"):
        changes()
    assert (functions.plain(1), functions.FACTOR) == (OLD, 3)
    layer = second.replace(PLAIN, lambda a: "second")
    functions.plain.__code__ = (lambda a: "foreign").__code__
    ours = layer.stacks[0].functions[0].installed.code
    with pytest.raises(lp.ForeignChange) as caught:  # of the class that every copy knows
        first.restore_all()
    assert len(str(caught.value).splitlines()) == 3
    functions.plain.__code__ = ours
    lp.restore_all()
    assert functions.plain(1) == OLD


def test_the_errors_of_a_copy_are_caught_by_the_names_of_another(copies):
    first, second = copies
    layer = first.replace(PLAIN, lambda a: "new")
    functions.plain.__code__, ours = (lambda a: "foreign").__code__, functions.plain.__code__
    for each in (engine, second):
        with pytest.raises(each.ForeignChange):
            layer.remove()
    functions.plain.__code__ = ours
    with pytest.raises(lp.TargetNotFound):
        second.replace("samples.functions.gone", 1)


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """A copy of another protocol version, which has a registry of its own."""
    path, folder = tmp_path_factory.mktemp("newer"), pathlib.Path(engine.__file__).parent
    shutil.copytree(folder, path / "newer_engine", ignore=shutil.ignore_patterns("__pycache__"))
    registry = path / "newer_engine" / "changing" / "registry.py"
    registry.write_text(registry.read_text().replace(f"VERSION = {VERSION}\n", "VERSION = 99\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path))
        yield importlib.import_module("newer_engine")
    for name in [
        n for n in sys.modules if n.startswith(("newer_engine", "_livepatch_registry_99"))
    ]:
        del sys.modules[name]


def test_a_copy_of_another_version_keeps_to_itself(newer):
    layer = lp.wrap(PLAIN, around("ours"))
    newer.wrap(PLAIN, around("newer"), name="newer")
    assert functions.plain(1) == ("newer", ("ours", OLD))
    assert len(lp.patches()) == len(newer.live_layers()) == 1
    with pytest.raises(lp.ForeignChange):
        layer.remove()
    newer.restore_all()
    layer.remove()
    assert functions.plain(1) == OLD


ACTIONS = ("lower off", "lower on", "upper off", "upper on", "lower remove", "upper remove")
NEW = {"wrap": around, "replace": lambda word: f"def plain(a, b=2):\n    return '{word}'\n"}


@pytest.mark.parametrize("order", list(itertools.permutations(ACTIONS)), ids=" ".join)
def test_copies_of_two_versions_are_refused_or_lead_back(newer, order):
    """What is refused is tried again later, as a user would."""
    own_code = functions.plain.__code__
    for verbs in itertools.product(NEW, repeat=2):
        layers = {
            name: getattr(each, verb)(PLAIN, NEW[verb](name), name=name)
            for name, each, verb in zip(("lower", "upper"), (lp, newer), verbs, strict=True)
        }
        left = list(order)
        for _ in order:
            left = [action for action in left if not _is_done(layers, action)]
        assert not [action for action in left if action.endswith("remove")]
        assert functions.plain.__code__ is own_code
        assert (functions.plain(1), len(lp.patches()), len(newer.live_layers())) == (OLD, 0, 0)


def _is_done(layers, action):
    name, verb = action.split()
    try:
        getattr(layers[name], verb)()
    except lp.LivepatchError:
        return False
    return True


def test_it_stands_alone_in_a_fresh_process(tmp_path):
    folder = pathlib.Path(engine.__file__).parent
    shutil.copytree(folder, tmp_path / "carried", ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import sys, carried, textwrap\n"
        "layer = carried.replace('textwrap.dedent', lambda text: 'new')\n"
        "assert textwrap.dedent('x') == 'new'\n"
        "layer.remove()\n"
        "assert textwrap.dedent(' x') == 'x'\n"
        "print([n for n in sys.modules if n.startswith(('livepatch', 'IPython', 'ipykernel'))])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.')\n{script}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_a_change_over_a_copys_layer_waits_for_the_calls_inside(copies):
    inside, let_go, changed = threading.Event(), threading.Event(), threading.Event()

    def waits(*args):
        inside.set()
        let_go.wait(20)

    copies[0].replace(PLAIN, waits, owner="copy", name="waits")
    thread = threading.Thread(target=functions.plain, args=(1,))
    thread.start()
    unsubscribe = engine.subscribe("step", lambda _: changed.set())
    try:
        assert inside.wait(10)
        layer = lp.replace(PLAIN, lambda a: "new", when="idle")
        assert not changed.wait(0.2)
        now = lp.replace(PLAIN, lambda a: "now", name="now")
        assert "1 running call finishes on the old code" in str(now)
        now.remove()
        assert layer.state == "pending"
    finally:
        changed.clear()
        let_go.set()
        thread.join(10)
    assert changed.wait(10)
    unsubscribe()
    assert (layer.state, functions.plain(1)) == ("active", "new")
    lp.restore(PLAIN)
