"""Looking without changing: where a target is, who calls it, what was changed of it."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import subprocess
import sys
import threading
import types
import weakref
from pathlib import Path

import pytest
from notebook_support import Notebook
from samples import functions

import livepatch as lp
from livepatch.engine import subscribe
from livepatch.engine.changing.registry import registry
from livepatch.engine.layers import trace as recorder
from livepatch.engine.layers.trace import trace, traces, untrace
from livepatch.engine.reading.summaries import summary

PLAIN = "samples.functions.plain"


@pytest.fixture(autouse=True)
def _no_trace_is_left():
    yield
    untrace()
    for one in traces():
        assert one.state == "ended"
    recorder._traces.clear()


@pytest.fixture
def webui(tmp_path, monkeypatch):
    """A webui of one module below a folder that is a git repository, loaded."""
    folder = tmp_path / "webui"
    folder.mkdir()
    (folder / "tinyui.py").write_text(
        '''"""A small webui."""

from __future__ import annotations

import functools
import math

LIMIT = 3


def logged(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args)

    return inner


@logged
def generate(prompt, steps=20):
    """Doc."""
    return prompt * min(steps, LIMIT)


class Sampler:
    @staticmethod
    def mottle(
        count,
    ):
        return [0] * count

    async def sample(self, n):
        return self.mottle(n)

    class Inner:
        @property
        def size(self):
            return math.floor(1.5)


def last(a):
    return a'''  # without a newline at the end
    )
    subprocess.run(["git", "init", "-q", str(folder)], check=True, timeout=60)
    monkeypatch.syspath_prepend(str(folder))
    module = importlib.import_module("tinyui")
    yield module
    lp.restore_all()
    sys.modules.pop("tinyui")


# where


def hits(pattern):
    """What is found outside this file, which is a loaded module as well."""
    found = lp.reports.where(pattern, limit=1000)
    return [hit for hit in found if not hit.definition.path.startswith(__name__)]


def paths(found):
    return [hit.definition.path for hit in found]


def test_a_name_is_found_with_its_kind_and_place(webui):
    report = lp.reports.where("tinyui.Sampler")
    assert [(hit.definition.path, hit.definition.kind) for hit in report][:5] == [
        ("tinyui.Sampler", "class"),
        ("tinyui.Sampler.Inner", "class"),
        ("tinyui.Sampler.Inner.size", "property"),
        ("tinyui.Sampler.mottle", "static method"),
        ("tinyui.Sampler.sample", "coroutine method"),
    ]
    lines = Path(webui.__file__).read_text().splitlines()
    assert report[0].place == f"{webui.__file__}:{lines.index('class Sampler:') + 1}"


def test_a_decorated_function_is_found_where_it_is_written(webui):
    (hit,) = hits("TINYUI.GEN")
    assert (hit.definition.path, hit.definition.kind) == ("tinyui.generate", "function")
    lines = Path(webui.__file__).read_text().splitlines()
    assert hit.line == lines.index("@logged") + 1


def test_a_line_of_the_source_is_found_with_the_function_around_it(webui):
    (hit,) = hits("min(steps")  # no regular expression: to be found as it stands
    assert (hit.definition.path, hit.text) == (
        "tinyui.generate",
        "return prompt * min(steps, LIMIT)",
    )
    assert paths(hits(r"\[0\] \* coun\w+")) == ["tinyui.Sampler.mottle"]


def test_names_come_before_lines_and_packages_only_with_all(webui):
    found = paths(hits("mottle"))
    assert found == ["tinyui.Sampler.mottle", "tinyui.Sampler.sample"]
    assert "textwrap.dedent" not in paths(hits("textwrap.ded"))
    assert "textwrap.dedent" in paths(lp.reports.where("textwrap.dedent", everywhere=True))
    assert "--all looks everywhere" in str(lp.reports.where("no_such_name_anywhere" + "_at_all"))


def test_a_patched_function_is_still_found_by_the_webuis_own_text(webui):
    lp.replace("tinyui.generate", "def generate(prompt, steps=20):\n    return 'other'")
    (hit,) = hits("tinyui.generate")
    assert hit.definition.file == webui.__file__
    assert paths(hits("min(steps")) == ["tinyui.generate"]


def test_more_than_the_limit_is_counted(webui):
    report = lp.reports.where("tinyui", limit=2)
    assert len(report) == 2
    assert "the first 2 and " in str(report).splitlines()[0]


def test_scripts_of_extensions_that_are_no_entries_of_sys_modules(webui, tmp_path, request):
    from importlib.util import module_from_spec, spec_from_file_location

    path = tmp_path / "webui" / "extensions" / "loud" / "scripts" / "loud.py"
    path.parent.mkdir(parents=True)
    path.write_text("def very_loud_hook(p):\n    return p\n")
    spec = spec_from_file_location("loud.py", path)
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    known = {"extensions.loud.loud": script}
    request.addfinalizer(subscribe("modules", lambda _: known))
    (hit,) = hits("very_loud_hook")
    layer = lp.replace(hit.definition.path, lambda p: "patched")  # its name is a target
    assert script.very_loud_hook(1) == "patched"
    layer.remove()


# trace


def test_a_trace_records_calls_and_changes_nothing():
    before = len(lp.journal)
    record = trace(PLAIN)
    assert functions.plain([1, 2], b="x" * 200) == ("old", [1, 2], "x" * 200, 1)
    with pytest.raises(TypeError):
        functions.plain()
    first, second = record.calls
    assert first.arguments.startswith("a=[1, 2], b='xxx")
    assert len(first.arguments) < 120
    assert first.outcome.startswith("('old', [1, 2], ")
    assert first.milliseconds >= 0
    assert first.thread == threading.current_thread().name
    assert first.caller == f"{__file__}:{line_of('assert functions.plain([1, 2], b=')}"
    assert second.outcome.startswith("raised TypeError(")
    assert len(lp.journal) == before


def line_of(text):
    lines = Path(__file__).read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if line.strip().startswith(text))


def test_after_enough_calls_it_takes_itself_off_and_the_code_is_the_original():
    code = functions.plain.__code__
    record = trace(PLAIN, calls=2)
    for _ in range(5):
        functions.plain(1)
    assert record.ended.wait(30)
    assert functions.plain.__code__ is code
    assert len(record.calls) == 2
    assert record.state == "ended"
    assert len(lp.patches()) == 0


def test_the_call_that_ends_a_trace_does_not_wait_for_the_lock():
    record = trace(PLAIN, calls=1)
    answered = threading.Event()

    def call():
        functions.plain(1)
        answered.set()

    thread = threading.Thread(target=call)
    with registry.lock:  # whoever holds it may wait for the webui
        thread.start()
        assert answered.wait(30)
        assert not record.ended.is_set()
    thread.join()
    assert record.ended.wait(30)


def test_a_trace_stays_on_top_and_undo_does_not_see_it():
    record = trace(PLAIN)
    lp.replace(PLAIN, lambda a: "new")
    functions.plain(1)
    assert [call.outcome for call in record.calls] == ["'new'"]
    assert "undone: replace samples.functions.plain" in lp.undo()
    assert functions.plain(1) == ("old", 1, 2, 1)
    assert record.calls[1].outcome.startswith("('old'")
    lp.redo()
    assert functions.plain(1) == "new"
    assert record.calls[2].outcome == "'new'"


def test_a_transaction_that_fails_leaves_the_trace_alone():
    def fail():
        with lp.transaction():
            lp.replace(PLAIN, lambda a: "new")
            trace(PLAIN)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    functions.plain(1)
    assert len(traces()[-1].calls) == 1
    assert traces()[-1].state == "recording"


def test_a_trace_that_ended_does_not_come_back_with_undo():
    record = trace(PLAIN, calls=5)
    lp.replace(PLAIN, lambda a: "new")
    lp.restore(PLAIN)
    assert record.state == "ended"
    record.end()
    lp.undo()
    assert functions.plain(1) == "new"
    assert [layer.owner for layer in lp.patches()] != ["trace"]
    assert len(record.calls) == 0


@pytest.mark.parametrize("name", ["numbers", "stream"])
def test_generators_are_counted_and_stay_generators(name):
    record = trace(f"samples.functions.{name}")

    async def items():
        return [item async for item in functions.stream(3)]

    assert (list(functions.numbers(3)) if name == "numbers" else asyncio.run(items())) == [0, 1, 2]
    (call,) = record.calls
    assert call.items == 3
    assert call.milliseconds is not None


def test_a_generator_is_sent_to_thrown_at_and_closed_as_before():
    record = trace("samples.functions.numbers")
    running = functions.numbers(3)
    assert [next(running), running.send("a"), running.send("b")] == [0, 1, 2]
    with pytest.raises(StopIteration) as stop:
        running.send("c")
    assert stop.value.value == ["a", "b", "c"]
    closed = functions.numbers(3)
    next(closed)
    closed.close()
    thrown = functions.numbers(3)
    next(thrown)
    with pytest.raises(KeyError):
        thrown.throw(KeyError("k"))
    outcomes = [call.outcome for call in record.calls]
    assert outcomes == ["['a', 'b', 'c']", "closed", "raised KeyError('k')"]


def test_an_asynchronous_generator_that_fails_or_is_closed_says_so():
    record = trace("samples.functions.stream")

    async def use():
        first, second = functions.stream(3), functions.stream(3)
        await first.__anext__()
        await first.aclose()
        await second.__anext__()
        with pytest.raises(KeyError):
            await second.athrow(KeyError("k"))

    asyncio.run(use())
    assert [call.outcome for call in record.calls] == ["closed", "raised KeyError('k')"]


def test_a_coroutine_is_awaited_and_its_caller_is_who_called_it():
    record = trace("samples.functions.fetch")
    assert asyncio.run(functions.fetch(7)) == ("old", 7)
    (call,) = record.calls
    assert call.outcome == "('old', 7)"
    if sys.version_info >= (3, 11):  # on 3.10 a coroutine's code runs when it is first awaited
        assert call.caller == f"{__file__}:{line_of('assert asyncio.run(functions.fetch(7))')}"


def test_nothing_that_was_passed_is_kept_alive():
    class Weights:
        pass

    record = trace(PLAIN)
    weights = Weights()
    gone = weakref.ref(weights)
    functions.plain([weights], b={"w": weights})
    del weights
    gc.collect()
    assert gone() is None
    assert record.calls[0].arguments == "a=[Weights], b={'w': Weights}"


def test_values_in_a_few_words():
    class Rude:
        def __repr__(self):
            raise AssertionError("asked to speak")

        __str__ = __repr__

        def __getattr__(self, name):
            raise AssertionError(f"asked for {name}")

    class Tensor:
        @property
        def shape(self):
            return [1, 4, 64, 64]

        dtype = "float16"
        device = "cuda:0"

    class Broken(Tensor):
        @property
        def shape(self):
            raise RuntimeError("the storage is gone")

    numpy = pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image")
    assert summary(Rude()) == "Rude"
    assert summary([Rude()]) == "[Rude]"
    assert summary(ValueError("bad", Rude())) == "ValueError('bad', Rude)"
    assert summary(Tensor()) == "Tensor(shape=(1, 4, 64, 64), dtype=float16, device=cuda:0)"
    assert summary(Broken()) == "Broken"
    assert summary(numpy.zeros((2, 3), "f4")).startswith("ndarray(shape=(2, 3), dtype=float32")
    assert summary(image.new("RGB", (8, 6))) == "Image(mode=RGB, size=(8, 6))"
    assert summary("x" * 1000).endswith("… 1,000 characters")
    assert summary(10**5000) == "int of 16610 bits"
    assert summary(list(range(1000))) == "[0, 1, 2, … 997 more]"
    assert summary([[[["deep"]]]]) == "[[list of 1]]"
    assert summary({"a": (1,), "b": set()}) == "{'a': (1,), 'b': set()}"
    assert summary(Rude) == "class Rude"
    assert summary(functions.plain) == "function plain"


def test_what_is_no_function_cannot_be_traced():
    before = traces()  # another test may have left one
    for target, calls in ((PLAIN, 0), ("samples.functions.FACTOR", 5)):
        with pytest.raises(lp.PatchRefused) as caught:
            trace(target, calls=calls)
        assert len(str(caught.value).splitlines()) == 3
    assert traces() == before


# diff


def apply_patch(text, webui, folder):
    """Let git check and apply a patch, and load the result as a module of its own."""
    patch = folder / "change.patch"
    patch.write_bytes(text.encode())
    repository = Path(webui.__file__).parent
    for options in (["--check"], []):
        command = ["git", "-C", str(repository), "apply", *options, str(patch)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    namespace = {"__name__": "patched"}
    exec(compile(Path(webui.__file__).read_bytes(), "patched", "exec"), namespace)
    return types.SimpleNamespace(**namespace)


def test_each_layer_is_a_difference_to_what_it_lies_on(webui):
    lp.replace("tinyui.last", "def last(a):\n    return 2", owner="one")
    lp.replace("tinyui.last", "def last(a):\n    return 3", owner="two")
    lp.after("tinyui.last", lambda result, a: None)
    shown = str(lp.reports.diff("tinyui.last"))
    assert "one's 'replace', active" in shown
    assert "-    return a\n+    return 2" in shown
    assert "-    return 2\n+    return 3" in shown
    assert "after: around the original, which stays as it is" in shown
    html = lp.reports.diff("tinyui.last")._repr_mimebundle_()["text/html"]
    assert '<span style="color:var(--jp-success-color1, green)">+    return 2</span>' in html


def test_without_layers_there_is_no_difference(webui):
    assert str(lp.reports.diff("tinyui.last")) == "tinyui.last runs the webui's own code"
    with pytest.raises(lp.TargetNotFound):
        lp.reports.diff("tinyui.lasst")


def test_git_applies_the_patch_and_the_file_does_what_the_layer_did(webui, tmp_path):
    cell = '''import json
import math

def my_version(prompt, steps=20):
    """New doc
  with an odd second line."""
    text = """
