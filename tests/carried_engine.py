"""The engine's own tests on the engine that exports carry: a plugin of pytest for a fresh process.

``livepatch`` is the folder that an export has there, with the real verbs in it. A test that asks
for anything else of livepatch is not one of replacing and restoring, and is left out.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import types

import pytest

FOLDER = os.environ["CARRIED_ENGINE"]
HOMES = {
    "engine.verbs": ("replace", "restore", "restore_all", "live_layers"),
    "engine.wrapping": ("wrap", "before", "after", "filter_args", "filter_result"),
    "engine.errors": ("ForeignChange", "LivepatchError", "PatchRefused", "TargetNotFound"),
}

lp = types.ModuleType("livepatch")
lp.__path__ = [FOLDER]
sys.modules["livepatch"] = lp
for home, names in HOMES.items():
    module = importlib.import_module(f"livepatch.{home}")
    for name in names:
        setattr(lp, name, getattr(module, name))
lp.patches = lp.live_layers


def pytest_collection_modifyitems(config, items):
    """Leave out what asks for more."""
    kept = [item for item in items if _is_of_replacing(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _is_of_replacing(item):
    text = inspect.getsource(item.function)
    helpers = [value for value in vars(item.module).values() if inspect.isfunction(value)]
    text += "".join(inspect.getsource(one) for one in helpers if f"{one.__name__}(" in text)
    asked = {*re.findall(r"\blp\.(\w+)", text)}
    is_more = "Transaction" in text or "undo" in item.name
    return not is_more and all(hasattr(lp, name) for name in asked)


@pytest.fixture(autouse=True)
def _own_code_afterwards():
    """No test leaves a patch to the next."""
    yield
    lp.restore_all()
    assert len(lp.patches()) == 0


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A module for a test to write."""
    from engine_support import App  # it imports livepatch

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits within a second look alike
    monkeypatch.syspath_prepend(str(tmp_path))
    yield App(tmp_path)
    sys.modules.pop(App.name, None)
