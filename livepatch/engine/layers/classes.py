"""A class as a target: its definitions are changed one by one, so that its instances change.

The class object stays, and what the new code lacks stays as it is. A text makes no second class
(``writing/class_text``); a class given as new code is only read.
"""

from __future__ import annotations

import inspect
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PatchRefused
from ..naming.sharing import sharers
from ..naming.slots import ABSENT, Attribute
from ..naming.targets import LAYOUT, ClassTarget, Target, is_given
from ..naming.unwrapping import is_made_around, unwrap
from ..reading.descriptors import descriptor_kind, parts_of, rebuilt
from ..reading.sources import place
from ..switching.state import clone
from ..writing.class_body import HOUSEKEEPING, Body
from ..writing.class_shape import annotations_of, are_bases, are_equal, is_built, is_constant
from ..writing.names import mangled
from ..writing.new_code import code_from_callable
from .override_stacks import stack_of
from .patch import Patch
from .sameness import is_same_function
from .stacks import Part
from .value_stacks import value_stack_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Merged(NamedTuple):
    """What has to change so that a class does what a body defines.

    Attributes:
        parts: each change with its stack.
        stays: the names whose values stay, because they can change in themselves.
        lacking: the definitions of the class that the body does not have.
    """

    parts: list[Part]
    stays: list[str]
    lacking: list[str]


def body_of_class(asked: str, target: ClassTarget, new: object) -> Body:
    """What a class that is given as new code defines.

    Raises:
        PatchRefused: it is no class, or one of another shape: other bases, slots, fields.
    """
    if not isinstance(new, type):
        raise PatchRefused(
            asked,
            f"{target.path} is a class ({place(target.cls)}), the new code is a "
            f"{type(new).__name__}",
            "give a class; its methods replace the old ones, and existing instances change",
        )
    _check_shape(asked, target, new)
    return Body(dict(_definitions(new)), of_class=new)


def _definitions(new: type) -> Iterator[tuple[str, Any]]:
    """The attributes that stand in a class's body, without what its maker left in it."""
    members = getattr(new, "__members__", {})
    for name, value in vars(new).items():
        is_dunder = name.startswith("__") and name.endswith("__")
        is_makers = is_dunder or (name[:1] == name[-1:] == "_")
        is_code = isinstance(value, FunctionType) or descriptor_kind(value) is not None
        if name in HOUSEKEEPING or name in members or type(value).__name__ in LAYOUT:
            continue
        if name == "__doc__":
            is_own = isinstance(value, str) and not value.startswith(f"{new.__name__}(")
            if is_own:
                yield name, value
        elif is_code or not is_makers or (name == "__hash__" and value is None):
            functions = [f for f in _functions(new, value, name) if is_dunder]
            if all(f.__module__ == new.__module__ for f in functions):
                yield name, value


def originals_of(target: ClassTarget) -> dict[str, Any]:
    """What the webui's own is of the attributes of a class that have a value of ours."""
    slots = {name: Attribute(target.cls, name) for name in vars(target.cls)}
    return {
        name: value_stack_of(f"{target.path}.{name}", slot).original_state()
        for name, slot in slots.items()
        if is_given(slot)
    }


def merge(asked: str, target: ClassTarget, body: Body) -> Merged:
    """What has to change so that a class does what a body defines.

    Args:
        asked: the user's request in words.
        target: the class that stays.
        body: the definitions.

    Raises:
        PatchRefused: a definition cannot take the place of the class's.
    """
    merged = Merged([], [], _lacking(target.cls, body))
    names = _names(target.cls)
    for name, value in body.attributes.items():
        nested = vars(target.cls).get(name)
        if isinstance(value, Body) and isinstance(nested, type):
            inner = merge(asked, ClassTarget(f"{target.path}.{name}", nested), value)
            merged.parts.extend(inner.parts)
            merged.stays.extend(f"{name}.{one}" for one in inner.stays)
        else:
            _merge_one(asked, target, body, name, names, merged)
    return merged


def _check_shape(asked: str, target: ClassTarget, new: type) -> None:
    old = target.cls
    different = [
        f"{what}: {_shown(theirs)}, the new class {_shown(ours)}"
        for what, theirs, ours in (
            ("its metaclass is", type(old), type(new)),
            ("its bases are", old.__bases__, new.__bases__),
            ("its __slots__ are", vars(old).get("__slots__"), vars(new).get("__slots__")),
            ("its members are", _members(old), _members(new)),
            ("its fields are", _fields(old), _fields(new)),
        )
        if theirs != ours and not (what == "its bases are" and are_bases(old, new.__bases__))
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


def _members(cls: type) -> object:
    """The members of an enumeration and the fields of a named tuple: part of its values."""
    members = getattr(cls, "__members__", None)
    fields = getattr(cls, "_fields", None) if issubclass(cls, tuple) else None
    if members is not None:
        return [(name, member.value) for name, member in members.items()]
    return fields


def _fields(cls: type) -> object:
    """The annotations and default values that whoever made a class has worked something out of."""
    if not is_built(cls):
        return None
    annotations = annotations_of(cls)
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):
        return annotations
    defaults = {
        name: parameters[name].default
        for name in annotations
        if name in parameters and is_constant(parameters[name].default)
    }
    return [(name, _in_words(value), defaults.get(name)) for name, value in annotations.items()]


def _in_words(annotation: object) -> str:
    """An annotation as text: in a module whose annotations are text, it is that already."""
    if isinstance(annotation, str):
        return annotation.replace("typing.", "")
    name = annotation.__qualname__ if isinstance(annotation, type) else repr(annotation)
    return name.replace("typing.", "")


def _shown(value: object) -> str:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return repr(value)


