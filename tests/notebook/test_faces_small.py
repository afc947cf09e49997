"""Small things at the faces: addresses, the version, names shared with others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class

import livepatch
from livepatch.django.adapter import _address_of_runserver
from livepatch.measure.report import timing_report

HOSTILE = "<script>alert(1)</script>&"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("[::1]:8188", "http://[::1]:8188"),
        ("::1:8188", "http://[::1]:8188"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("9000", "http://127.0.0.1:9000"),
    ],
)
def test_an_address_of_ipv6_stands_in_brackets(monkeypatch, given, address):
    monkeypatch.setattr(sys, "argv", ["manage.py", "runserver", given])
    assert _address_of_runserver() == address


def test_a_checkout_that_is_not_installed_says_its_version(tmp_path):
    (tmp_path / "livepatch").symlink_to(Path(livepatch.__file__).parent)
    hide = (
        "import importlib.metadata as m, runpy, sys\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name == 'livepatch': raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
        "sys.argv = ['livepatch', '--version']\n"
        "runpy.run_module('livepatch', run_name='__main__')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", hide],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, f"livepatch {livepatch.__version__}"), ran


def test_figures_escape_the_text_of_an_empty_table():
    page = timing_report(HOSTILE, [], HOSTILE)._repr_mimebundle_()["text/html"]
    assert "<script>" not in str(page)


@pytest.mark.parametrize("first", ["theirs", "ours"])
@pytest.mark.parametrize("name", ["Web", "Django", "History", "Pages", "Hosts", "LivePatch"])
def test_magics_of_others_with_our_names_stay(name, first):
    def mine(self, line):
        return "theirs"

    theirs = magics_class(type(name, (Magics,), {"mine": line_magic(mine)}))
    shell = InteractiveShell()
    if first == "theirs" and name != "LivePatch":
        shell.register_magics(theirs)
    shell.run_line_magic("load_ext", "livepatch")
    if first == "ours" or name == "LivePatch":
        shell.register_magics(theirs)
    shell.run_line_magic("unload_ext", "livepatch")
    assert isinstance(shell.magics_manager.registry.get(name), theirs)
    assert shell.run_line_magic("mine", "") == "theirs"


def test_one_is_singular_and_several_are_plural(app, tmp_path):
    app.load("def f(): return 'own'\n")
    livepatch.wrap(app["f"], lambda original: original(), name="one")
    livepatch.wrap(app["f"], lambda original: original(), name="two")
    layer = livepatch.replace(app["f"], lambda: "new", guard=1)
    assert "switched off after 1 failure " in f"{layer} "
    assert "2 other layers stay" in str(livepatch.restore(app["f"], name="replace"))
    assert "1 other layer stays" in str(livepatch.restore(app["f"], name="two"))
    assert "restored 1 target " in f"{livepatch.restore_all()} ".replace(" ·", "")
    patch = tmp_path / "patch.py"
    patch.write_text(f"import livepatch as lp\nlp.replace({app['f']!r}, lambda: 'watched')\n")
    assert "1 layer of its files stays: " in str(livepatch.watch(patch).stop())
