"""A patched function's source is the cell's, whoever asks, and is kept no longer than needed."""

from __future__ import annotations

import bdb
import contextlib
import gc
import importlib
import importlib.util
import inspect
import io
import linecache
import os
import pdb
import subprocess
import sys
import textwrap
import threading
import traceback
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples import functions

import livepatch.engine as lp
from livepatch.engine.changing.registry import registry
from livepatch.engine.reading.sources import place, source_of

MODULE = """
def f(number):
    return number
"""
CELL = """\
import math  # stands above


def f(number):
    # a comment of the cell
    raise ValueError(number)
"""


@pytest.fixture
def webui(tmp_path):
    """A module of the webui with a file and a loader, as a real one has."""
    path = tmp_path / "sourced_webui.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("sourced_webui", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    yield module
    lp.restore_all()
    del sys.modules[module.__name__]


@pytest.fixture
def no_journal(monkeypatch):
    """What was done is not kept for undo."""
    monkeypatch.setattr(registry, "subscribers", {})


def replace(text, **names):
    namespace = {"__name__": "livepatch_notebook", "lp": lp, **names}
    exec(f"layer = lp.replace('sourced_webui.f', {text!r})", namespace)


def forget(how):
    for name in how:
        getattr(linecache, name)()


@pytest.mark.parametrize(
    "how", [(), ("checkcache",), ("clearcache",), ("clearcache", "checkcache")], ids=str
)
def test_getsource_and_tracebacks_show_the_cells_lines(webui, how):
    replace(CELL)
    forget(how)
    assert inspect.getsource(webui.f) == CELL.partition("\n\n\n")[2]
    assert inspect.getsourcelines(webui.f)[1] == 4
    forget(how)
    with pytest.raises(ValueError, match="7") as caught:
        webui.f(7)
    shown = "".join(traceback.format_exception(caught.value))
    assert "line 6, in f\n    raise ValueError(number)\n" in shown


def test_a_traceback_that_a_thread_prints(webui, capsys):
    replace(CELL)
    linecache.clearcache()
    printed = []
    was, threading.excepthook = (
        threading.excepthook,
        lambda told: printed.append(
            "".join(traceback.format_exception(told.exc_type, told.exc_value, told.exc_traceback))
        ),
    )
    try:
        thread = threading.Thread(target=webui.f, args=(1,))
        thread.start()
        thread.join()
    finally:
        threading.excepthook = was
    assert "    raise ValueError(number)\n" in printed[0]


def test_pdb_lists_the_cell(webui):
    replace(CELL)
    linecache.clearcache()
    out = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("step\nlist\nquit\n"), stdout=out, nosigint=True)
    with contextlib.suppress(ValueError, bdb.BdbQuit):
        debugger.runcall(webui.f, 1)
    assert "# a comment of the cell" in out.getvalue()


def test_the_text_of_a_restored_function_is_its_own(webui):
    replace(CELL)
    lp.restore("sourced_webui.f")
    assert inspect.getsource(webui.f) == MODULE.lstrip("\n")


def test_a_text_in_another_encoding(webui):
    replace("# -*- coding: latin-1 -*-\ndef f(number): return 'é'")
    linecache.clearcache()
    assert webui.f(1) == "é"
    assert "'é'" in inspect.getsource(webui.f)


def test_a_text_that_no_file_can_hold_still_has_its_lines(webui):
    text = "# coding: nonsense\ndef f(number): return 1"
    replace(text)
    assert source_of(webui.f) == inspect.getsource(webui.f) == text.splitlines()[-1]
    linecache.checkcache()
    assert inspect.getsource(webui.f)


@contextlib.contextmanager
def no_byte_more_in_any_file():
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_does_not_stand_against_a_change(webui):
    with no_byte_more_in_any_file():
        replace("def f(number): return 'on a full disk'")
    assert webui.f(1) == "on a full disk"
    assert inspect.getsource(webui.f) == "def f(number): return 'on a full disk'"
    assert place(webui.f) == "the cell, line 1"
    linecache.clearcache()
    assert source_of(webui.f) == "def f(number): return 'on a full disk'"
    assert inspect.getsource(webui.f) == "def f(number): return 'on a full disk'"


def test_somebody_cleans_the_temporary_folder(webui):
    replace(CELL)
    Path(webui.f.__code__.co_filename).unlink()
    linecache.checkcache()
    assert "# a comment of the cell" in (source_of(webui.f) or "")
    assert "# a comment of the cell" in inspect.getsource(webui.f)


def test_files_are_private_and_go_with_their_code(webui, no_journal):
    replace(CELL + "# only here")
    file = Path(webui.f.__code__.co_filename)
    assert file.read_text() == CELL + "# only here"
    assert file.parent.stat().st_mode & 0o077 == 0
    lp.restore("sourced_webui.f")
    replace("def f(number): return 'something else'")
    gc.collect()
    replace("def f(number): return 'yet another'")
    assert not file.exists()


def test_no_growth_over_texts(webui, no_journal):
    replace("def f(number): return 'first'")
    folder = Path(webui.f.__code__.co_filename).parent
    before = len(list(folder.glob("sourced_webui.f_*")))
    for number in range(20):
        replace(f"def f(number): return {number}")
        lp.restore("sourced_webui.f")
    gc.collect()
    replace("def f(number): return 'last'")
    assert len(list(folder.glob("sourced_webui.f_*"))) - before <= 2


