"""Completes dotted names for the Tab key."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType

from ..changing.events import modules_named
from ..reading.namespaces import is_a, namespace_of
from .modules import is_dotted, loaded_module


def targets_beginning(text: str) -> list[str]:
    """Names in the loaded modules that begin with a text, one dot further at most.

    Args:
        text: what is typed so far, such as ``"textwrap.de"``.

    Returns:
        Dotted names, sorted; private ones only where the text asks for them.

    Example:
        >>> import textwrap
        >>> targets_beginning("textwrap.de")
        ['textwrap.dedent']
    """
    prefix, _, last = text.rpartition(".")
    names = {
        name for name in _module_names() if name.startswith(text) and "." not in name[len(text) :]
    }
    holder = _holder(prefix) if prefix else None
    for name, value in vars(holder).copy().items() if holder is not None else ():
        if name.startswith(last) and _can_lead_on(value):
            names.add(f"{prefix}.{name}")
    return sorted(n for n in names if last.startswith("_") or not _last(n).startswith("_"))


def _module_names() -> list[str]:
    """The names of modules, and every name that leads to one that only the webui knows."""
    named = [name.split(".") for name in modules_named()]
    leading = [".".join(parts[:length]) for parts in named for length in range(1, len(parts) + 1)]
    return [*filter(is_dotted, sys.modules.copy()), *leading]  # a copy: others import meanwhile


def _holder(path: str) -> ModuleType | type | None:
    module = loaded_module(path)
    if module is not None:
        return module
    prefix, _, last = path.rpartition(".")
    above = _holder(prefix) if prefix else None
    value = vars(above).get(last) if above is not None else None
    return value if isinstance(value, (ModuleType, type)) else None


def _can_lead_on(value: object) -> bool:
    lead_on = is_a(value, FunctionType, type, staticmethod, classmethod, property)
    return lead_on or "__wrapped__" in namespace_of(value)  # such as a cached function


def _last(name: str) -> str:
    return name.rpartition(".")[2]
