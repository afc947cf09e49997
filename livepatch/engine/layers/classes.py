"""A class as a target: its methods are changed one by one, so that its instances change.

The class object stays; the new class is only read. What it lacks stays as it is.
"""

from __future__ import annotations

import inspect
import sys
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..naming.slots import ABSENT, Attribute
from ..naming.targets import ClassTarget, Target, dotted_name, is_given
from ..naming.unwrapping import unwrap
from ..reading.cells import content
from ..reading.descriptors import parts_of, rebuilt
from ..reading.sources import place
from ..switching.codes import uses_globals
from ..switching.state import clone
from ..writing.new_code import code_from_callable
from .function_stacks import stack_of
from .patch import Patch
from .stacks import Part
from .value_stacks import value_stack_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType


# What every class has of its own, and what the interpreter keeps there.
_NOT_MERGED = {
    "__abstractmethods__",
    "__dict__",
    "__firstlineno__",
    "__module__",
    "__qualname__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


def merge(asked: str, target: ClassTarget, new: object) -> list[Part]:
    """What has to change so that a class does what another does, each part with its stack.

    Args:
        asked: the user's request in words.
        target: the class that stays.
        new: the class to read the methods from.

    Raises:
        PatchRefused: it is no class, or one of another shape: other bases, metaclass or slots.
    """
    if not isinstance(new, type):
        raise PatchRefused(
            asked,
            f"{target.path} is a class ({place(target.cls)}), the new code is a "
            f"{type(new).__name__}",
            "give a class; its methods replace the old ones, and existing instances change",
        )
    _check_shape(asked, target, new)
    parts: list[Part] = []
    names = _names(target.cls)
    for name, value in vars(new).items():
        if name not in _NOT_MERGED:
            parts += _parts(asked, target, new, name, value, names)
    if not parts:
        raise PatchRefused(
            asked,
            f"the new class ({place(new)}) has nothing that differs from {target.path}",
            "change a method of it and run the cell again",
        )
    return parts


def _check_shape(asked: str, target: ClassTarget, new: type) -> None:
    old = target.cls
    different = [
        f"{what}: {_shown(theirs)}, the new class {_shown(ours)}"
        for what, theirs, ours in (
            ("its metaclass is", type(old), type(new)),
            ("its bases are", old.__bases__, new.__bases__),
            ("its __slots__ are", vars(old).get("__slots__"), vars(new).get("__slots__")),
            ("its members are", _members(old), _members(new)),
        )
        if theirs != ours and not _same_by_name(theirs, ours)
    ]
    if new is old:
        different = ["it is the new class itself"]
    if not old.__flags__ & (1 << 9):
        different = [f"{old.__name__} is written in C: its attributes cannot be set"]
    if different:
        raise PatchRefused(
            asked,
            f"{target.path} ({place(old)}): {different[0]}",
            f"keep that as it is, or replace its methods one by one: {target.path}.method",
        )


def _same_by_name(theirs: object, ours: object) -> bool:
    """Whether two tuples of classes go by the same names: a module that was loaded again."""
    return (
        isinstance(theirs, tuple)
        and isinstance(ours, tuple)
        and all(isinstance(c, type) for c in (*theirs, *ours))
        and [dotted_name(c) for c in theirs] == [dotted_name(c) for c in ours]
    )


def _members(cls: type) -> object:
    """The members of an enumeration and the fields of a named tuple: part of its values."""
    members = getattr(cls, "__members__", None)
    fields = getattr(cls, "_fields", None) if issubclass(cls, tuple) else None
    if members is not None:
        return [(name, member.value) for name, member in members.items()]
    return fields


def _shown(value: object) -> str:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return repr(value)


def _parts(
    asked: str, target: ClassTarget, new: type, name: str, value: Any, names: dict[int, str]
) -> Iterator[Part]:
    """The changes of one attribute of the class; ``names`` is what ``_names`` says of it."""
    path, slot = f"{target.path}.{name}", Attribute(target.cls, name)
    # What an earlier version of the new class has added does not count as the old one's.
    added = is_given(slot)
    old = (
        value_stack_of(path, slot).original_state() if added else vars(target.cls).get(name, ABSENT)
    )
    holders = target.cls, new
    is_other = added or type(old) is not type(value)
    pairs = [] if is_other else _function_pairs(old, value, name, holders)
    if pairs and all(names[id(mine)] == name for mine, _, _ in pairs):
        for mine, theirs, part in pairs:
            yield from _function_part(asked, target.cls, mine, theirs, f"{path}{part}", old)
        return
    for mine, theirs, _ in pairs:
        other = names[id(mine)]
        if other != name and theirs not in _functions(new, vars(new).get(other), other):
            break
    else:
        if pairs:
            return  # only other names of what is changed under its own
    if not _plainly_equal(old, value):
        yield Part(value_stack_of(path, slot), Patch(_rebound(value, target.cls, new)))


def _function_pairs(
    old: Any, new: Any, name: str, holders: tuple[type, type]
) -> list[tuple[FunctionType, FunctionType, str]]:
    """The functions of two attributes that stand for each other, and which part they are."""
    ours, other = holders
    parts = [(unwrap(old, name, ours).innermost, unwrap(new, name, other).innermost, "")]
    if isinstance(old, property):
        mine, theirs = parts_of(old), parts_of(new)
        parts = [(mine.get(p), theirs.get(p), f".{p}") for p in {**mine, **theirs}]
    both = all(isinstance(f, FunctionType) for mine, theirs, _ in parts for f in (mine, theirs))
    return parts if both else []  # type: ignore[return-value]


def _functions(cls: type, value: object, name: str) -> list[FunctionType]:
    return [function for function, _, _ in _function_pairs(value, value, name, (cls, cls))]


def _names(cls: type) -> dict[int, str]:
    """One name for each function of a class: its own, or else the first that leads to it.

    ``__repr__ = __str__`` gives a function two.
    """
    names: dict[int, str] = {}
    for name, value in vars(cls).items():
        for function in _functions(cls, value, name):
            if id(function) not in names or function.__name__ == name:
                names[id(function)] = name
    return names


def _function_part(
    asked: str, cls: type, mine: FunctionType, theirs: FunctionType, path: str, holder: object
) -> Iterator[Part]:
    caches = unwrap(holder, path.rpartition(".")[2], cls).caches
    target = Target(path, mine, cls, (), caches)
    stack = stack_of(target)
    model = stack.model_of(mine)
    if not _same_function(model, theirs):
        yield Part(stack, Patch(*code_from_callable(asked, theirs, target, model)), mine)


def _same_function(mine: FunctionType, theirs: FunctionType) -> bool:
    """Whether two functions are written the same and mean the same: nothing has to change."""
    if mine.__globals__ is not theirs.__globals__ and uses_globals(theirs.__code__):
        return False
    held = zip(mine.__closure__ or (), theirs.__closure__ or (), strict=False)
    names = zip(mine.__code__.co_freevars, held, strict=False)
    if any(content(a) is not content(b) for name, (a, b) in names if name != "__class__"):
        return False
    return (
        _bare(mine.__code__) == _bare(theirs.__code__)
        and _plainly_equal(mine.__defaults__, theirs.__defaults__)
        and _plainly_equal(mine.__kwdefaults__, theirs.__kwdefaults__)
    )


def _bare(code: CodeType) -> CodeType:
    """A code without the place where it was written, to compare."""
    constants = tuple(_bare(c) if inspect.iscode(c) else c for c in code.co_consts)
    changes: dict[str, Any] = {"co_firstlineno": 1, "co_linetable": b"", "co_consts": constants}
    if sys.version_info >= (3, 11):
        changes["co_qualname"] = code.co_name
    return code.replace(**changes)


def _plainly_equal(old: object, new: object) -> bool:
    if type(old) is not type(new):
        return False
    if isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(map(_plainly_equal, old, new))
    if type(old) not in (int, float, complex, str, bytes, bool, frozenset, dict):
        return old is new
    try:
        return bool(old == new)
    except Exception:  # an element that cannot be compared: then it is taken as another value
        return False


def _rebound(value: Any, cls: type, new: type) -> Any:
    """A new attribute as it belongs to the old class: ``super()`` in it means that class."""
    if isinstance(value, FunctionType):
        cells = tuple(
            CellType(cls) if content(cell) is new else cell for cell in value.__closure__ or ()
        )
        return clone(value, cells)
    if isinstance(value, (staticmethod, classmethod, property)):
        return rebuilt(value, lambda part: _rebound(part, cls, new))
    return value