kept as it is
"""
    return json.dumps(prompt) + text + str(math.floor(steps / LIMIT))
'''
    lp.replace("tinyui.generate", cell)
    wanted = webui.generate("a", 7)
    patch = lp.reports.diff("tinyui.generate", patch=True).text
    lp.restore_all()
    assert "\n--- a/tinyui.py\n+++ b/tinyui.py\n" in patch
    patched = apply_patch(patch, webui, tmp_path)
    assert patched.generate("a", 7) == wanted
    doc = inspect.cleandoc(patched.generate.__wrapped__.__doc__)  # as 3.13 compiles it
    assert doc == "New doc\nwith an odd second line."
    text = Path(webui.__file__).read_text()
    assert "@logged\ndef generate(prompt" in text  # its decorator stays, and so does its name
    assert text.count("import math") == 1


def test_a_method_keeps_its_indentation_and_a_file_its_missing_newline(webui, tmp_path):
    lp.replace(
        "tinyui.Sampler.mottle", 'def f(count):\n    if count:\n        return ["""a\nb"""] * count'
    )
    lp.replace("tinyui.last", "def last(a):\n    return a + 1")
    patches = [
        lp.reports.diff(target, patch=True).text
        for target in ("tinyui.Sampler.mottle", "tinyui.last")
    ]
    lp.restore_all()
    assert "\\ No newline at end of file" in patches[1]
    for patch in patches:
        patched = apply_patch(patch, webui, tmp_path)
    assert (patched.Sampler.mottle(2), patched.last(1)) == (["a\nb", "a\nb"], 2)
    assert not Path(webui.__file__).read_bytes().endswith(b"\n")


def test_a_file_with_the_line_ends_of_windows(webui, tmp_path):
    path = Path(webui.__file__)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    lp.replace("tinyui.last", "def last(a):\n    return a + 1")
    patched = apply_patch(lp.reports.diff("tinyui.last", patch=True).text, webui, tmp_path)
    assert patched.last(1) == 2
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")


def refused(target):
    with pytest.raises(lp.PatchRefused) as caught:
        lp.reports.diff(target, patch=True)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0] == f"diff {target} --patch"
    return f"{lines[1]}\n{lines[2]}"


def test_a_patch_that_could_not_stand_alone_is_refused(webui, notebook):
    notebook.run("strength = 2\n%%replace tinyui.last\ndef last(a): return a")
    notebook.run("strength = 2")
    notebook.run("%%replace tinyui.last\ndef last(a):\n    return a * strength")
    assert "names that the file does not have: strength" in refused("tinyui.last")
    lp.restore_all()
    outside = 3
    lp.replace("tinyui.last", lambda a: outside)
    assert "not a function that fits into the file" in refused("tinyui.last")

    def closes(a):
        return a + outside

    def uses_a_global(a):
        return Notebook

    for new, missing in ((closes, "outside"), (uses_a_global, "Notebook")):
        lp.replace("tinyui.last", new)
        assert f"does not have: {missing}" in refused("tinyui.last")
    lp.restore_all()
    lp.before("tinyui.last", print)
    assert "a layer around it does not change its text" in refused("tinyui.last")
    lp.restore_all()
    assert "no layer that is on" in refused("tinyui.last")


def test_a_file_edited_since_it_was_loaded_is_refused(webui):
    lp.replace("tinyui.last", "def last(a):\n    return 1")
    path = Path(webui.__file__)
    path.write_text("# a line more\n" + path.read_text())
    assert "was edited" in refused("tinyui.last")


# the magics


def test_where_trace_and_diff_from_the_notebook(notebook, webui):
    assert "= lp.reports.where('mottle')" in notebook.run("%where mottle")
    assert paths(notebook.value("%where mottle"))[0] == "tinyui.Sampler.mottle"
    assert "tinyui.Sampler.sample" in paths(notebook.value("%where 'return self.mottle'"))
    assert "tracing tinyui.last · records the next 3 calls" in notebook.run(
        "%trace tinyui.last --calls 3"
    )
    webui.last(5)
    (call,) = notebook.value("%trace")
    assert (call.arguments, call.outcome) == ("a=5", "5")
    assert "ended the trace of tinyui.last (1 of 3 calls)" in notebook.run("%trace tinyui.last")
    assert "records the next 20 calls" in notebook.run("%trace tinyui.last")
    assert "ended the trace" in notebook.run("%trace --off")
    assert "no trace is recording" in notebook.run("%trace --off")
    notebook.run("%%replace tinyui.last\ndef last(a):\n    return 1")
    shown = notebook.run("%diff tinyui.last --patch")
    assert '= lp.reports.diff("tinyui.last", patch=True)' in shown
    assert "+    return 1" in shown


@pytest.mark.parametrize("name", ["where", "trace", "diff", "undo", "redo", "journal"])
def test_help_names_the_arguments_and_has_an_example(notebook, name):
    doc = notebook.value(f"get_ipython().find_line_magic({name!r}).__doc__")
    assert f"%{name}" in doc
    assert "example" in doc.lower()


@pytest.mark.parametrize(
    "line", ["%where", "%diff", "%trace --calls 3", "%trace T --off --calls 2", "%undo now"]
)
def test_wrong_syntax_is_one_line(notebook, line):
    notebook.run(line)
    assert type(notebook.result.error_in_exec).__name__ == "UsageError"


def test_tab_completes_targets_and_options(notebook):
    from IPython.core.completer import provisionalcompleter

    def offered(line):
        with provisionalcompleter():
            return [c.text for c in notebook.shell.Completer.completions(line, len(line))]

    assert offered("%trace samples.functions.uses") == ["samples.functions.uses_module"]
    assert offered("%diff samples.functions.uses") == ["samples.functions.uses_module"]
    assert "--calls" in offered(f"%trace {PLAIN} --c")
    assert "--patch" in offered(f"%diff {PLAIN} --p")
    assert "--diff" in offered("%journal --d")


def test_a_restore_ends_a_trace_for_good():
    record = trace("samples.functions.plain")
    lp.replace("samples.functions.plain", lambda a: "new")
    lp.restore_all()
    assert record.ended.is_set()
    lp.undo()
    assert [layer.owner for layer in lp.patches()] == [__name__]
    assert (functions.plain(1), record.calls) == ("new", [])


@pytest.mark.parametrize("quote", ["'", '"'])
def test_the_python_that_a_trace_prints_is_python(quote, monkeypatch):
    import ast

    monkeypatch.setattr(functions, "BY_NAME", {"plain": lambda a: a}, raising=False)
    target = f"samples.functions.BY_NAME[{quote}plain{quote}]"
    begun, ended = lp.reports.trace(target), lp.reports.end_trace(target)
    for answered in (begun, ended):
        (call,) = ast.parse(answered.python).body
        assert ast.literal_eval(call.value.args[0]) == target


def test_an_answers_caution_is_as_loud_as_what_was_done(notebook):
    notebook.run(
        "%%replace samples.functions.plain\ndef plain(a, b=2, *, c=1):\n    return gren(a)"
    )
    answered = notebook.result.result
    html = answered._repr_mimebundle_()["text/html"]
    assert "<strong>`gren` is defined nowhere yet</strong>" in html
    lp.restore_all()


def test_what_an_exported_extension_changed_is_listed_as_anothers(monkeypatch):
    layer = lp.replace("samples.functions.plain", lambda a, b=2, *, c=1: "exported")
    monkeypatch.setattr(registry, "kept_owners", {layer.owner})
    (patch, *_) = lp.foreign("samples.functions.plain")
    assert (patch.target, patch.whose) == ("samples.functions.plain", layer.owner)
    assert "livepatch has exported" in patch.what
    assert "test_looking.py" in patch.by
    assert "functions.py" in patch.original
    layer.remove()
    assert not lp.foreign("samples.functions.plain")
