"""%export, %lint and livepatch export: the faces of what lp.export and lp.lint do."""

from __future__ import annotations

import samples.functions
from reach_support import place

TARGET = f"{samples.functions.__name__}.uses_module"


def test_export_of_a_cell_with_a_helper_and_a_value(notebook, tmp_path):
    notebook.run("def helper(a):\n    return a * factor\n")
    notebook.run("factor = 3")
    notebook.run(f"%%replace {TARGET}\ndef uses_module(a):\n    return helper(a)")
    refused = notebook.run(f"%export mine --to {tmp_path} --for plain")
    assert "ExportRefused: export mine" in refused
    assert "with-values factor" in refused
    shown = notebook.run(f"%export mine --to {tmp_path} --for plain --with-values factor")
    assert f"exported mine for plain to {tmp_path / 'mine'} · 1 change · lints clean" in shown
    assert (
        f'= lp.export("{tmp_path}", name="mine", flavor="plain", with_values=[\'factor\'])' in shown
    )
    names = (tmp_path / "mine/src/mine/names.py").read_text()
    assert "factor = 3" in names
    assert "def helper(a):" in names
    assert "return helper(a)" in (tmp_path / "mine/src/mine/layers.py").read_text()
    shown = notebook.run(f"%lint {tmp_path / 'mine'}")
    assert "no findings" in shown
    assert "= lp.lint(" in shown


def test_export_from_a_shell(tmp_path):
    with place() as here:
        webui = here.start()
        here.livepatch("exec", "-c", "def shout(text):\n    return text.upper()")
        here.livepatch(
            "exec", "-c", "import livepatch as lp\nlp.filter_result('greeter.greeting', shout)"
        )
        assert webui.get() == "HELLO"
        done = here.livepatch("export", "mine", "--to", str(tmp_path), "--for", "plain")
        assert (done.returncode, done.stderr) == (0, "")
        assert "exported mine for plain" in done.stdout
        again = here.livepatch("export", "no name", "--to", str(tmp_path))
        assert again.returncode == 1
        assert "cannot be the name" in again.stderr
    assert "def shout" in (tmp_path / "mine/src/mine/names.py").read_text()
