"""Loads script files by their path; they do not become entries of ``sys.modules``."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

loaded_scripts: dict[str, ModuleType] = {}


def load_module(path: Path) -> ModuleType:
    """Execute a script file as a module of its bare file name and answer the module."""
    spec = importlib.util.spec_from_file_location(path.name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded_scripts[str(path)] = module
    return module
