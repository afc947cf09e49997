"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import livepatch

PACKAGE = Path(livepatch.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "demo" not in path.parts)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "livepatch.")
    if not module.name.startswith(("livepatch.demo", "livepatch.__main__"))
)

# Each was seen to end, block or break a webui (see the safety rules in docs/limitations.md).
FORBIDDEN = {"gc.get_objects", "gc.get_referrers", "signal.signal", "faulthandler.enable"}
NOT_IN_A_WEBUI = {
    # `livepatch run` ends by the signal that ended the webui, as Python does: it is gone by then.
    ("reach/run.py", "signal.signal"),
    # `livepatch demo` is a process of its own beside the webui and JupyterLab, and ends both.
    ("reach/demo.py", "signal.signal"),
    # The process in which an export is checked has no webui in it.
    ("exporting/check_process/process.py", "gc.get_objects"),
}


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_nothing_that_breaks_a_webui_is_called(path):
    text = path.read_text(encoding="utf-8")
    if not any(name.rpartition(".")[2] in text for name in FORBIDDEN):
        return  # most files: taking them apart takes longer
    tree = ast.parse(text)
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {(relative(path), name) for name in called & FORBIDDEN} <= NOT_IN_A_WEBUI


LOCKS = ("Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "allocate_lock")
# What else waits, and how it is taken so that no interrupt leaves it locked.
OTHER_LOCKS = {
    # Taken by `masking.holding`, and by who delivers an interrupt.
    ("engine/changing/registry.py", "threading.Lock()"),
    # Taken without waiting, once, and never given back.
    ("kernel/interrupts.py", "threading.Lock()"),
    # Counts threads that end; never taken by `with`, and gone with the question.
    ("kernel/limits.py", "threading.Semaphore(0)"),
    # A waiter's own, as in `Condition.wait` of the standard library: never taken by `with`.
    ("kernel/waits.py", "threading.Lock()"),
    # Taken by its lock, which is ours.
    ("django/requests.py", "threading.Condition(self._lock)"),
}


def test_every_lock_is_one_that_no_interrupt_leaves_locked():
    """See engine/changing/locks.py, and the test that loses a lock of Python's own on 3.14."""
    kinds = {f"{name}.{kind}" for name in ("threading", "_thread") for kind in LOCKS}
    found = {
        (relative(path), ast.unparse(node))
        for path in FILES
        if any(kind in (text := path.read_text(encoding="utf-8")) for kind in LOCKS)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds
    }
    assert found == OTHER_LOCKS


@pytest.mark.parametrize("path", sorted((PACKAGE / "engine").rglob("*.py")), ids=relative)
def test_the_engine_needs_the_standard_library_only(path):
    """So that an exported extension can carry a copy of it under another package name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = node.level > len(path.relative_to(PACKAGE).parts) - 1
            names = [".." if above else "" if node.level else node.module or ""]
        else:
            continue
        assert [n for n in names if n and n.partition(".")[0] not in sys.stdlib_module_names] == []


def test_a_number_and_its_noun_are_put_together_in_one_place():
    """``counted`` of ``engine/answers`` knows one from several."""
    plural = re.compile(r"""[{(]['"]e?s['"] ?([*]|if)""")
    found = [relative(path) for path in FILES if plural.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_no_room_bears_the_name_of_a_public_function():
    """With names that are imported on demand, ``lp.name`` would be the one or the other."""
    rooms = {module.name for module in pkgutil.iter_modules(livepatch.__path__)}
    assert rooms & set(livepatch.__all__) <= {"django"}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_every_public_verb_has_an_example():
    for name in livepatch.__all__:
        thing = getattr(livepatch, name)
        if not isinstance(thing, type) and callable(thing) and "extension" not in name:
            assert ">>>" in (thing.__doc__ or ""), name
