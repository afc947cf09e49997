"""What is live becomes an extension that does the same where livepatch is not."""

from __future__ import annotations

import functools
import os
import pathlib
import shutil

import export_support
import pytest
from export_support import T, change_everything, fresh
from samples import exported as sample

import livepatch as lp

# One of each way to be loaded; the other flavors are in soak/test_flavors.py.
FOLDERS = ("a1111", "comfyui", "plain")
FILES = ("textgen",)


@pytest.fixture
def live():
    """What the sample answers without a change, and with all of them."""
    before = sample.outputs()
    change_everything()
    return before, sample.outputs()


@pytest.mark.parametrize(
    ("flavor", "single"), [*((f, False) for f in FOLDERS), *((f, True) for f in FILES)]
)
def test_a_fresh_process_does_the_same(flavor, single, live, tmp_path):
    export_support.check_round_trip(flavor, single, live, tmp_path)


def test_it_carries_what_it_uses_and_nothing_else(live, tmp_path):
    made = lp.export(tmp_path, name="mine", flavor="plain", with_values=["FACTOR"])
    lp.restore_all()
    source = made.path / "src"
    script = """
        sys.path.insert(0, sys.argv[2])
        import mine
        assert mine.apply() == []
        mine.remove()
        loaded = [m.__file__ for n, m in sys.modules.items() if n.startswith("mine.")]
        print(json.dumps(loaded))
    """
    loaded, _ = fresh(script, source)
    carried = {str(path) for path in source.glob("*/_livepatch/engine/**/*.py")}
    assert carried
    assert carried <= {*loaded}


def test_two_of_them_on_the_same_functions_end_in_either_order(tmp_path):
    lp.restore_all()
    export_support.wrap_around()
    first = lp.export(tmp_path, name="first", flavor="plain", with_values=["FACTOR"])
    lp.restore_all()
    export_support.wrap_another()
    second = lp.export(tmp_path, name="second", flavor="plain")
    lp.restore_all()
    script = """
        import itertools
        sys.path[:0] = sys.argv[2:4]
        import first, second
        seen = []
        both = (first, second)
        for begin, end in itertools.product(itertools.permutations(both), repeat=2):
            for package in begin:
                assert package.apply() == []
            seen.append([sample.wrapped(1)])
            for package in end:
                package.remove()
                seen[-1].append(sample.wrapped(1))
            seen[-1].append(sample.is_original())
        print(json.dumps(seen))
    """
    seen, _ = fresh(script, first.path / "src", second.path / "src")
    plain, around, another = ["wrapped", 1], ["around", ["wrapped", 3]], ["another", ["wrapped", 1]]
    inner, outer = ["another", ["around", ["wrapped", 3]]], ["around", ["another", ["wrapped", 3]]]
    assert seen == [
        [inner, another, plain, True],
        [inner, around, plain, True],
        [outer, another, plain, True],
        [outer, around, plain, True],
    ]


def test_a_changed_original_is_skipped_with_a_warning_that_names_it(live, tmp_path):
    exported = lp.export(tmp_path, name="mine", flavor="plain", with_values=["FACTOR"])
    text = (export_support.TESTS / "samples" / "exported.py").read_text()
    changed = text.replace('return ("wrapped", a)', 'return ("a newer webui", a)')
    changed = changed.replace("def generator(n):", "def generators(n):")
    changed = changed.replace("(plain, wrapped, noted, generator,", "(plain, wrapped, noted,")
    changed = changed.replace("list(generator(3))", "0")
    newer = tmp_path / "newer"
    (newer / "samples").mkdir(parents=True)
    (newer / "samples" / "__init__.py").write_text("")
    (newer / "samples" / "exported.py").write_text(changed)
    script = """
        del sys.modules["samples.exported"], sys.modules["samples"]
        sys.path[:0] = sys.argv[2:4]
        import mine, samples.exported as newer
        warnings = mine.apply()
        print(json.dumps([warnings, newer.outputs(), mine.remove()]))
    """
    (warnings, outputs, stays), told = fresh(script, exported.path / "src", newer)
    assert sorted(w.partition(": ")[2].partition(" is ")[0][:40] for w in warnings) == sorted(
        [
            f"replace {T}.generator: module samp"[:40],
            f"wrap {T}.wrapped: {T}.wrapped"[:40],
            f"wrap {T}.wrapped: {T}.wrapped"[:40],
        ]
    )
    skipped = next(w for w in warnings if "wrapped" in w)
    assert "is not what it was: made against version" in skipped
    assert skipped.count("(source ") == 2
    assert all(w in told for w in warnings)
    assert outputs["wrapped"] == "('a newer webui', 2)"
    assert outputs["greet"] == "'new base'"
    assert stays == []


