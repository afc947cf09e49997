"""What the package imports is what pyproject.toml declares."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import livepatch

PACKAGE = Path(livepatch.__file__).parent
PROJECT = PACKAGE.parent / "pyproject.toml"

# Looked for where somebody else installed it, and done without otherwise: pydevd comes in debugpy,
# IPython itself tries pickleshare, and a notebook's figures are matplotlib's.
OTHERS = {"pydevd", "pydevd_tracing", "pickleshare", "matplotlib"}


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported():
    """Each name that is imported from outside, with the files that do."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.partition(".")[0], set()).add(file.relative_to(PACKAGE))
    return {n: f for n, f in found.items() if n not in {*sys.stdlib_module_names, "livepatch"}}


def declared():
    """The distributions by the group that declares them; the base's group is empty."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no reader of TOML")
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        group: {plain(re.match(r"[\w.-]+", text)[0]) for text in texts}
        for group, texts in groups.items()
    }


def test_every_direct_import_is_declared_where_its_code_is_installed():
    groups, known = declared(), packages_distributions()
    users = {"", "attach", "notebook", "lab", "lint", "watch", "django"}
    missing = {}
    for name, files in imported().items():
        distributions = {plain(one) for one in known.get(name, [])}
        for file in files if name not in OTHERS else ():
            demo = file.parts[0] == "demo" or file.name == "demo.py"
            allowed = set().union(*(groups[g] for g in (users | {"demo"} if demo else users)))
            if not distributions & allowed:
                missing.setdefault(name, []).append(str(file))
    assert not missing