def _merge_one(
    asked: str, target: ClassTarget, body: Body, name: str, names: dict[int, str], merged: Merged
) -> None:
    """The changes of one attribute of the class; ``names`` is what ``_names`` says of it."""
    path, slot, value = f"{target.path}.{name}", Attribute(target.cls, name), body.attributes[name]
    # What an earlier version of the new class has added does not count as the old one's.
    added = is_given(slot)
    old = (
        value_stack_of(path, slot).original_state() if added else vars(target.cls).get(name, ABSENT)
    )
    if old is value:
        return
    holders = target.cls, body.of_class or target.cls
    if name in body.bare:
        pairs = [(_innermost(old, name, target.cls), value, "")]
    else:
        is_other = added or name in body.remade or type(old) is not type(value)
        pairs = [] if is_other else _function_pairs(old, value, name, holders)
        if any(m is not t and sharers(target.cls, old, m) for m, t, _ in pairs):
            pairs = []  # those that have it too keep it
    if pairs and all(names[id(mine)] == name for mine, _, _ in pairs):
        for mine, theirs, part in pairs:
            merged.parts.extend(
                _function_part(asked, target.cls, mine, theirs, f"{path}{part}", old)
            )
        value = _with_more_accessors(old, _in_place(value, target.cls, body))
        if value is None:
            return
    elif pairs and not any(
        names[id(mine)] != name
        and theirs not in _functions(holders[1], body.attributes.get(names[id(mine)]), name)
        for mine, theirs, _ in pairs
    ):
        return  # only other names of what is changed under its own
    elif old is not ABSENT and not _is_definition(old, value):
        if not (is_constant(old) and is_constant(value)):
            merged.stays.append(name)
            return
        if are_equal(old, value):
            return
    else:
        value = _in_place(value, target.cls, body)
    if body.of_class is None:
        tell = getattr(type(value), "__set_name__", None)
        if tell is not None:
            tell(value, target.cls, name)
    merged.parts.append(Part(value_stack_of(path, slot), Patch(value)))


def _in_place(value: object, cls: type, body: Body) -> object:
    """A new attribute as it belongs to the live class; that of a text does already."""
    return value if body.of_class is None else _rebound(value, cls)


def _is_definition(old: object, new: object) -> bool:
    """Whether one of two attributes is code, and not a value that both hold."""
    return any(
        isinstance(one, (FunctionType, type))
        or descriptor_kind(one) is not None
        or (callable(one) and hasattr(type(one), "__get__"))
        for one in (old, new)
    ) and not (is_constant(old) and is_constant(new))


def _with_more_accessors(old: object, new: object) -> object | None:
    """A property with the accessors that the old one lacks; None where it lacks none."""
    mine, theirs = parts_of(old), parts_of(new)
    if not isinstance(old, property) or not theirs.keys() - mine.keys():
        return None
    made = old
    for part in theirs.keys() - mine.keys():
        more: dict[str, Any] = {
            "fget": made.getter,
            "fset": made.setter,
            "fdel": made.deleter,
        }
        made = more[part](theirs[part])
    return made


def _innermost(value: object, name: str, cls: type) -> Any:
    return unwrap(value, name, cls).innermost


def _lacking(cls: type, body: Body) -> list[str]:
    """The definitions in a class's body that the new code does not have."""
    return [
        name
        for name, value in vars(cls).items()
        if name not in body.attributes
        and not is_given(Attribute(cls, name))
        and any(
            mangled(cls.__name__, f.__name__) == name
            and f.__globals__.get("__name__") == cls.__module__
            and f.__code__.co_filename[:1] != "<"
            for f in _functions(cls, value, name)
        )
    ]


def _function_pairs(
    old: Any, new: Any, name: str, holders: tuple[type, type]
) -> list[tuple[FunctionType, FunctionType, str]]:
    """The functions of two attributes that stand for each other, and which part they are."""
    ours, other = holders
    if isinstance(old, property):
        mine, theirs = parts_of(old), parts_of(new)
        parts = [(mine[p], theirs[p], f".{p}") for p in mine if p in theirs]
    else:
        parts = [(_innermost(old, name, ours), _innermost(new, name, other), "")]
    both = all(isinstance(f, FunctionType) for mine, theirs, _ in parts for f in (mine, theirs))
    return parts if both else []


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
    if mine is theirs:  # an accessor that a text took over from the live property
        return
    caches = unwrap(holder, path.rpartition(".")[2], cls).caches
    target = Target(path, mine, cls, (), caches)
    stack = stack_of(target)
    model = stack.model_of(mine)
    if not is_same_function(model, theirs):
        refuse_instrumentation(asked, path, mine)
        yield Part(stack, Patch(*code_from_callable(asked, theirs, target, model)), mine)


def refuse_instrumentation(asked: str, path: str, function: FunctionType) -> None:
    """Raise where a function was made around another one, which it needs to call.

    Raises:
        PatchRefused: SQLAlchemy's ``__init__`` of a mapped class, and the like.
    """
    below = is_made_around(function)
    if below is not None:
        raise PatchRefused(
            asked,
            f"a library made {path} around another function ({place(below)}), and it must call "
            "that one",
            f"wrap it: lp.wrap({path!r}, wrapper), or give its class a definition of its own",
        )


def _rebound(value: Any, cls: type) -> Any:
    """A new attribute as it belongs to the old class: ``super()`` in it means that class."""
    if isinstance(value, FunctionType):
        names = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        cells = tuple(CellType(cls) if n == "__class__" else cell for n, cell in names)
        return clone(value, cells)
    if isinstance(value, (staticmethod, classmethod, property)):
        return rebuilt(value, lambda part: _rebound(part, cls))
    return value