def test_a_module_that_is_loaded_later_is_changed_then(tmp_path):
    lp.replace(f"{T}.SCALE", 9)
    export_support.wrap_another()
    exported = lp.export(tmp_path, name="early", flavor="plain")
    script = """
        del sys.modules["samples.exported"], sys.modules["samples"]
        sys.path.insert(0, sys.argv[2])
        import early
        extension, finders = early.EXTENSION, [*sys.meta_path]
        seen = [early.apply(), extension.applied, sorted(extension.waits_for)]
        import samples.exported as late
        seen += [len(extension.applied), late.wrapped(1), late.SCALE, sys.meta_path == finders,
                 type(late.__loader__).__name__, type(late.__spec__.loader).__name__]
        early.remove()
        seen += [late.wrapped(1), late.SCALE]
        del sys.modules["samples.exported"], sys.modules["samples"]
        early.apply()
        early.remove()
        import samples.exported as unchanged
        seen += [sys.meta_path == finders, unchanged.SCALE]
        print(json.dumps(seen))
    """
    seen, told = fresh(script, exported.path / "src")
    assert seen[:3] == [[], [], ["samples", "samples.exported"]]
    assert seen[3:6] == [2, ["another", ["wrapped", 1]], 9]
    assert seen[6:9] == [True, "SourceFileLoader", "SourceFileLoader"]
    assert seen[9:] == [["wrapped", 1], 2, True, 2]
    assert told == ""


@pytest.fixture(scope="module")
def exports_that_wait(tmp_path_factory):
    """Three exports; what each of them changes of the sample is seen on its own."""
    folder = tmp_path_factory.mktemp("waiting")
    works = {
        "first": lambda: lp.replace(f"{T}.SCALE", 9),
        "second": export_support.wrap_another,
        "third": lambda: lp.replace(f"{T}.noted", lambda a: "third"),
    }
    sources = {}
    for name, change in works.items():
        change()
        sources[name] = lp.export(folder, name=name, flavor="plain").path / "src"
        lp.restore_all()
    return sources


SEVERAL_WAIT = """
    import importlib, itertools
    sys.path[:0] = sys.argv[2:]
    names = [name for name in ("first", "second", "third")]
    packages = [importlib.import_module(name) for name in names]
    finders, failed = [*sys.meta_path], []
    def seen():
        sys.modules.pop("samples.exported", None), sys.modules.pop("samples", None)
        try:
            import samples.exported as late
        except RecursionError as error:
            return [repr(error)]
        return [late.SCALE, late.wrapped(1)[0], late.noted(1)]
    unchanged = seen()
    changed = [9, "another", "third"]
    for order in (o for count in (1, 2, 3) for o in itertools.permutations(range(3), count)):
        for first_gone in (None, *order):
            sys.modules.pop("samples.exported", None), sys.modules.pop("samples", None)
            told = [warning for n in order for warning in packages[n].apply()]
            if first_gone is not None:  # the others go on waiting
                packages[first_gone].remove()
            expected = [changed[n] if n in order and n != first_gone else unchanged[n]
                        for n in range(3)]
            got = seen()
            for n in order:
                packages[n].remove()
            if (told, got) != ([], expected) or sys.meta_path != finders:
                failed.append([order, first_gone, told, got])
                sys.meta_path[:] = finders
    print(json.dumps([unchanged, failed]))
"""


def test_several_that_wait_for_one_module_are_all_told(exports_that_wait):
    (unchanged, failed), told = fresh(SEVERAL_WAIT, *exports_that_wait.values())
    assert (len(unchanged), failed, told) == (3, [], "")


@pytest.mark.parametrize("old", ["first", "second", "third"])
def test_one_of_livepatch_0_1_waits_beside_them(old, exports_that_wait, tmp_path):
    own = shutil.copytree(exports_that_wait[old], tmp_path / "src")
    (waiting,) = own.glob("*/_livepatch/waiting.py")
    waiting.write_text((export_support.TESTS / "samples" / "waiting_of_0_1.py").read_text())
    (unchanged, failed), told = fresh(SEVERAL_WAIT, *{**exports_that_wait, old: own}.values())
    assert (len(unchanged), failed, told) == (3, [], "")


def test_it_belongs_to_itself_beside_a_notebook(tmp_path, monkeypatch):
    export_support.wrap_another()
    exported = lp.export(tmp_path, name="own", flavor="plain")
    lp.restore_all()
    monkeypatch.syspath_prepend(str(exported.path / "src"))
    import own  # type: ignore[import-not-found]

    steps = len(lp.journal)
    own.apply()
    try:
        assert len(lp.journal) == steps  # undo is the notebook's
        layer = lp.replace(f"{T}.wrapped", lambda a: "notebook's")
        assert next(layer.owner for layer in lp.patches()) == "extension own"
        assert str(lp.restore_all()) == f"restored 1 target · {T}.wrapped"
        assert layer.state == "removed"
        assert sample.wrapped(1) == ("another", ("wrapped", 1))
        with pytest.raises(lp.ExportRefused, match="nothing is changed"):
            lp.export(tmp_path, name="second", flavor="plain")
    finally:
        own.remove()
    assert sample.wrapped(1) == ("wrapped", 1)


