"""Tells whether a place holds the webui's own thing again, though livepatch did not restore it.

A module that is loaded again assigns its names anew. ``unittest.mock`` puts back what it found:
where it came before us and leaves before us, that takes our work out of the place. What is gone so
can be taken off; what somebody put on top of ours is left alone.
"""

from __future__ import annotations

import ast
import inspect
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ..reading.descriptors import called_by
from ..reading.namespaces import ancestors, is_a, namespace_of
from ..reading.parsing import parse
from .following import module_of, path_parts
from .slots import ABSENT, Attribute

if TYPE_CHECKING:
    from .slots import Slot

_UNKNOWN = object()


def loaded_as(path: str) -> object:
    """What is another object after each loading of the module that a name begins with."""
    return getattr(module_of(path), "__spec__", None)


def is_own_again(path: str, slot: Slot, was: object, loaded: object) -> bool:
    """Whether nothing of ours, and nothing on top of it, can be in a place any more.

    Args:
        path: the place's name.
        slot: the place.
        was: what stood there when our first layer came.
        loaded: what ``loaded_as`` said then.
    """
    now = slot.read()
    if now is ABSENT or slot.holds(was) or loaded_as(path) is not loaded:
        return True
    if _is_mock(now):
        return False
    return _is_mock(was) or _is_definition(slot, now) or _is_written(path, now)


def _is_mock(value: object) -> bool:
    modules = {namespace_of(cls).get("__module__") for cls in ancestors(type(value))}
    return "unittest.mock" in modules or "mock.mock" in modules


def _is_definition(slot: Slot, value: object) -> bool:
    """Whether it is what the module or class itself defines under that name."""
    if not isinstance(slot, Attribute):
        return False
    thing: Any = called_by(value) or value
    if not is_a(thing, FunctionType, BuiltinFunctionType, type):
        return False
    holder = slot.holder
    if isinstance(holder, ModuleType):
        place = holder.__name__, slot.name
    elif isinstance(holder, type):
        place = holder.__module__, f"{holder.__qualname__}.{slot.name}"
    else:
        return False
    return place == (getattr(thing, "__module__", None), getattr(thing, "__qualname__", None))


def _is_written(path: str, value: object) -> bool:
    """Whether it is the very literal that the module's text has for it."""
    written = _literal(path)
    return type(written) is type(value) and bool(written == value)


def _literal(path: str) -> object:
    module, parts = module_of(path), path_parts(path)
    try:
        body = parse(inspect.getsource(module)).body if module is not None else []
        for position, name in enumerate(parts):
            statement = next(one for one in reversed(body) if _binds(one, name))
            if isinstance(statement, ast.ClassDef):
                body = statement.body
                continue
            found = ast.literal_eval(statement.value)  # type: ignore[attr-defined]
            for key in parts[position + 1 :]:
                found = found[key]
            return found
    except (OSError, SyntaxError, TypeError, ValueError, LookupError, StopIteration):
        pass  # no text, or no literal there
    return _UNKNOWN


def _binds(statement: ast.stmt, name: object) -> bool:
    if isinstance(statement, ast.ClassDef):
        return statement.name == name
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    has_value = isinstance(statement, (ast.Assign, ast.AnnAssign))
    return has_value and any(isinstance(t, ast.Name) and t.id == name for t in targets)