def test_a_text_lives_as_long_as_what_it_defined(webui):
    replace("def f(number):\n    def inner(): return number\n    return inner")
    inner = webui.f(1)
    lp.restore("sourced_webui.f")
    replace("def f(number): return 'other'")
    gc.collect()
    replace("def f(number): return 'third'")
    linecache.clearcache()
    assert inspect.getsource(inner) == "    def inner(): return number\n"


def test_the_folder_is_gone_after_the_process_and_not_after_its_child():
    script = textwrap.dedent(
        """
        import os, sys, textwrap, livepatch.engine as lp
        layer = lp.replace("textwrap.dedent", "def dedent(text): return 1")
        folder = os.path.dirname(textwrap.dedent.__code__.co_filename)
        child = os.fork() if hasattr(os, "fork") else None
        if child == 0:
            layer = lp.replace("textwrap.indent", "def indent(text): return 1")
            print(os.path.dirname(textwrap.indent.__code__.co_filename))
            sys.exit()
        if child:
            os.waitpid(child, 0)
        assert os.path.isdir(folder)
        print(folder)
        """
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    folders = done.stdout.split()
    assert len(set(folders)) == len(folders)
    assert not any(os.path.exists(folder) for folder in folders)


def test_a_function_moved_from_a_file_keeps_its_own_lines(webui):
    webui.only_there = 5
    first = test_a_function_moved_from_a_file_keeps_its_own_lines.__code__.co_firstlineno

    def new(
        number,
        text="""
    two lines""",
    ):
        return only_there, text  # noqa: F821

    lp.replace(webui.f, new)
    assert webui.f(1) == (5, "\n    two lines")
    assert webui.f.__code__.co_filename == __file__
    assert webui.f.__code__.co_firstlineno == first + 4
    assert inspect.getsource(webui.f) == inspect.getsource(new)


def test_a_lambda_is_found_in_its_line(webui):
    webui.only_there = 5
    lp.replace(
        webui.f,
        lambda number, *, factor=2: (only_there * factor, number),  # noqa: F821
    )
    assert webui.f(1) == (10, 1)
    assert webui.f(1, factor=1) == (5, 1)
    assert "only_there * factor" in inspect.getsource(webui.f)


def test_one_of_two_lambdas_in_a_line(webui):
    webui.only_there = 5
    two = [lambda n=1: only_there + n, lambda n=2: only_there - n]  # noqa: F821
    lp.replace(webui.f, two[1])
    assert webui.f() == 3
    assert webui.f(1) == 4


def test_a_function_without_a_text_is_refused(webui):
    webui.only_there = 5
    scope = {}
    exec("def new(number): return only_there", scope)
    with pytest.raises(lp.PatchRefused, match="has no source text to compile there") as caught:
        lp.replace(webui.f, scope["new"])
    assert len(str(caught.value).splitlines()) == 3


def test_looking_for_a_text_loads_no_lazy_module(tmp_path, monkeypatch):
    """``inspect`` asks every loaded module for its file, and a lazy one is loaded by that."""
    (tmp_path / "heavy_and_lazy.py").write_text("LOADED = True\n")
    spec = importlib.util.spec_from_file_location("heavy_and_lazy", tmp_path / "heavy_and_lazy.py")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, lazy)
    spec.loader.exec_module(lazy)
    made = types.ModuleType("made_without_file")
    exec(compile("def f(x): return x", str(tmp_path / "gone.py"), "exec"), vars(made))
    monkeypatch.setitem(sys.modules, made.__name__, made)
    layer = lp.replace("made_without_file.f", "def f(x): return ['new', x]")
    assert made.f(1) == ["new", 1]
    layer.remove()
    assert source_of(made.f) is None
    assert "LOADED" not in object.__getattribute__(lazy, "__dict__")


@pytest.mark.parametrize("name", ["in_archive", "package_in_archive"])
def test_the_text_of_a_module_in_an_archive(tmp_path, monkeypatch, name):
    archive = tmp_path / "webui.zip"
    with zipfile.ZipFile(archive, "w") as written:
        inside = f"{name}/__init__.py" if name.startswith("package") else f"{name}.py"
        written.writestr(inside, "def f(x):\n    return x\n")
    monkeypatch.syspath_prepend(str(archive))
    module = importlib.import_module(name)
    monkeypatch.setitem(sys.modules, name, module)
    assert source_of(module.f) == "def f(x):\n    return x\n"


def test_texts_are_found_by_many_threads_at_once(tmp_path):
    """More functions than texts are kept of, in more files than are kept."""
    modules = []
    for number in range(40):
        path = tmp_path / f"many_{number}.py"
        path.write_text("".join(f"def f{line}(x): return x + {line}\n" for line in range(40)))
        names = {}
        exec(compile(path.read_text(), str(path), "exec"), names)
        modules.append(names)
    ready = threading.Barrier(4)

    def look(_):
        ready.wait()
        return [
            line
            for names in modules
            for line in range(40)
            if source_of(names[f"f{line}"]) != f"def f{line}(x): return x + {line}\n"
        ]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            assert [*threads.map(look, range(4))] == [[], [], [], []]
    finally:
        sys.setswitchinterval(interval)


def test_a_file_is_taken_apart_once_for_the_places_of_all_its_classes(monkeypatch):
    classes = [functions.Shape, functions.Child]
    first = [f"{inspect.getsourcefile(c)}:{inspect.getsourcelines(c)[1]}" for c in classes]
    assert [place(c) for c in classes] == first
    for taking_apart in ("inspect.getsourcelines", "livepatch.engine.reading.sources.parse"):
        monkeypatch.setattr(taking_apart, None)
    assert [place(c) for c in classes] == first
