"""The modules of an app in ``sys.modules``: taken out, imported anew, put back."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from .naming import belongs

Modules = dict[str, ModuleType]


def modules_of(package: str) -> Modules:
    """The loaded modules of a package."""
    return {
        name: module
        for name, module in list(sys.modules.items())
        if belongs(name, package) and module is not None
    }


def exchange(package: str, new: Modules) -> Modules:
    """Put other modules in the place of a package's, each also as its parent's attribute.

    Args:
        package: the dotted name.
        new: the modules by name; empty to take the package out.

    Returns:
        The modules that were there.
    """
    old = modules_of(package)
    for name in old:
        if name not in new:
            sys.modules.pop(name, None)
    sys.modules.update(new)
    for name in {**old, **new}:
        parent, _, leaf = name.rpartition(".")
        holder = new.get(parent) or sys.modules.get(parent)
        if holder is None:
            continue
        if name in new:
            setattr(holder, leaf, new[name])
        elif getattr(holder, leaf, None) is old[name]:
            delattr(holder, leaf)
    return old


def forget_compiled(package: str) -> set[Path]:
    """Remove the compiled files of a package that is about to be imported anew.

    An edit within the same second that keeps the size is not told from what was compiled.

    Returns:
        The folders of the package.
    """
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return set()  # there is no such package: the import will say so
    found = (spec.submodule_search_locations or ()) if spec is not None else ()
    folders = {Path(folder).resolve() for folder in found}
    for file in [file for folder in folders for file in folder.rglob("*.py")]:
        try:
            os.unlink(importlib.util.cache_from_source(str(file)))
        except (OSError, NotImplementedError):
            continue  # never compiled, or not ours to write
    return folders


def compile_all(modules: Modules) -> None:
    """Compile the files of modules without importing them.

    Raises:
        SyntaxError: a file is no Python.
    """
    for module in modules.values():
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and Path(file).is_file():
            compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)


def has_module(name: str) -> bool:
    """Whether a submodule can be found; its package is imported."""
    parent = name.rpartition(".")[0]
    holder = sys.modules.get(parent)
    if name in sys.modules:
        return True
    if holder is None or not hasattr(holder, "__path__"):
        return False
    return importlib.util.find_spec(name) is not None
