"""What is cut out of files for an export, and what stays: everything that could be needed."""

from __future__ import annotations

import textwrap

import pytest

from livepatch.exporting.shaking import shaken


def kept(text, *names, others=None, **arguments):
    """The file ``a.py`` with what some names of it need."""
    files = {"a.py": textwrap.dedent(text), **(others or {})}
    return shaken(files, [("a.py", name) for name in names], **arguments)["a.py"]


@pytest.mark.parametrize(
    "use",
    [
        *("thing.wanted()", "thing.wanted", "getattr(thing, 'wanted')", "f'{thing.wanted}'"),
        *("[one.wanted for one in things]", "lambda: thing.wanted", "TABLE['wanted']"),
    ],
)
def test_a_method_that_something_names_stays(use):
    text = f"""
        class C:
            '''A class.'''
            def wanted(self):
                return self.further()
            def further(self):
                return 1
            def other(self):
                return 2

        def use(thing, things, TABLE):
            return {use}

        def make():
            return C(), use
    """
    left = kept(text, "make")
    assert "def wanted" in left
    assert "def further" in left
    assert "def other" not in left


def test_special_methods_and_aliases_stay():
    text = """
        class C:
            '''A class.'''
            def __enter__(self):
                return helper()
            def _repr_html_(self):
                return 1
            def handle(self):
                return 1
            __call__ = handle
            def gone(self):
                return 1

        def helper():
            return 1
    """
    left = kept(text, "C")
    assert all(f"def {name}" in left for name in ("__enter__", "_repr_html_", "handle", "helper"))
    assert "gone" not in left


def test_what_a_base_from_elsewhere_may_call_stays():
    text = """
        import abc, ast

        class Own(abc.ABC):
            '''A class.'''
            def visit_Name(self, node):
                return 1

        class Derived(Own):
            '''A class.'''
            def unused(self):
                return 1

        class Visitor(ast.NodeVisitor):
            '''A class.'''
            def visit_Name(self, node):
                return 2

        class Further(Visitor):
            '''A class.'''
            def visit_Call(self, node):
                return 3
    """
    left = kept(text, "Derived", "Further")
    assert "unused" not in left
    assert left.count("visit_") == 2


def test_methods_that_others_call_stay():
    files = {"a.py": "class C:\n    '''.'''\n    def open(self): pass\n    def _own(self): pass\n"}
    assert "open" in shaken(files, [("a.py", "C")], named=["open"])["a.py"]
    shared = {"room/a.py": files["a.py"]}
    left = shaken(shared, [("room/a.py", "C")], shared=["room"])["room/a.py"]
    assert "open" in left
    assert "_own" not in left


def test_a_local_name_is_not_the_files():
    text = """
        def place():
            return 1

        def real():
            return 2

        def use(items):
            place = [real for real in items]
            return place, [place for place in items], real()
    """
    left = kept(text, "use")
    assert "def place" not in left
    assert "def real" in left


def test_what_runs_at_import_stays_with_what_it_needs():
    text = """
        import sys

        if sys.version_info >= (3, 11):
            def one():
                return 1
        else:
            def one():
                return 2

        def other():
            return 3

        LIMIT = other()
        \"\"\"What that is.\"\"\"
        REGISTERED = []
        REGISTERED.append(one)
    """
    left = kept(text, "REGISTERED")
    assert left.count("def one") == 2
    assert "other" not in left
    assert "What that is" not in left


def test_imports_are_followed_and_cut():
    others = {
        "b.py": "from .c import far, unused\n\ndef near():\n    return 1\n",
        "c.py": "import json\nimport re\n\ndef far():\n    return re\n\ndef unused():\n    json\n",
        "d.py": "def late():\n    return 1\n",
    }
    text = """
        from typing import TYPE_CHECKING

        from .b import (
            far,
            near,
        )

        if TYPE_CHECKING:
            from .b import near as Near

        def use(a: Near) -> Near:
            from .d import late
            return far(), late()
    """
    files = {"a.py": textwrap.dedent(text), **others}
    left = shaken(files, [("a.py", "use")])
    assert "from .b import far\n" in left["a.py"]
    assert "TYPE_CHECKING" not in left["a.py"]
    # What is handed on stands in the file that hands it on.
    assert left["b.py"] == "from .c import far\n"
    assert left["c.py"] == "import re\n\ndef far():\n    return re\n"
    assert "late" in left["d.py"]


def test_names_on_demand_are_asked_of_the_package():
    files = {
        "p/__init__.py": "def __getattr__(name):\n    return 1\n\ndef other():\n    return 2\n",
        "a.py": "from .p import anything\n\ndef use():\n    return anything\n",
    }
    left = shaken(files, [("a.py", "use")])
    assert "__getattr__" in left["p/__init__.py"]
    assert "other" not in left["p/__init__.py"]
    assert "anything" in left["a.py"]


def test_an_abstract_method_without_a_body_is_cut():
    text = """
        from abc import ABC, abstractmethod

        class C(ABC):
            '''A class.'''
            @abstractmethod
            def empty(self):
                '''What it does.'''
            @abstractmethod
            def with_body(self):
                return 1

        def use(c):
            return C, c.empty(), c.with_body()
    """
    left = kept(text, "use")
    assert "def empty" not in left
    assert "def with_body" in left