def test_what_is_off_is_left_out_and_said(tmp_path):
    export_support.wrap_another()
    lp.replace(f"{T}.SCALE", 9).off()
    exported = lp.export(tmp_path, name="partly", flavor="plain")
    assert f"left out: {T}.SCALE (" in str(exported)
    assert "SCALE" not in (exported.path / "src/partly/changes.py").read_text()


@pytest.mark.parametrize("single", [False, True])
def test_an_export_again_takes_the_place_of_the_former(single, tmp_path):
    export_support.wrap_another()
    first = lp.export(tmp_path, name="again", flavor="demo", single_file=single)
    file = first.path if single else first.path / "again_changes/changes.py"
    assert "wrapped" in file.read_text()
    lp.restore_all()
    lp.replace(f"{T}.SCALE", 9)
    lp.export(tmp_path, name="again", flavor="demo", single_file=single)
    assert "wrapped" not in file.read_text().partition("CHANGES = ")[2]
    assert [path.name for path in tmp_path.iterdir()] == ["again.py" if single else "again"]


def _refused(*words, **arguments):
    with pytest.raises(lp.ExportRefused) as caught:
        lp.export(**{"name": "mine", "flavor": "plain", **arguments})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for word in words:
        assert word in str(caught.value)


def test_a_folder_that_will_not_do(tmp_path):
    lp.replace(f"{T}.SCALE", 9)
    (tmp_path / "file").write_text("")
    _refused("it is a file", folder=tmp_path / "file")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "script.py").write_text("mine = True")
    _refused("already holds another extension", folder=tmp_path, name="taken")
    (tmp_path / "one.py").write_text("mine = True")
    _refused("is already there", folder=tmp_path, name="one", flavor="demo", single_file=True)
    exported = lp.export(tmp_path, name="mine", flavor="plain")
    (exported.path / "README.md").write_text("a word of my own")
    _refused("somebody changed README.md", folder=tmp_path)
    assert (tmp_path / "taken" / "script.py").read_text() == "mine = True"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mine", "one.py", "taken"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a folder's mode is POSIX's")
def test_a_folder_that_is_not_writable(tmp_path):
    lp.replace(f"{T}.SCALE", 9)
    # Root may write into every folder, but nobody makes a folder in /proc.
    folder = pathlib.Path("/proc") if os.geteuid() == 0 else tmp_path
    tmp_path.chmod(0o500)
    try:
        _refused("folder that you can write" if folder != tmp_path else "cannot", folder=folder)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["", "9lives", "a b", "../up", "con", "class", "é", "x" * 61, "."])
def test_a_name_that_is_no_folder_or_module(name, tmp_path):
    lp.replace(f"{T}.SCALE", 9)
    _refused("cannot be the name", folder=tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_flavor_that_is_not_known_or_takes_no_single_file(tmp_path):
    lp.replace(f"{T}.SCALE", 9)
    _refused("livepatch does not know the flavor", folder=tmp_path, flavor="winamp")
    _refused("takes packages", folder=tmp_path, single_file=True)


def test_there_is_nothing_to_export(tmp_path):
    _refused("nothing is changed", folder=tmp_path)
    lp.replace(f"{T}.SCALE", 9).off()
    _refused("no change is on", "SCALE", folder=tmp_path)


def test_code_whose_source_cannot_be_had(tmp_path):
    namespace = {"__name__": "__main__"}
    exec("new = lambda a: ('typed', a)", namespace)
    lp.replace(f"{T}.wrapped", namespace["new"])
    _refused("is not available", f"replace {T}.wrapped", folder=tmp_path)
    lp.restore_all()
    lp.replace(f"{T}.wrapped", functools.partial(export_support.another, str))
    _refused("a partial", "write a def", folder=tmp_path)
    lp.restore_all()
    lp.replace(f"{T}.wrapped", len)  # C code is imported, where it has a home
    lp.filter_result(f"{T}.noted", str.upper)
    exported = lp.export(tmp_path, name="mine", flavor="plain")
    text = (exported.path / "src/mine/names.py").read_text()
    assert "from builtins import len" in text
    assert "upper = _upper_holder.upper" in text


def test_values_are_written_down_only_when_they_are_named(tmp_path):
    export_support.wrap_around()
    _refused("the value 'FACTOR'", 'with_values=["FACTOR"]', folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    exported = lp.export(tmp_path, name="mine", flavor="plain", with_values="FACTOR")
    assert "FACTOR = 3" in (exported.path / "src/mine/names.py").read_text()
    lp.restore_all()
    secret = object()
    lp.wrap(f"{T}.wrapped", lambda original, a: (secret, original(a)))
    _refused("'secret'", "not given back by its repr", folder=tmp_path, with_values=["secret"])


def test_what_uses_livepatch_itself_stays_in_the_notebook(tmp_path):
    lp.wrap(f"{T}.wrapped", lambda original, a: (len(lp.patches()), original(a)))
    _refused("uses 'lp' of livepatch", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_method_of_one_instance_has_no_name_elsewhere(tmp_path):
    model = sample.Model()
    lp.replace(model.greet, lambda self: "only this one")
    _refused("no dotted name", folder=tmp_path)
