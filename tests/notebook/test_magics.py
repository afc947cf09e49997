"""The IPython face in a shell: magics, completion, help, load and unload."""

from __future__ import annotations

import os

import pytest
from IPython.core.completer import provisionalcompleter
from notebook_support import TARGET, Notebook
from samples import functions

import livepatch as lp


def test_replace_a_cell_and_restore(notebook):
    notebook.run("strength = 10")
    answer = notebook.run(f"%%replace {TARGET}\ndef anything(a):\n    return a * strength * FACTOR")
    assert functions.uses_module(1) == 30
    assert f"replaced {TARGET} · notebook's layer on the webui's code" in answer
    assert "uses your `strength`" in answer
    assert f'lp.replace("{TARGET}", """def anything(a): …""")' in answer
    notebook.run("strength = 100")
    assert functions.uses_module(1) == 300
    assert f"restored {TARGET} · the webui's own code again" in notebook.run(f"%restore {TARGET}")
    assert functions.uses_module(1) == 3


def test_running_the_cell_again_replaces_its_own_layer(notebook):
    for factor in (2, 3):
        notebook.run(f"%%replace {TARGET}\ndef new(a):\n    return a * {factor}")
    assert functions.uses_module(1) == 3
    assert [(layer.owner, layer.name) for layer in lp.patches()] == [("notebook", "replace")]


def test_a_function_of_the_notebook_by_its_name_or_the_targets(notebook):
    notebook.run("def mine(a):\n    return ['mine', a * FACTOR]")
    notebook.run(f"%replace {TARGET} mine")
    assert functions.uses_module(1) == ["mine", 3]
    notebook.run("def uses_module(a):\n    return 'same name'")
    notebook.run(f"%replace {TARGET}")
    assert functions.uses_module(1) == "same name"


def test_without_a_function_the_source_comes_into_the_next_cell(notebook):
    notebook.run(f"%replace {TARGET}")
    assert notebook.shell.rl_next_input == (
        f"%%replace {TARGET}\ndef uses_module(a):\n    return math.floor(a) * FACTOR\n"
    )
    assert functions.uses_module(1) == 3


def test_a_dry_run_shows_the_difference_and_changes_nothing(notebook):
    answer = notebook.run(f"%%replace {TARGET} --dry-run\ndef uses_module(a):\n    return a")
    assert f"would replace {TARGET}" in answer
    assert "-    return math.floor(a) * FACTOR\n+    return a" in answer
    assert functions.uses_module(1) == 3
    assert len(lp.patches()) == 0


def test_patches_lists_and_switches(notebook):
    notebook.run(f"%%replace {TARGET}\ndef new(a):\n    return 'new'")
    assert f"{TARGET}  active  notebook  replace" in notebook.run("%patches")
    assert "off" in notebook.run(f"%patches --off {TARGET}")
    assert functions.uses_module(1) == 3
    notebook.run(f"%patches --on {TARGET}")
    assert functions.uses_module(1) == "new"
    notebook.run("%restore --all")
    assert "the webui runs its own code" in notebook.run("%patches")


def test_an_error_is_three_lines_without_a_traceback(notebook):
    shown = notebook.run(
        "%%replace samples.functions.plian\ndef new(a):\n    return a"
    ).splitlines()
    assert shown == [
        "TargetNotFound: replace samples.functions.plian",
        f"module samples.functions ({functions.__file__}) has no 'plian'",
        "did you mean samples.functions.plain?",
    ]


@pytest.mark.parametrize("line", ["%restore", "%replace", "%patches --off", "%patches --no-such"])
def test_wrong_syntax_is_one_line(notebook, line):
    notebook.run(line)
    assert type(notebook.result.error_in_exec).__name__ == "UsageError"


def test_help_names_the_arguments_and_has_an_example(notebook):
    for name in ("replace", "restore", "patches", "webui"):
        doc = notebook.value(f"get_ipython().find_line_magic({name!r}).__doc__")
        assert f"%{name}" in doc
        assert "example" in doc.lower() or "%%" in doc


def test_tab_completes_targets_and_then_functions_of_the_notebook(notebook):
    def offered(line):
        with provisionalcompleter():
            return [c.text for c in notebook.shell.Completer.completions(line, len(line))]

    assert offered("%%replace samples.functions.uses") == [TARGET]
    assert offered("%restore samples.functions.Child.g") == ["samples.functions.Child.greet"]
    notebook.run("def my_version(a): return a")
    assert offered(f"%replace {TARGET} my_v") == ["my_version"]


def test_webui_tells_where_we_are(notebook):
    report = dict(notebook.value("%webui"))
    assert {"flavor", "process", "address", "layers", "verbs"} <= report.keys()
    assert str(os.getpid()) in report["process"]
    verbs = report["verbs"].split(", ")
    for verb in verbs:  # none that is only planned
        assert verb in notebook.shell.magics_manager.magics["line"] or hasattr(lp, verb)
    assert {"trace", "where", "export", "replace"} <= {*verbs}  # they work in every process
    for verb in {"routes", "events", "callbacks", "middleware"} & {*verbs}:
        getattr(lp, verb)()


def test_reports_have_a_text_and_an_html_form(notebook):
    notebook.run(f"%%replace {TARGET}\ndef new(a):\n    return '<b>'")
    data = lp.patches()._repr_mimebundle_()
    assert "<td style=" in data["text/html"]
    assert TARGET in data["text/plain"]
    assert "var(--jp-" in data["text/html"]
    assert "application/json" not in data  # JupyterLab would show it as a tree, not the table
    answer = notebook.value(f"%%replace {TARGET} --dry-run\ndef new(a):\n    return '<i>'")
    assert "&lt;i&gt;" in answer._repr_mimebundle_()["text/html"]


def test_unload_restores_everything_and_takes_every_trace_away():
    fresh, notebook = Notebook(), Notebook()
    notebook.run("%load_ext livepatch")
    notebook.run(f"%%replace {TARGET}\ndef new(a):\n    return 'new'")
    lp.replace(functions.plain, lambda a: "from Python")
    assert "restored 2 targets" in notebook.run("%unload_ext livepatch")
    assert (functions.uses_module(1), functions.plain(1)) == (3, ("old", 1, 2, 1))
    for shell in (fresh.shell, notebook.shell):
        shell.history_manager.end_session()
    for kind in ("line", "cell"):
        ours, theirs = (s.magics_manager.magics[kind] for s in (notebook.shell, fresh.shell))
        assert ours.keys() == theirs.keys()
    assert len(notebook.shell.configurables) == len(fresh.shell.configurables)
    assert "%replace" not in notebook.shell.strdispatchers["complete_command"].strs
