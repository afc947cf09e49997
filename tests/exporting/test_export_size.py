"""What an export carries of livepatch: little, made of the real files, and it works."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize

import pytest
from export_support import TESTS, T, fresh
from samples import exported as sample

import livepatch as lp
from livepatch.exporting import carrying
from livepatch.exporting.runtime.functions import Replace, ReplaceBy, ReplaceUsing, ReplaceWithNames
from livepatch.exporting.runtime.layers import Layer
from livepatch.exporting.shaking import shaken

MOST = 2_500
SKIPPED = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}
# Those that carry most; the others are laid out alike or have less.
FLAVORS = ("a1111", "comfyui", "django")


def lines_of_code(text):
    """Lines that are neither blank nor comments nor docstrings."""
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        is_holder = isinstance(
            node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        )
        if is_holder and ast.get_docstring(node) is not None:
            docstrings |= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SKIPPED:
            lines |= {*range(token.start[0], token.end[0] + 1)}
    return len(lines - docstrings)


def size_of(folder):
    return sum(lines_of_code(path.read_text()) for path in folder.rglob("*.py"))


def doubled(a):
    return ("doubled", a, 2 * a)


def tripled(a):
    return ("tripled", 3 * a)


def given_a_function():
    lp.replace(f"{T}.wrapped", doubled)


def given_a_text():
    lp.replace(f"{T}.wrapped", "def wrapped(a):\n    return ('text', a)\n")


def given_a_text_with_a_helper():
    lp.replace(f"{T}.wrapped", "def wrapped(a):\n    return tripled(a)\n")


@pytest.fixture(params=[given_a_function, given_a_text, given_a_text_with_a_helper])
def replaced(request):
    request.param()
    assert sample.wrapped(2) != ("wrapped", 2)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_one_replaced_function_is_a_small_export(flavor, replaced, tmp_path):
    made = lp.export(tmp_path, name="small", flavor=flavor)
    assert "applied 1 and took them back" in str(made)
    size = size_of(made.path)
    assert size <= MOST, f"{size} lines of code"


def test_what_is_carried_stands_in_the_real_files_to_the_letter():
    real = carrying._our_files()
    forms = [Replace, ReplaceBy, ReplaceUsing, ReplaceWithNames, Layer]
    for form in forms:
        for path, text in carrying.carried_files([form]).items():
            lines = {line for line in real[path].splitlines() if line.strip()}
            # An import of which only a part is needed is written anew.
            own = [line for line in text.splitlines() if line.strip() and line not in lines]
            assert all(re.match(r"(from|import) |    \w+( as \w+)?,$", line) for line in own), path


def test_what_is_carried_is_in_one_folder_and_the_users_own_beside_it(tmp_path):
    given_a_text()
    made = lp.export(tmp_path, name="mine", flavor="comfyui")
    own = {str(path.relative_to(made.path)) for path in made.path.rglob("*") if path.is_file()}
    own = {path for path in own if "_livepatch" not in path}
    assert own == {
        *("README.md", "__init__.py", "livepatch.json", "pyproject.toml"),
        *(f"mine_changes/{name}.py" for name in ("__init__", "changes", "names", "layers")),
    }
    file = lp.export(tmp_path, name="one", flavor="comfyui", single_file=True).path.read_text()
    assert file.index("('text', a)") < file.index("_changes()") < file.index("SOURCES = {")


def test_a_layer_of_a_small_export_is_a_layer_to_every_engine(replaced, tmp_path):
    made = lp.export(tmp_path, name="small", flavor="plain")
    lp.restore_all()
    script = """
        sys.meta_path.pop(0)  # livepatch may be there as well
        sys.path.insert(0, sys.argv[2])
        import small
        assert small.apply() == []
        new = sample.wrapped(2)
        import livepatch as lp
        (layer,) = lp.patches()
        seen = [layer.owner, layer.state, bool(layer.source), layer.failures, repr(layer)]
        above = lp.wrap("samples.exported.wrapped", lambda original, a: ("above", original(a)))
        seen += [sample.wrapped(2) == ("above", new)]
        layer.off()
        seen += [sample.wrapped(2), layer.state]
        layer.on()
        seen += [sample.wrapped(2) == ("above", new)]
        small.remove()
        seen += [sample.wrapped(2), layer.state]
        above.remove()
        small.apply()
        lp.restore_all()
        seen += [sample.wrapped(2) == new]
        lp.restore("samples.exported.wrapped")
        seen += [sample.is_original(), small.remove(), sample.is_original()]
        print(json.dumps(seen))
    """
    seen, told = fresh(script, made.path / "src")
    name = "<Layer samples.exported.wrapped · extension small · replace · active>"
    assert seen[:5] == ["extension small", "active", True, [], name]
    below = ["above", ["wrapped", 2]]
    assert seen[5:11] == [True, below, "off", True, below, "removed"]
    assert (seen[11:], told) == ([True, True, [], True], "")


def test_a_small_export_follows_a_reload_and_leaves_others_alone(replaced, tmp_path):
    made = lp.export(tmp_path, name="small", flavor="plain")
    lp.restore_all()
    script = """
        import importlib
        sys.path.insert(0, sys.argv[2])
        import small
        small.apply()
        new, held = sample.wrapped(2), sample.wrapped
        importlib.reload(sample)
        again = small.switch(on=False), small.switch(on=True)
        seen = [sample.wrapped(2) == new]
        small.remove()
        seen += [sample.wrapped(2), held(2), again]
        small.apply()
        sample.wrapped.__code__ = (lambda a: "theirs").__code__
        (stays,) = small.remove()
        seen += [sample.wrapped(2), stays]
        print(json.dumps(seen))
    """
    (*seen, stays), _ = fresh(script, made.path / "src")
    assert seen == [True, ["wrapped", 2], ["wrapped", 2], [[], []], "theirs"]
    assert "someone else changed samples.exported.wrapped.__code__" in stays


PARTS = ("replace", "values", "way_back", "graft")


def test_the_engines_own_tests_of_replacing_pass_on_what_is_carried(tmp_path):
    """The verbs are added to what an export carries; the rest is cut as it is there."""
    folder = carrying.FOLDER
    wanted = [(f"{folder}/extension.py", "Extension"), (f"{folder}/layers.py", "Layer")]
    wanted += [(f"{folder}/functions.py", form.__name__) for form in (Replace, ReplaceBy)]
    verbs = ("replace", "restore", "restore_all", "live_layers")
    wanted += [(f"{folder}/engine/verbs.py", verb) for verb in verbs]
    wraps = ("wrap", "before", "after", "filter_args", "filter_result")
    wanted += [(f"{folder}/engine/wrapping.py", verb) for verb in wraps]
    for path, text in shaken(carrying._our_files(), wanted, (), carrying._SHARED).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "carried_engine", "--noconftest"]
        + ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"]
        + [str(TESTS / "engine" / f"test_engine_{part}.py") for part in PARTS],
        env={**os.environ, "CARRIED_ENGINE": str(tmp_path / folder), "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    assert passed > 300, done.stdout[-500:]
