"""Runs a class body for what it defines, without making a class of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..naming.unwrapping import unwrap
from ..reading.descriptors import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

# What the interpreter writes into every class body.
HOUSEKEEPING = {
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__classcell__",
    "__classdictcell__",
    "__conditional_annotations__",
    "__firstlineno__",
    "__module__",
    "__qualname__",
    "__static_attributes__",
    "__type_params__",
    "_abc_impl",
}
# Functions of these names become descriptors when their class is made.
_WRAPPED = {
    "__new__": staticmethod,
    "__init_subclass__": classmethod,
    "__class_getitem__": classmethod,
}


@dataclass
class Body:
    """What a class body defines.

    Attributes:
        attributes: by name; of a nested class that is there already, its own body.
        bare: the names of functions whose decorators stay those around the live one.
        remade: the names of what decorators make anew: it takes the live one's place.
        of_class: the class that they were read from; None: no class was made of them.
    """

    attributes: dict[str, Any]
    bare: set[str] = field(default_factory=set)
    remade: set[str] = field(default_factory=set)
    of_class: type | None = None


def functions_in(live: object, name: str, cls: type) -> list[object]:
    """The functions of an attribute: of a property each accessor, else what lies below it."""
    if isinstance(live, property):
        return list(parts_of(live).values())
    return [unwrap(live, name, cls).innermost]


def maker_of(cls: type, bare: set[str], remade: set[str]) -> Callable[..., Body]:
    """What stands for the metaclass: it makes no class of a body."""

    def body_of(_name: str, _bases: object, names: dict[str, Any]) -> Body:
        cell = names.get("__classcell__")
        if cell is not None:
            cell.cell_contents = cls
        attributes = {}
        for name, value in names.items():
            if name not in HOUSEKEEPING:
                wrapped = _WRAPPED.get(name) if isinstance(value, FunctionType) else None
                attributes[name] = value if wrapped is None else wrapped(value)
        return Body(attributes, bare, remade)

    return body_of
