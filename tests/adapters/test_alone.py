"""What is known of one webui stands in its adapter: no other room names a webui in its code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import livepatch
from livepatch.adapters.known import adapters, flavors

PACKAGE = Path(livepatch.__file__).parent
ROOMS = ("exporting", "reach", "webui", "registries", "measure")
# `demo` is also a command, and the others are libraries, whose apps are looked at everywhere.
LIBRARIES = ("demo", "gradio", "starlette", "aiohttp", "plain")
NAMED = sorted({*flavors()} - {*LIBRARIES})
NAMES = "|".join([*NAMED, "comfy", "text_generation", "modules_forge"])
WORD = re.compile(rf"(?<![a-z])({NAMES})(?![a-z])", re.IGNORECASE)


def code_of(file: Path) -> str:
    """A file's code, without comments and docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [one for one in body if not _is_text(one)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def files() -> list[str]:
    found = [path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")]
    return sorted(path.relative_to(PACKAGE).as_posix() for path in found)


@pytest.mark.parametrize("name", files())
def test_no_webui_is_named_outside_its_adapter(name: str) -> None:
    assert WORD.findall(code_of(PACKAGE / name)) == []


def test_templates_name_none() -> None:
    for room in ROOMS:
        for path in (PACKAGE / room).rglob("*.txt"):
            assert WORD.findall(path.read_text(encoding="utf-8")) == [], path


def test_each_particular_webui_says_how_it_is_exported_for() -> None:
    assert {"a1111", "comfyui", "textgen", "django"} <= {*NAMED}
    for adapter in adapters():
        assert adapter.layout.how_to, adapter.flavor
        if adapter.checkout is not None:
            assert adapter.layout.entry != "src/{package}/__init__.py", adapter.flavor


def modules_of(*command: str) -> set[str]:
    """What a command of the shell has imported when it ends."""
    program = f"import sys\nfrom livepatch.cli import main\nmain({list(command)!r})\n"
    program += "print(*sys.modules, file=sys.__stdout__)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    return {*done.stdout.splitlines()[-1].split()}


def test_a_command_imports_the_adapters_where_it_asks_them(tmp_path: Path) -> None:
    assert "livepatch.adapters" not in modules_of("list")
    installed = modules_of("install", str(tmp_path))  # no webui lies there: all of them are asked
    assert "livepatch.adapters.known" in installed
    assert not {"livepatch.kernel.app", "IPython", "starlette", "aiohttp", "django"} & installed
